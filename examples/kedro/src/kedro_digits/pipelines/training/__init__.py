"""From images to a registered classifier."""

from kedro_digits.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
