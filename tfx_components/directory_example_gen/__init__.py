"""Image folders into TFX: the component and its helper for ratios. Without TFX: `beam_ingest.ImageExamples`.

The names are loaded when they are first used, so that what is next to them can be used without TFX.
"""

import importlib
from typing import Any

_HOMES = {"DirectoryExampleGen": "component", "ImageExamples": "beam_ingest", "split_ratios": "ratios"}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - computed, so that a name is written once


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
