"""The image classification pipeline: a folder of labelled images becomes a blessed, pushed model."""

from typing import Any

__all__ = ["Config", "create_pipeline"]


def __getattr__(name: str) -> Any:
    # Config alone must not load TFX; importing TFX costs ten seconds.
    if name == "Config":
        from pipelines.image_classification.config import Config

        return Config
    if name == "create_pipeline":
        from pipelines.image_classification.pipeline import create_pipeline

        return create_pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
