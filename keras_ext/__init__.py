"""Keras layers, image datasets and class weights that a notebook and a TFX pipeline share.

Importing this package loads nothing else: its rooms are loaded when they are first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_ROOMS = frozenset(
    {
        "callbacks",
        "class_weights",
        "datasets",
        "export",
        "layers",
        "losses",
        "metrics",
        "plots",
        "prediction",
        "training",
    }
)
_HOMES = {"ImageDataGenerator": "image_data_generator"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_HOMES})
