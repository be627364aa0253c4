"""What the losses on class probabilities share: labels and predictions in one shape."""

from typing import Any

import keras
import numpy as np
from keras import ops

_TINY = float(np.finfo(np.float32).tiny)


def log_of(probabilities: Any) -> Any:
    """Returns logarithms that are finite, also of zeros; their gradients are finite too."""
    return ops.log(ops.maximum(probabilities, _TINY))


def in_full_precision(predictions: Any) -> Any:
    """Returns the predictions in float32, or in float64 where they are that."""
    return ops.cast(predictions, keras.backend.result_type(predictions.dtype, "float32"))


def one_hot_labels(labels: Any, predictions: Any, num_classes: int) -> Any:
    """Returns labels of the shape of `predictions`.

    Args:
      labels: Class indices `(batch,)` or `(batch, 1)`, or one-hot rows `(batch, classes)`, which may be mixed. An index
        outside the classes gives NaN, so that the loss shows it.
      predictions: `(batch, classes)`.
      num_classes: What the last axis must be.

    Raises:
      ValueError: The predictions have another number of classes.
    """
    if predictions.shape[-1] != num_classes:
        raise ValueError(
            f"y_pred must have one value for each of {num_classes} classes, which class_counts names. "
            f"Received: shape={tuple(predictions.shape)}."
        )
    if len(labels.shape) == len(predictions.shape) and labels.shape[-1] != 1:
        return ops.cast(labels, predictions.dtype)
    if len(labels.shape) == len(predictions.shape):
        labels = ops.squeeze(labels, axis=-1)
    is_known = ops.logical_and(labels >= 0, labels < num_classes)
    rows = ops.one_hot(ops.cast(labels, "int32"), num_classes, dtype=predictions.dtype)
    return ops.where(ops.expand_dims(is_known, -1), rows, np.nan)
