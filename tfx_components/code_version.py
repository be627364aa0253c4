"""A fingerprint of our own sources, for TFX's cache keys.

TFX hashes the text of a `module_file`, but sees neither executors nor code behind a dotted path. Every component of
ours therefore carries this version as an exec property: after a change of code it runs again.
"""

import functools
import hashlib
import importlib.util
from pathlib import Path

_PACKAGES = ("keras_ext", "tfx_components", "pipelines")


@functools.cache
def code_version() -> str:
    """Returns the SHA-256 (hex) over the names and contents of our packages' Python files."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        root = Path(spec.submodule_search_locations[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(str(path.relative_to(root.parent)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
