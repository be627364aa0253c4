"""Networks by name: images in, feature maps out; one source of networks in each file."""

import os

import keras

from keras_ext.architectures import keras_applications, keras_cv_backbones, small_cnn
from keras_ext.choices import check_choice

__all__ = ["backbone"]


def backbone(architecture: str, image_shape: tuple[int, int, int], weights: str | None = None) -> keras.Model:
    """Returns a network from images to feature maps, its own preprocessing included.

    Args:
      architecture: `"small_cnn"`, a class of `keras.applications` (`"ResNet50V2"`) or a backbone of KerasCV
        (`"ResNet18V2Backbone"`, with the extra `keras-cv`).
      image_shape: Height, width and channels.
      weights: A local file of weights for this network (as `save_weights` of the network wrote it; a top is left out),
        or None to start from random ones. For a backbone of KerasCV, the local directory of its preset. No weights are
        downloaded.

    Output:
      A model from float images `(batch, height, width, channels)` in [0, 255] to feature maps
      `(batch, rows, columns, features)`.

    Raises:
      ValueError: An unknown name; images that the network cannot take; weights that do not exist or do not fit.

    Example:

    >>> backbone("MobileNetV3Small", (96, 96, 3)).output_shape
    (None, 3, 3, 576)
    """
    _check_weights(weights)
    if architecture == "small_cnn":
        return small_cnn.build(image_shape, weights)
    if architecture in keras_applications.NAMES:
        return keras_applications.build(architecture, image_shape, weights)
    known = ("small_cnn", *keras_applications.NAMES, *keras_cv_backbones.names(architecture))
    return keras_cv_backbones.build(check_choice("architecture", architecture, known), image_shape, weights)


def _check_weights(weights: str | None) -> None:
    if weights is not None and not os.path.exists(weights):
        raise ValueError(
            f"weights must be a local path, or None. Received: weights={weights!r}, which does not exist. "
            "No weights are downloaded: save those of the network without its top once with save_weights."
        )
