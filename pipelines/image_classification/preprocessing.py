"""What Transform does to each image: the only place where images are decoded and resized."""

from typing import Any

import tensorflow as tf

from keras_ext import features
from keras_ext.datasets.pixels import serialize_images
from keras_ext.layers import DecodeImage


def preprocessing_fn(inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Returns the decoded image, the label and what is told of the file; Trainer and serving use the same graph.

    Args:
      inputs: Raw features, `(batch,)` or `(batch, 1)`.
      custom_config: `"image"`: the arguments of `DecodeImage`.
    """
    images = DecodeImage(**custom_config["image"])(_flat(inputs, features.ENCODED))
    return {
        features.PIXELS: serialize_images(images),
        features.CLASS_LABEL: _flat(inputs, features.CLASS_LABEL),
        features.SHA256: _flat(inputs, features.SHA256),
        features.FORMAT: _flat(inputs, features.FORMAT),  # the skew gate looks at every format
        features.FILENAME: _flat(inputs, features.FILENAME),  # to show which images the model is most wrong of
    }


def _flat(inputs: dict[str, tf.Tensor], name: str) -> tf.Tensor:
    if name not in inputs:
        raise ValueError(
            f"The schema must hold {name!r}. Received: {sorted(inputs)}. Statistics without image bytes give a schema "
            "without them: add the feature with tfx_components.ImageSchema."
        )
    return tf.reshape(inputs[name], [-1])
