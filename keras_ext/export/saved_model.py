"""A trained classifier as a SavedModel that takes the bytes of image files."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_ext import features

EXAMPLES_SIGNATURE = "serving_examples"

# `assets.extra` is where a SavedModel keeps files that are its users' and not its graph's.
_CLASS_NAMES_PATH = os.path.join("assets.extra", "class_names.json")


def export_classifier(
    model: keras.Model,
    path: str,
    class_names: Sequence[str],
    decode: Callable[[tf.Tensor], tf.Tensor],
    resources: Sequence[Any] = (),
) -> None:
    """Writes a SavedModel that needs TensorFlow alone.

    Its signatures:

    - `serving_default`: `image_bytes` `(batch,)`, the bytes of image files, to `label` `(batch,)`, the name of the most
      probable class; `probability` `(batch,)`; and `probabilities` `(batch, classes)`. The name of the input ends in
      `_bytes`, so TensorFlow Serving's REST interface takes `{"b64": ...}`.
    - `serving_examples`: `examples` `(batch,)`, serialized `tf.Example`s with the feature `image/encoded`, to
      `probabilities`, without strings: what TFMA and BulkInferrer take.

    The class names also lie in `assets.extra/class_names.json`; see `read_class_names`.

    Args:
      model: From uint8 images to probabilities `(batch, classes)`.
      path: The directory to write.
      class_names: One name for each class, in the order of the probabilities.
      decode: From the bytes of image files `(batch,)` to the model's images, such as
        `keras_ext.layers.DecodeImage(height, width)`.
      resources: What else `decode` uses that TensorFlow must keep: models, tables.

    Raises:
      ValueError: The number of class names is not that of the model's outputs.

    Example:

    >>> export_classifier(model, "serving/1", ["cat", "dog"], DecodeImage(224, 224))
    """
    _check_class_names(class_names, model.output_shape[-1])
    labels = tf.constant(list(class_names))

    def classify_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = model(decode(image_bytes), training=False)
        return {
            "label": tf.gather(labels, tf.argmax(probabilities, axis=-1)),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
        }

    def classify_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {features.ENCODED: tf.io.FixedLenFeature([], tf.string)})
        return {"probabilities": model(decode(parsed[features.ENCODED]), training=False)}

    archive = keras.export.ExportArchive()
    for resource in (model, *resources):
        archive.track(resource)
    archive.add_endpoint("serving_default", classify_bytes, [tf.TensorSpec([None], tf.string, "image_bytes")])
    archive.add_endpoint(EXAMPLES_SIGNATURE, classify_examples, [tf.TensorSpec([None], tf.string, "examples")])
    archive.write_out(path, verbose=False)
    _write_class_names(path, class_names)


def read_class_names(path: str) -> list[str]:
    """Returns the class names of a model that `export_classifier` wrote.

    Raises:
      ValueError: It is not such a model.
    """
    file = os.path.join(path, _CLASS_NAMES_PATH)
    if not tf.io.gfile.exists(file):
        raise ValueError(
            f"{path!r} must be a SavedModel that keras_ext.export.export_classifier wrote. "
            f"Found no {_CLASS_NAMES_PATH} in it."
        )
    with tf.io.gfile.GFile(file) as stream:
        return json.loads(stream.read())


def _write_class_names(path: str, class_names: Sequence[str]) -> None:
    file = os.path.join(path, _CLASS_NAMES_PATH)
    tf.io.gfile.makedirs(os.path.dirname(file))
    with tf.io.gfile.GFile(file, "w") as stream:
        stream.write(json.dumps(list(class_names), indent=2, ensure_ascii=False) + "\n")


def _check_class_names(class_names: Sequence[str], outputs: int) -> None:
    if len(class_names) != outputs:
        raise ValueError(
            f"class_names must name each output of the model. Received: {len(class_names)} names for {outputs} outputs."
        )
