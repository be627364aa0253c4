#!/bin/sh
# Runs a command on the current stack: here where the machine can, else in a Debian 13 root in .debian13/.
#
#   scripts/debian13.sh make test
#   scripts/debian13.sh --remove
#
# The root is made once by debootstrap, and is like another machine: `make` in it has its own environment. The checkout
# is seen under its own path, read-only, so that nothing done in there disturbs it; so are the directories named in
# DEBIAN13_SHOW, separated by spaces. DEBIAN13_MIRROR is where Debian comes from, if not from debootstrap's default.
#
# Mounts belong to the process alone and vanish with it. The root can therefore be deleted at any time.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd -P)
root=$checkout/.debian13
packages=python3,python3-venv,python3-dev,g++,make,git,ca-certificates

fail() {
    echo "$1" >&2
    exit 1
}

be_root() { # continues as root, with the same arguments
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null || fail "The Debian 13 root needs root rights (chroot and mount): install sudo, or be root."
    exec sudo -E "$0" "$@"
}

need_tools() {
    command -v debootstrap >/dev/null || PATH=$PATH:/usr/sbin:/sbin
    command -v debootstrap >/dev/null ||
        fail "The current stack's tests need debootstrap on this machine (glibc before 2.39): apt-get install debootstrap."
    reason=$(unshare --mount --propagation private true 2>&1) ||
        fail "The Debian 13 root needs the right to mount; in a container that is --privileged ($reason)."
}

make_root() { # under another name until it is whole
    [ "$(cat "$root/made_of" 2>/dev/null)" != "$packages" ] || return 0
    echo "Making a Debian 13 root in $root, once ..."
    rm -rf --one-file-system "$root" "$root.partial"
    unshare --mount --propagation private debootstrap --variant=minbase "--include=$packages" \
        trixie "$root.partial" ${DEBIAN13_MIRROR:-} >"$root.log" 2>&1 ||
        fail "debootstrap failed: $(grep '^[EW]: ' "$root.log" | tail -n 1) See $root.log."
    echo "$packages" >"$root.partial/made_of"
    mv "$root.partial" "$root"
    rm "$root.log"
}

show() { # mounts a file or directory of this machine at the same place in the root, read-only
    if [ -d "$1" ]; then
        mkdir -p "$root$1"
    elif [ ! -e "$root$1" ]; then
        mkdir -p "$root$(dirname "$1")" && touch "$root$1"
    fi
    mount --bind "$1" "$root$1" && mount -o remount,bind,ro "$root$1"
}

enter() { # runs the command in the root; only to be called in a mount namespace of its own
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    for path in /etc/ssl /etc/pip.conf "${SSL_CERT_FILE:-}" "${PIP_CERT:-}" "${REQUESTS_CA_BUNDLE:-}" \
        "$checkout" ${DEBIAN13_SHOW:-}; do
        [ ! -e "$path" ] || show "$path"
    done
    # What the tools keep lies in the root; variables that name places of this machine stay outside.
    exec chroot "$root" env -u TMPDIR -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u PYTHON -u PYTHONPATH -u PYTHONHOME \
        -u VIRTUAL_ENV -u UV_CACHE_DIR -u XDG_CACHE_HOME -u PIP_CACHE_DIR \
        PATH=/usr/local/bin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 LC_ALL=C.UTF-8 VENV=/venv \
        MYPY_CACHE_DIR=/var/cache/mypy RUFF_CACHE_DIR=/var/cache/ruff \
        PYTEST_ADDOPTS="-o cache_dir=/var/cache/pytest -W 'ignore:The database setting' ${PYTEST_ADDOPTS:-}" \
        sh -c 'cd "$0" && exec "$@"' "$checkout" "$@"
}

case ${1:-} in
    "") fail "Usage: scripts/debian13.sh COMMAND ... or scripts/debian13.sh --remove" ;;
    --remove)
        [ -e "$root" ] || [ -e "$root.partial" ] || [ -e "$root.log" ] || exit 0
        be_root "$@"
        rm -rf --one-file-system "$root" "$root.partial" "$root.log"
        ;;
    --enter) shift && enter "$@" ;;
    *)
        [ "$("$checkout/scripts/stack.sh" --family)" = classic ] || exec "$@"
        be_root "$@"
        need_tools
        make_root
        exec unshare --mount --propagation private "$0" --enter "$@"
        ;;
esac
