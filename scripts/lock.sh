#!/bin/sh
# Locks: requirements/<family>.in and the requirements of setup.cfg -> requirements/<family>-py<version>.txt.
#
# Versions that are locked already stay where they can; `scripts/lock.sh --upgrade` takes the newest that resolve, and
# other arguments of `uv pip compile` (--upgrade-package NAME) pass through. A new interpreter: an empty lock file.
set -eu
cd "$(dirname "$0")/.."
export UV_PYTHON_DOWNLOADS=never
uv=scripts/uv.sh
[ -x "${VENV:-.venv}/bin/uv" ] || uv=uv
command -v "$uv" >/dev/null || { echo "make lock needs uv: run scripts/environment.sh, or pip install uv." >&2 && exit 1; }

for lock in requirements/*-py3*.txt; do
    family=$(basename "${lock%-py3*}")
    version=3.${lock##*-py3}
    case $family in
        classic) platform="--python-platform=x86_64-manylinux_2_31" ;;
        *) platform=--universal ;; # Linux and Apple silicon in one file
    esac
    echo "$lock"
    "$uv" --quiet pip compile setup.cfg --all-extras --constraints "requirements/$family.in" \
        --python-version "${version%.txt}" "$platform" \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@" --output-file "$lock" >/dev/null
done
