"""Refuses, before anything runs, what training would refuse after minutes of ingest."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, cast

import keras
import tensorflow as tf

from keras_ext.export import check_formats
from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.training.fine_tuning import backbone_of
from pipelines.image_classification.config import Config
from pipelines.image_classification.model import build_model
from pipelines.image_classification.resolve import read_input
from pipelines.image_classification.search_space import Range, with_hyperparameters


def check_model(config: Config) -> None:
    """Builds the network, all networks among which one is searched, and the augmentation, and tries the latter.

    Args:
      config: A resolved configuration.

    Raises:
      ValueError: An architecture or layer that does not exist, arguments it does not take, images too small for it,
        weights that do not fit, or code of the user's own that is no model or layer for these images, or a model with
        nothing in it to freeze.
      ImportError: The packages of an export format are not installed.
    """
    height, width = cast(tuple[int, int], config.image.size)
    image_shape = DecodeImage(height, width, color_mode=config.image.color_mode).image_shape
    # The user's own code may be for these classes alone.
    num_classes = 2 if config.model.builder is None else len(read_input(config).class_names)
    for settings in _models(config):
        model = build_model(settings, image_shape, num_classes)
        check_formats(config.export.formats, model)
        if config.train.frozen_epochs or "train.frozen_epochs" in config.tuner.settings:
            backbone_of(model)
    if config.augmentation.layers:
        _try_augmentation(config.augmentation.layers, image_shape)


def _models(config: Config) -> Iterator[dict[str, Any]]:
    """The settings of the model, and those with each value that is searched."""
    settings = {"model": dataclasses.asdict(config.model)}
    yield settings["model"]
    for name, values in config.tuner.settings.items():
        if name.startswith("model."):
            for value in (values.min, values.max) if isinstance(values, Range) else values:
                yield with_hyperparameters(settings, {"values": {name: value}})["model"]


def _try_augmentation(layers: Sequence[dict[str, Any]], image_shape: tuple[int, int, int]) -> None:
    augment = Augmentation(list(layers))
    images = tf.zeros([2, *image_shape], tf.uint8)
    inputs = {"images": images, "labels": keras.ops.eye(2)} if augment.mixes_labels else images
    try:
        augment(inputs, training=True, keys=tf.range(2, dtype=tf.int64))
    except Exception as error:  # of any layer, Keras's or the user's own
        raise ValueError(
            f"augmentation.layers must take images of shape {('batch', *image_shape)} in training, and fail: "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
