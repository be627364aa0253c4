#!/bin/sh
# Chooses the stack for this machine and the interpreter for it:
#
#   scripts/stack.sh            prints for example "classic-py311 /usr/bin/python3.11"
#   scripts/stack.sh --family   prints "classic" or "current"
#
# The one place that knows which machine gets which stack; a machine that can run neither gets one sentence.
# requirements/<family>-py<version>.txt are the interpreters to choose from. PYTHON names the only one to try.
# The tests describe other machines by STACK_SYSTEM ("Linux x86_64"), STACK_GLIBC ("2.36"), PATH and PYENV_ROOT.
set -eu
requirements=$(dirname "$0")/../requirements

fail() {
    echo "$1" >&2
    exit 1
}

choose_family() { # sets family, and machine to say why
    system=${STACK_SYSTEM:-$(uname -sm)}
    case $system in
        "Darwin arm64") family=current machine="Apple silicon" ;;
        "Linux x86_64") choose_family_by_glibc ;;
        *) fail "TFX needs Linux on x86-64 or macOS on Apple silicon; this machine is $system." ;;
    esac
}

choose_family_by_glibc() {
    glibc=${STACK_GLIBC-$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')}
    minor=$(echo "$glibc" | sed -n 's/^2\.\([0-9]*\).*/\1/p')
    case $minor in
        "") fail "TFX needs a Linux with glibc 2; found ${glibc:-none, perhaps musl}." ;;
        [0-9] | [0-2][0-9] | 3[0-8]) family=classic machine="glibc $glibc < 2.39" ;;
        *) family=current machine="glibc $glibc" ;;
    esac
}

candidates() { # every file that may be an interpreter, in the order of PATH, pyenv's own versions last
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" || true
        return
    fi
    { echo "$PATH" | tr ':' '\n' && ls -d "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin 2>/dev/null || true; } |
        while IFS= read -r directory; do
            for candidate in "$directory"/python3.[0-9][0-9] "$directory"/python3; do
                [ ! -x "$candidate" ] || echo "$candidate"
            done
        done
}

interpreters() { # those that run (a pyenv shim may exist and not run), as "3.11 venv /usr/bin/python3.11"
    candidates | while IFS= read -r candidate; do
        "$candidate" -c '
import importlib.util, sys
venv = "venv" if importlib.util.find_spec("ensurepip") else "no-venv"
print("%d.%d" % sys.version_info[:2], venv, getattr(sys, "_base_executable", sys.executable))
' 2>/dev/null </dev/null || true
    done
}

describe() { # "3.12 venv /usr/bin/python3.12" lines -> "python3.10 without its venv module, python3.12"
    described=$(sed 's/^\([0-9.]*\) venv .*/python\1/; s/^\([0-9.]*\) no-venv .*/python\1 without its venv module/' |
        sort -u | paste -s -d , - | sed 's/,/, /g')
    echo "${described:-none}"
}

choose_family
if [ "${1:-}" = --family ]; then
    echo "$family"
    exit
fi

found=$(interpreters)
versions=$(ls "$requirements" | sed -n "s/^$family-py3\([0-9]*\)\.txt$/3.\1/p" | sort -t . -k 2 -n -r) # newest first
for version in $versions; do
    python=$(echo "$found" | sed -n "s/^$version venv //p" | head -n 1)
    if [ -n "$python" ]; then
        echo "$family-py3${version#3.} $python"
        exit
    fi
done
tfx=$(sed -n 's/^tfx==//p' "$requirements/$family.in")
newest=${versions%%[!0-9.]*}
fail "TFX $tfx needs Python $(echo $versions | sed 's/ \([^ ]*\)$/ or \1/; s/ 3/, 3/; s/or, 3/or 3/') on this machine \
($machine); found $(echo "$found" | describe). Install python$newest with its venv module, or name one: PYTHON=<path>."
