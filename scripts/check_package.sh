#!/bin/sh
# Builds the wheel and the source distribution into dist/, and tries the wheel as strangers would, outside the checkout:
#
#   1. the core with pip, on the TensorFlow of this machine's stack;
#   2. the core with pip, on the newest TensorFlow and Keras of the package index, with each Python on this machine;
#   3. [tfx] with uv and the lock, and the whole pipeline from there.
#
# What is in the archives is checked by tests/test_package.py.
set -eu
cd "$(dirname "$0")/.."
chosen=$(scripts/stack.sh)
stack=${chosen%% *} stack_python=${chosen#* }
work=$(mktemp -d)
[ -w . ] && dist=$PWD/dist || dist=$work/dist # the Debian 13 root sees the checkout read-only
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=2 TF_CPP_MIN_LOG_LEVEL=3
unset PYTHONPATH || true

build() { # from a copy: a build leaves files in its folder, and what an earlier one left there goes into a wheel
    mkdir "$work/source"
    cp -R setup.cfg pyproject.toml MANIFEST.in README.md keras_ext tfx_components pipelines tests "$work/source"
    mkdir -p "$dist"
    rm -f "$dist"/*.whl "$dist"/*.tar.gz
    # The wheel is built from the source distribution, so that this one is known to be whole.
    "${VENV:-.venv}/bin/python" -m build --outdir "$dist" "$work/source" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
    wheel=$(ls "$dist"/*.whl)
    # The newest setuptools takes files along that the locked one, with which tests/test_package.py builds, leaves out.
    if tar -tzf "$dist"/*.tar.gz | grep -E '^[^/]*/tests/.'; then
        echo "The source distribution must hold no tests; MANIFEST.in leaves them out." >&2
        exit 1
    fi
    ls -l "$dist"
}

pip_install() { # the interpreter, and what to install with the wheel
    "$1" -m venv "$work/venv"
    shift
    "$work/venv/bin/python" -m pip install "$wheel" "$@"
}

uv_install() {
    "$stack_python" -m venv "$work/venv"
    scripts/uv.sh pip sync --quiet --python "$work/venv" "requirements/$stack.txt" --build-constraints "requirements/$stack.txt"
    scripts/uv.sh pip install --quiet --python "$work/venv" --no-deps "$wheel"
}

try() { # what the smoke script is to expect
    mkdir "$work/tried"
    cp scripts/smoke.py "$work"
    # What TensorFlow says on standard error is of interest only where something fails.
    (cd "$work" && "$work/venv/bin/python" smoke.py "$work/tried" "$@" 2>"$work/log") || { cat "$work/log" && exit 1; }
    rm -rf "$work/venv" "$work/tried"
}

interpreters() { # those that run and can make an environment, one of each version
    for version in 3.10 3.11 3.12 3.13; do
        for candidate in "$(command -v "python$version" || true)" \
            "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/"$version".*/bin/python; do
            if [ -x "$candidate" ] && "$candidate" -c 'import ensurepip' 2>/dev/null; then
                echo "$candidate"
                break
            fi
        done
    done
}

echo "Building ..."
build
echo "The core on $stack ..."
# Constraints: the lock names versions for all that the core brings, and installs nothing else.
pip_install "$stack_python" --constraint "requirements/$stack.txt"
try
for python in $(interpreters); do
    echo "The core on the newest TensorFlow, with $("$python" --version) ..."
    pip_install "$python"
    try
done
echo "[tfx] on $stack ..."
uv_install
try --with-tfx
echo "The package works."
