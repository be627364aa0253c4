"""Classifying other images at the end of a run: the wiring, and the check that there are some."""

from typing import Any

from tfx import types
from tfx.components.bulk_inferrer.component import BulkInferrer
from tfx.dsl.components.base.base_node import BaseNode
from tfx.proto import bulk_inferrer_pb2

from keras_ext.export import EXAMPLES_SIGNATURE
from keras_ext.features import TRAIN
from keras_ext.image_input import InputSettings, read_images
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import input_paths
from tfx_components.bulk_predictions import BulkPredictions
from tfx_components.directory_example_gen import DirectoryExampleGen, split_ratios

# How files are read is one for all; what their names and places mean belongs to the images that train.
_READING = ("follow_links", "fingerprint", "cache_dir", "max_file_bytes", "max_unpacked_bytes", "max_pixels")
# Files that cannot be read are rows; only where no file can, something is wrong with all.
_ALMOST_ALL = 0.999_999


def prediction_components(config: Config, model: types.BaseChannel, blessing: types.BaseChannel) -> list[BaseNode]:
    """Returns what classifies the images of `[predict]` with the model, if it is blessed; nothing where none are set.

    Raises:
      ValueError: There are no such images.
    """
    if not config.predict.images:
        return []
    images = input_paths(config.predict.images)
    reading = {name: config.ingest.reading[name] for name in _READING}
    _check_images(images, reading)
    ingest = DirectoryExampleGen(
        images,
        output_config=split_ratios({TRAIN: 1, "eval": 0, "test": 0}),
        max_rejected=_ALMOST_ALL,
        image_checks=False,
        labelled=False,
        **reading,
    ).with_id("PredictionExampleGen")
    inferrer = BulkInferrer(
        examples=ingest.outputs["examples"],
        model=model,
        model_blessing=blessing,
        model_spec=bulk_inferrer_pb2.ModelSpec(model_signature_name=[EXAMPLES_SIGNATURE]),
    )
    return [ingest, inferrer, BulkPredictions(inferrer.outputs["inference_result"], model, ingest.outputs["report"])]


def _check_images(images: str | tuple[str, ...], reading: dict[str, Any]) -> None:
    """Finds out before training, not after it, that there is nothing to classify."""
    several = [images] if isinstance(images, str) else images
    if any("://" in one for one in several):
        return  # listed when it is its turn
    try:
        read_images(images, InputSettings(labelled=False, **reading))
    except ValueError as error:
        raise ValueError(f"predict.images: {error}") from error
