"""Test-time augmentation: the mean over several versions of an image."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ext.datasets import image_keys
from keras_ext.export import EXTRA_FILES
from keras_ext.export.pixel_model import DESCRIPTION_FILE
from keras_ext.layers import Augmentation, DecodeImage


class AugmentedModel:
    """The network of an exported classifier, which looks at each image as it is and at augmented versions of it.

    Versions are a function of the seed and the content of the file, where the layers draw by key, as `RandomAffine`
    does; Keras's own layers draw for a whole batch.

    Args:
      path: A SavedModel with a file `model.keras` in its folder `assets.extra`, as `export_formats` writes it.
      layers: What makes the versions; see `keras_ext.layers.Augmentation`.
      rounds: How many versions.
      seed: Of the augmentation.

    Raises:
      ValueError: The model was exported without that file, it cannot be loaded, or a layer mixes images.
    """

    def __init__(self, path: str, layers: Sequence[Mapping[str, Any]], rounds: int, seed: int) -> None:
        self._decode, self._network = _parts(os.path.join(path, EXTRA_FILES))
        self._augment = Augmentation(layers, seed=seed)
        if self._augment.mixes_labels:
            raise ValueError(f"Layers that blend images of different classes cannot augment single ones: {layers}.")
        self._rounds = rounds
        pixels = tf.TensorSpec((None, *self._decode.image_shape), tf.uint8)
        signature = [pixels, tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int32)]
        self._files = tf.function(self._decode, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        self._plain = tf.function(self._classified, input_signature=[pixels], autograph=False)
        self._version = tf.function(self._augmented, input_signature=signature, autograph=False)

    def __call__(self, files: Sequence[bytes]) -> np.ndarray:
        """Returns the mean probabilities of image files, float32 `(batch, classes)`."""
        contents = tf.constant(files)
        images, keys = self._files(contents), image_keys(contents)
        versions = [self._version(images, keys, tf.constant(number)) for number in range(self._rounds)]
        return np.mean([self._plain(images), *versions], axis=0)

    def _classified(self, images: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._network(images, training=False), tf.float32)

    def _augmented(self, images: tf.Tensor, keys: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        augmented = self._augment(images, training=True, keys=keys, epoch=number)
        return self._classified(tf.saturate_cast(tf.round(augmented), tf.uint8))


def _parts(folder: str) -> tuple[DecodeImage, keras.Model]:
    """Returns what decodes files for the network, and the network."""
    description = os.path.join(folder, DESCRIPTION_FILE)
    content: dict[str, Any] = {}
    if tf.io.gfile.exists(description):
        with tf.io.gfile.GFile(description) as file:
            content = json.loads(file.read())
    if "keras" not in content.get("files", {}) or "decode" not in content:
        raise ValueError(
            f"Augmented predictions need the network itself as a .keras file, which is not in '{folder}'. Run with the "
            'setting export.formats=["keras"], or write it: export_formats(model, folder, class_names, ["keras"], '
            "decode=DecodeImage(...))."
        )
    path = os.path.join(folder, content["files"]["keras"])
    try:
        network = keras.saving.load_model(path, compile=False)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"'{path}' cannot be loaded: {error}") from error
    return DecodeImage(**content["decode"]), network
