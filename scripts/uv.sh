#!/bin/sh
# Runs the environment's uv, with the package index that pip is configured with, which uv does not read.
set -eu
venv=${VENV:-.venv}
index=$("$venv/bin/python" -m pip config list | sed -n "s/^[a-z:]*\.index-url='\(.*\)'$/\1/p" | head -n 1)
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-300}" UV_PYTHON_DOWNLOADS=never
exec "$venv/bin/uv" "$@"
