"""The networks of `keras.applications`, each with the preprocessing that belongs to it."""

import inspect
import sys

import keras
import numpy as np

from keras_ext.architectures.local_weights import load_local_weights

_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

NAMES = tuple(name for name, function in sorted(vars(keras.applications).items()) if inspect.isfunction(function))


def build(architecture: str, image_shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    """Returns the network without its top; see `keras_ext.architectures.backbone`."""
    constructor = getattr(keras.applications, architecture)
    inputs = keras.Input(image_shape, name="images")
    images = as_rgb(inputs, architecture)
    # Each module of Keras's has one `preprocess_input` for its networks; it is empty where the network itself rescales.
    images = sys.modules[constructor.__module__].preprocess_input(images)
    try:
        network = constructor(include_top=False, weights=None, input_shape=(*image_shape[:2], 3))
    except ValueError as error:
        raise ValueError(
            f"architecture {architecture!r} cannot be built for images of {image_shape[0]} x {image_shape[1]} pixels: "
            f"{error}"
        ) from error
    if weights is not None:
        fix = f"keras.applications.{architecture}(include_top=False).save_weights('{architecture}.weights.h5')"
        load_local_weights(network, weights, architecture, f"Save them once with {fix}.")
        _mend_normalization(network)
    return keras.Model(inputs, network(images), name=architecture)


def _mend_normalization(network: keras.Model) -> None:
    """Replaces the standard deviations of ImageNet that stand for variances in the weights of EfficientNet.

    Where Keras fetches these weights itself, it adds a layer that makes up for it (tensorflow#49930).
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and np.allclose(layer.variance, _IMAGENET_DEVIATION):
            mean, variance, *count = layer.get_weights()
            layer.set_weights([mean, variance**2, *count])
            layer.finalize_state()


def as_rgb(images: keras.KerasTensor, architecture: str) -> keras.KerasTensor:
    """Returns RGB images for grey or RGB ones.

    Raises:
      ValueError: The images have neither one channel nor three.
    """
    channels = images.shape[-1]
    if channels not in (1, 3):
        raise ValueError(
            f"architecture {architecture!r} takes images of one or three channels. Received: {channels} channels. "
            "Decode with color_mode='rgb'."
        )
    return keras.layers.Concatenate(name="grey_to_rgb")([images] * 3) if channels == 1 else images
