"""Class weights as sample weights of a dataset."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from keras_ext.datasets.dataset_marks import MIXED_LABELS, OVERSAMPLED, marks_of
from keras_ext.datasets.label_output import labels_of, labels_spec, output_names
from keras_ext.labels import check_class_keys

_MIXED = (
    "An image that MixUp or CutMix blended has no single class and so no weight: leave out either those layers or the "
    "class weights; or pass fit the loss LogitAdjustedCrossentropy, which takes mixed labels."
)


def apply_class_weights(
    dataset: tf.data.Dataset,
    class_weights: Mapping[int, float],
    *,
    output: str | int | None = None,
    default: float | None = None,
) -> tf.data.Dataset:
    """Returns `(images, labels, weights)`: each image with the weight of its class, float32 `(batch,)`.

    `fit` takes the weights from there. Its own `class_weight` cannot weigh one of several outputs, nor what has sample
    weights already, and misreads multi-hot and mixed labels and omitted classes.

    Weights that the dataset has are multiplied. With several outputs the weights have the structure of the labels, and
    are 1 for the others; weigh a second output by calling it again.

    Args:
      dataset: Batches `(images, labels)` or `(images, labels, weights)`. Labels are class indices `(batch,)` or
        `(batch, 1)`, or rows of zeros and ones `(batch, classes)`; an image with several classes has their mean weight,
        one with none weighs 1.
      class_weights: Class index to weight, as `keras_ext.class_weights.class_weights` returns them.
      output: Where labels are a dict or tuple, the key or position of what the weights are for.
      default: What classes that `class_weights` omits weigh; None: every class must be there.

    Raises:
      ValueError: A class has no weight; a weight is negative or no number; the labels have another shape, or are known
        to be mixed; the dataset is oversampled.
      tf.errors.InvalidArgumentError: While it is read: a label outside the classes, or a soft one.

    Example:

    >>> model.fit(apply_class_weights(dataset, {0: 0.5, 1: 2.0}))
    """
    _check_marks(dataset)
    table = _table(class_weights, default)
    weights_of = _weighing(labels_spec(dataset, output), table, default)

    def weighted(images: Any, labels: Any, weights: Any = None) -> tuple[Any, Any, Any]:
        of_output = weights_of(labels_of(labels, output))
        names = output_names(labels)
        if names is None:
            return images, labels, _product(of_output, weights)
        every = [
            _product(of_output if name == output else tf.ones_like(of_output), _of_output(weights, name))
            for name in names
        ]
        return images, labels, dict(zip(names, every, strict=True)) if isinstance(labels, Mapping) else tuple(every)

    return dataset.map(weighted)


def _check_marks(dataset: tf.data.Dataset) -> None:
    marks = marks_of(dataset)
    if OVERSAMPLED in marks:
        raise ValueError(
            "Class weights and oversampling exclude each other: rare classes already come more often, and weights "
            "would count the imbalance a second time. Received: an oversampled dataset. Leave out one of the two."
        )
    if MIXED_LABELS in marks:
        raise ValueError(f"Class weights need labels that are not mixed. Received: a dataset of mixed labels. {_MIXED}")


def _table(class_weights: Mapping[int, float], default: float | None) -> list[float]:
    are_indices = all(isinstance(index, int) and index >= 0 for index in class_weights)
    if default is not None and class_weights and are_indices:
        class_weights = {index: class_weights.get(index, default) for index in range(max(class_weights) + 1)}
    table = [float(weight) for weight in check_class_keys("class_weights", class_weights)]
    if not all(0 <= weight < math.inf for weight in [*table, 0 if default is None else default]):
        raise ValueError(f"Weights must be numbers from 0 on. Received: {dict(class_weights)}, default={default}.")
    return table


def _weighing(labels: tf.TensorSpec, table: list[float], default: float | None) -> Callable[[Any], tf.Tensor]:
    """A function from labels to weights, for labels of this shape."""
    is_number = labels.dtype.is_integer or labels.dtype.is_floating or labels.dtype.is_bool
    if is_number and (labels.shape.rank == 1 or (labels.shape.rank == 2 and labels.shape[1] == 1)):
        return lambda batch: _of_indices(tf.reshape(batch, [-1]), table, default)
    if not is_number or labels.shape.rank != 2 or labels.shape[1] is None:
        raise ValueError(
            "Class weights need labels that are class indices, (batch,), or rows of zeros and ones, (batch, classes). "
            f"Received: labels of shape {labels.shape} and dtype {labels.dtype.name}. Batch a dataset of single images."
        )
    missing = labels.shape[1] - len(table)
    if missing < 0 or (missing and default is None):
        raise ValueError(
            f"class_weights must give a weight to each of {labels.shape[1]} classes, the columns of the labels. "
            f"Received: {len(table)} weights. Name every class, or pass default."
        )
    return lambda batch: _of_rows(batch, [*table, *[default] * missing])


def _of_indices(labels: tf.Tensor, table: list[float], default: float | None) -> tf.Tensor:
    indices = tf.cast(labels, tf.int64)
    known = (indices >= 0) & (tf.cast(indices, labels.dtype) == labels)
    if default is None:
        known &= indices < len(table)
    message = f"Labels must be class indices that class_weights names: whole numbers from 0 to {len(table) - 1}."
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(known), [message, "Received:", labels])]):
        weights = tf.gather(tf.constant(table, tf.float32), tf.minimum(indices, len(table) - 1))
    return weights if default is None else tf.where(indices < len(table), weights, default)


def _of_rows(labels: tf.Tensor, table: list[float | None]) -> tf.Tensor:
    rows = tf.cast(labels, tf.float32)
    message = f"One-hot and multi-hot labels must be zeros and ones. {_MIXED}"
    hard = tf.reduce_all((rows == 0) | (rows == 1))
    with tf.control_dependencies([tf.debugging.Assert(hard, [message, "Received:", labels])]):
        classes = tf.reduce_sum(rows, axis=1)
    total = tf.linalg.matvec(rows, tf.constant(table, tf.float32))
    return tf.where(classes > 0, tf.math.divide_no_nan(total, classes), 1.0)


def _of_output(weights: Any, name: Any) -> Any:
    """The weights of an output; one weight for each image counts for all outputs, as in Keras."""
    if isinstance(weights, Mapping):
        return weights.get(name)
    return weights[name] if isinstance(weights, tuple) else weights


def _product(of_classes: tf.Tensor, weights: Any) -> tf.Tensor:
    if weights is None:
        return of_classes
    if weights.shape.rank != 1 and weights.shape[1:] != [1]:
        raise ValueError(
            f"The dataset's weights must be one for each image, (batch,). Received: shape={weights.shape}."
        )
    return of_classes * tf.cast(tf.reshape(weights, [-1]), tf.float32)
