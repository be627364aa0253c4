"""Which classes are taken for which, counted batch by batch."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("keras_ext")
class ConfusionMatrix(keras.metrics.Metric):
    """Counts the images of each class by the class they were taken for.

    `matrix` holds the counts, and `keras_ext.class_figures.class_figures` gives the figures of each class. `result()`
    is one number, since Keras's logs, progress bar and callbacks take no matrix: macro recall, the mean recall of the
    classes that have images, also called balanced accuracy. Hence the metric's name, and `val_macro_recall` for a
    callback to monitor. `keras_ext.callbacks.ClassificationReport` reports the rest after each epoch.

    Args:
      num_classes: Number of classes.
      name: Name of the metric.
      dtype: Of the counts. Those of float32, the default, are exact up to 2²⁴ images in a cell.

    Input shape:
      y_true: Class indices, `(batch,)` or `(batch, 1)`, or one-hot rows `(batch, num_classes)`; of soft labels the
        largest share counts. An index outside the classes makes the result NaN.
      y_pred: Probabilities or logits `(batch, num_classes)`; with two classes also the probability of class 1,
        `(batch, 1)`.
      sample_weight: `(batch,)`, or None. `compile` passes weights to metrics in `weighted_metrics`, not in `metrics`.

    Raises:
      ValueError: Shapes other than these.

    Example:

    >>> metric = ConfusionMatrix(num_classes=2)
    >>> metric.update_state([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    >>> metric.matrix
    array([[1., 1.],
           [0., 1.]], dtype=float32)
    >>> float(metric.result())
    0.75
    """

    def __init__(self, num_classes: int, name: str = "macro_recall", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        if not isinstance(num_classes, int) or num_classes < 2:
            raise ValueError(f"num_classes must be an integer of at least 2. Received: num_classes={num_classes!r}.")
        self.num_classes = num_classes
        self._counts = self.add_variable((num_classes, num_classes), initializer="zeros", name="counts")

    @property
    def matrix(self) -> np.ndarray:
        """Images, or weights, of class `i` that were taken for class `j`, `(num_classes, num_classes)`."""
        return np.array(ops.convert_to_numpy(self._counts))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        labels, taken = self._labels(y_true), self._taken(y_pred)
        weights = ops.ones_like(taken) if sample_weight is None else ops.reshape(sample_weight, (-1,))
        # Backends drop indices outside the matrix, or fail, each in its way.
        is_known = ops.logical_and(labels >= 0, labels < self.num_classes)
        weights = ops.where(is_known, ops.cast(weights, self.dtype), np.nan)
        labels = ops.clip(labels, 0, self.num_classes - 1)
        cells = ops.segment_sum(weights, labels * self.num_classes + taken, num_segments=self.num_classes**2)
        self._counts.assign_add(ops.reshape(cells, self._counts.shape))

    def result(self) -> Any:
        """Returns macro recall, a scalar; 0 before anything was counted."""
        counts = ops.convert_to_tensor(self._counts)
        support = ops.sum(counts, axis=1)
        recall = ops.divide_no_nan(ops.diagonal(counts), support)
        return ops.divide_no_nan(ops.sum(recall), ops.sum(ops.cast(support != 0, self.dtype)))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "num_classes": self.num_classes}

    def _labels(self, y_true: Any) -> Any:
        shape = tuple(y_true.shape)
        if shape[1:] == (self.num_classes,):
            return ops.cast(ops.argmax(y_true, axis=-1), "int32")
        if shape[1:] in ((), (1,)) and len(shape) > 0:
            return ops.cast(ops.reshape(y_true, (-1,)), "int32")
        raise ValueError(
            f"y_true must be class indices (batch,) or (batch, 1), or one-hot rows (batch, {self.num_classes}). "
            f"Received: y_true of shape {shape}."
        )

    def _taken(self, y_pred: Any) -> Any:
        shape = tuple(y_pred.shape)
        if len(shape) == 2 and shape[1] == self.num_classes:
            return ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        if len(shape) == 2 and shape[1] == 1 and self.num_classes == 2:
            return ops.cast(ops.reshape(y_pred, (-1,)) > 0.5, "int32")
        raise ValueError(
            f"y_pred must be one probability for each class, (batch, {self.num_classes}). "
            f"Received: y_pred of shape {shape}."
        )
