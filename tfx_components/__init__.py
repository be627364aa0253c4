"""TFX components for images, at home beside stock components.

The names are loaded when they are first used: TFX takes seconds to import.
"""

import importlib
from typing import Any

_HOMES = {
    "BulkPredictions": "bulk_predictions",
    "ClassWeights": "class_weights",
    "DirectoryExampleGen": "directory_example_gen",
    "Evaluator": "evaluator",
    "ImageSchema": "image_schema",
    "LastBlessedModel": "last_blessed_model",
    "Pusher": "pusher",
    "SkewValidator": "skew_validator",
    "Trainer": "trainer",
    "Tuner": "tuner",
    "count_example_labels": "class_weights",
    "count_statistics_labels": "class_weights",
    "read_predictions": "bulk_predictions",
    "split_ratios": "directory_example_gen",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - computed, so that a name is written once


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
