#!/bin/sh
# Makes the virtual environment $VENV (default .venv) from the lock of this machine's stack, or brings it up to date.
#
# Does nothing when nothing changed. The stamp, which says what the environment was made of, is written last and taken
# away first, so that half an environment is never taken for a whole one: without a stamp it is made anew.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
stamp=$venv/stamp # three lines: the stack, what it was made for, what it was made of
made_for="$(scripts/stack.sh --family) $PWD ${PYTHON:-}"

made_of() {
    cat "requirements/$stack.txt" setup.cfg pyproject.toml scripts/environment.sh | cksum
}

need_compiler() { # pyfarmhash, which TFX needs, has no wheels
    "$python" -c '
import os, shutil, sys, sysconfig
version = "python%d.%d" % sys.version_info[:2]
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
missing = [] if shutil.which("g++") or shutil.which("c++") else ["a C++ compiler (g++)"]
missing += [] if os.path.exists(header) else ["the headers of " + version + " (" + version + "-dev)"]
if missing:
    sys.exit("TFX needs pyfarmhash, which is built from source. Install " + " and ".join(missing) + ".")'
}

make_anew() { # with uv, and with pip, which says where the package index is
    chosen=$(scripts/stack.sh)
    stack=${chosen%% *} python=${chosen#* }
    need_compiler
    echo "Making $venv: the stack $stack with $python, once ..."
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' "requirements/$stack.txt")"
}

install() {
    uv() {
        VENV=$venv scripts/uv.sh "$@" --python "$venv/bin/python"
    }
    # Compiled here once: where Python may not write bytecode, TFX's imports would take three times as long in every run.
    echo "Installing $(grep -c == "requirements/$stack.txt") packages ..."
    uv pip sync --quiet "requirements/$stack.txt" --build-constraints "requirements/$stack.txt" --compile-bytecode
    uv pip install --quiet --no-deps --no-build-isolation --editable .
}

if [ -f "$stamp" ] && [ "$(sed -n 2p "$stamp")" = "$made_for" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    stack=$(head -n 1 "$stamp")
    [ "$(sed -n 3p "$stamp")" != "$(made_of)" ] || exit 0
    echo "Bringing $venv up to date ..."
    rm "$stamp"
else
    make_anew
fi
install
printf '%s\n' "$stack" "$made_for" "$(made_of)" >"$stamp"
