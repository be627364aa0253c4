"""Refuses, before anything runs, what training would refuse after minutes of ingest."""

from typing import cast

from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.training import image_classifier
from pipelines.image_classification.config import Config


def check_model(config: Config) -> None:
    """Builds the network and the augmentation once.

    Args:
      config: A resolved configuration.

    Raises:
      ValueError: An architecture or layer that does not exist, arguments it does not take, images too small for it, or
        weights that do not fit.
    """
    height, width = cast(tuple[int, int], config.image.size)
    image_shape = DecodeImage(height, width, color_mode=config.image.color_mode).image_shape
    model = config.model
    image_classifier(model.architecture, image_shape, num_classes=2, weights=model.weights, dropout=model.dropout)
    Augmentation(list(config.augmentation.layers))
