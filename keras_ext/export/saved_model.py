"""A trained classifier as a SavedModel that takes the bytes of image files."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_ext import features
from keras_ext.export.image_files import checked_files
from keras_ext.export.whole_file import whole_folder
from keras_ext.layers import DecodeImage

SERVING_SIGNATURE = "serving_default"
EXAMPLES_SIGNATURE = "serving_examples"
CLASS_NAMES_SIGNATURE = "class_names"

# `assets.extra` is where a SavedModel keeps files that are its users' and not its graph's.
EXTRA_FILES = "assets.extra"
_CLASS_NAMES_PATH = os.path.join(EXTRA_FILES, "class_names.json")


def export_classifier(
    model: keras.Model,
    path: str,
    class_names: Sequence[str],
    decode: Callable[[tf.Tensor], tf.Tensor],
    resources: Sequence[Any] = (),
    *,
    top_k: int = 5,
) -> None:
    """Writes a SavedModel that needs TensorFlow alone.

    Its signatures:

    - `serving_default`: `image_bytes` `(batch,)`, the bytes of image files, to `label` `(batch,)`, the name of the most
      probable class; `probability` `(batch,)`; `top_labels` and `top_probabilities` `(batch, k)`, the most probable
      classes, best first; and `probabilities` `(batch, classes)`. The name of the input ends in `_bytes`, by which
      clients of TensorFlow Serving know that its REST interface takes `{"b64": ...}`. A batch with a file that is no
      image is refused; the error names its position.
    - `serving_examples`: `examples` `(batch,)`, serialized `tf.Example`s with the feature `image/encoded`, to
      `probabilities`, without strings: what TFMA and BulkInferrer take.
    - `class_names`: `class_index` `(batch,)`, int64, to `class_name` `(batch,)`.

    Probabilities are float32, whatever the model computes in. The class names also lie in
    `assets.extra/class_names.json`; see `read_class_names`.

    Args:
      model: From uint8 images to probabilities `(batch, classes)`.
      path: The directory to write. A new one appears whole, so a model server may watch for it.
      class_names: One name for each class, in the order of the probabilities.
      decode: From the bytes of image files `(batch,)` to the model's images, such as
        `keras_ext.layers.DecodeImage(height, width)`.
      resources: What else `decode` uses that TensorFlow must keep: models, tables.
      top_k: How many classes `top_labels` names; with fewer classes, all.

    Raises:
      ValueError: Class names that are not one text for each output of the model; a model that does not tell its one
        output; a `top_k` below 1.

    Example:

    >>> export_classifier(model, "serving/1", ["cat", "dog"], DecodeImage(224, 224))
    """
    check_class_names(class_names, model)
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise ValueError(f"top_k must be an integer, 1 or more. Received: top_k={top_k!r}.")
    labels = tf.constant(list(class_names))

    def probabilities_of(files: tf.Tensor) -> tf.Tensor:
        if isinstance(decode, DecodeImage):
            files = checked_files(files)
        probabilities = tf.cast(model(decode(files), training=False), tf.float32)
        _check_number(class_names, probabilities.shape[-1])  # a subclassed model does not tell it before
        return probabilities

    def classify_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = probabilities_of(image_bytes)
        top = tf.math.top_k(probabilities, min(top_k, len(class_names)))
        top_labels = tf.gather(labels, top.indices)
        return {
            "label": top_labels[:, 0],
            "probability": top.values[:, 0],
            "top_labels": top_labels,
            "top_probabilities": top.values,
            "probabilities": probabilities,
        }

    def classify_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {features.ENCODED: tf.io.FixedLenFeature([], tf.string)})
        return {"probabilities": probabilities_of(parsed[features.ENCODED])}

    def name_classes(class_index: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"class_name": tf.gather(labels, class_index)}

    archive = keras.export.ExportArchive()
    for resource in (model, *resources):
        archive.track(resource)
    archive.add_endpoint(SERVING_SIGNATURE, classify_bytes, [tf.TensorSpec([None], tf.string, "image_bytes")])
    archive.add_endpoint(EXAMPLES_SIGNATURE, classify_examples, [tf.TensorSpec([None], tf.string, "examples")])
    archive.add_endpoint(CLASS_NAMES_SIGNATURE, name_classes, [tf.TensorSpec([None], tf.int64, "class_index")])
    with whole_folder(os.fspath(path)) as folder:
        archive.write_out(folder, verbose=False)
        _write_class_names(folder, class_names)


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


def check_class_names(class_names: Sequence[str], model: keras.Model) -> None:
    """Refuses names that are not one text for each class of the model, as far as it tells its classes."""
    texts = not isinstance(class_names, str) and all(isinstance(name, str) for name in class_names)
    if not texts or len(set(class_names)) < len(class_names):
        raise ValueError(f"class_names must be a list of different texts. Received: class_names={class_names!r}.")
    shape = getattr(model, "output_shape", None)  # several outputs have a list or a dictionary of shapes
    if shape is None and model.built:
        return
    if not isinstance(shape, tuple) or len(shape) != 2 or not isinstance(shape[1], int):
        raise ValueError(
            "model must be built, and have one output, probabilities `(batch, classes)`. "
            f"Received: model={model.name!r} with output_shape={shape}. Pass keras.Model(images, probabilities)."
        )
    _check_number(class_names, shape[1])


def _check_number(class_names: Sequence[str], outputs: int) -> None:
    if len(class_names) != outputs:
        raise ValueError(
            f"class_names must name each output of the model. Received: {len(class_names)} names for {outputs} outputs."
        )
