"""Class weights as sample weights of a dataset."""

from collections.abc import Mapping

import tensorflow as tf


def apply_class_weights(dataset: tf.data.Dataset, class_weights: Mapping[int, float]) -> tf.data.Dataset:
    """Returns `(images, labels, weights)` for a dataset of batches `(images, labels)`.

    `fit` takes the weights from there; its own `class_weight` misreads two-dimensional labels and omitted classes.

    Args:
      dataset: Batches with integer labels `(batch,)`.
      class_weights: Class index to weight, for every class: 0 to the number of classes - 1.

    Raises:
      ValueError: A class has no weight, or the labels are not class indices.

    Example:

    >>> model.fit(apply_class_weights(dataset, {0: 0.5, 1: 2.0}))
    """
    if sorted(class_weights) != list(range(len(class_weights))) or not class_weights:
        raise ValueError(
            "class_weights must give a weight to each class index, 0 to the number of classes - 1. "
            f"Received: class_weights={dict(class_weights)}. Name every class."
        )
    _check_labels(dataset.element_spec[1])
    table = tf.constant([class_weights[index] for index in range(len(class_weights))], tf.float32)
    return dataset.map(lambda images, labels: (images, labels, tf.gather(table, labels)))


def _check_labels(labels: tf.TensorSpec) -> None:
    if labels.dtype.is_integer and labels.shape.rank in (1, None):
        return
    raise ValueError(
        "Class weights need one class index for each image, integers of shape (batch,). "
        f"Received: labels of shape {labels.shape} and dtype {labels.dtype.name}. An image that MixUp or CutMix "
        "blended has no single class and so no weight: leave out either those layers or the class weights. Other "
        "one-hot labels: map them with tf.argmax first."
    )
