"""The networks of `keras.applications`, each with the preprocessing that belongs to it."""

import inspect
import sys

import keras

NAMES = tuple(name for name, function in sorted(vars(keras.applications).items()) if inspect.isfunction(function))


def build(architecture: str, image_shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    """Returns the network without its top; see `keras_ext.architectures.backbone`."""
    constructor = getattr(keras.applications, architecture)
    inputs = keras.Input(image_shape, name="images")
    images = as_rgb(inputs, architecture)
    # Each module of Keras's has one `preprocess_input` for its networks; it is empty where the network itself rescales.
    images = sys.modules[constructor.__module__].preprocess_input(images)
    try:
        network = constructor(include_top=False, weights=weights, input_shape=(*image_shape[:2], 3))
    except ValueError as error:
        raise ValueError(
            f"architecture {architecture!r} cannot be built for images of {image_shape[0]} x {image_shape[1]} pixels "
            f"and weights={weights!r}: {error}"
        ) from error
    return keras.Model(inputs, network(images), name=architecture)


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
