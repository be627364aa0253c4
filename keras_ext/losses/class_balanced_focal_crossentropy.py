"""Focal loss, weighted by the effective number of images of each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.choices import check_choice
from keras_ext.class_weights import class_weights
from keras_ext.losses.class_labels import in_full_precision, log_of, one_hot_labels

_ACTIVATIONS = ("softmax", "sigmoid")
_EPSILON = 1e-7


@keras.saving.register_keras_serializable(package="keras_ext")
class ClassBalancedFocalCrossentropy(keras.losses.Loss):
    """Focal crossentropy, which turns to what is still wrong, weighted by class.

    α_y · (1 - p_y)^γ · -log p_y for the probability p_y of the true class: Lin et al. 2017, "Focal Loss for Dense
    Object Detection" (https://arxiv.org/abs/1708.02002), with α_y = (1 - β) / (1 - β^n_y), scaled to sum to the number
    of classes, for the n_y training images of the class: Cui et al. 2019, "Class-Balanced Loss Based on Effective
    Number of Samples" (https://arxiv.org/abs/1901.05555). With `activation="sigmoid"`, as in both papers, each class
    has a probability of its own, and the terms of all classes are summed, with 1 - p for those that are not true; all
    of them are weighted by α_y.

    The loss weighs by itself: neither class weights nor oversampling go with it.

    Args:
      class_counts: Number of training images for each class index, as `count_labels` returns them, or in a list.
      gamma: γ; 0 is the plain crossentropy, weighted by class.
      beta: β in [0, 1), or None to choose it from the counts; see `keras_ext.class_weights.class_weights`.
      activation: What makes, or made, the model's outputs probabilities: `"softmax"` or `"sigmoid"`.
      from_logits: Whether the model outputs logits, not probabilities.
      reduction: As in every Keras loss.
      name: Of the loss.
      dtype: Of the result; computed is in float32 at least.

    Call arguments:
      y_true: Class indices `(batch,)` or `(batch, 1)`, or one-hot floats `(batch, classes)`. An index outside the
        classes makes the loss NaN.
      y_pred: Probabilities or logits `(batch, classes)`.
      sample_weight: As in every Keras loss.

    Raises:
      ValueError: A class without images; `gamma` is negative or no number; an unknown activation; predictions for
        another number of classes.

    Example:

    >>> loss = ClassBalancedFocalCrossentropy(count_labels(train_labels))
    >>> model.compile("adam", loss=loss, metrics=["accuracy"])
    """

    def __init__(  # noqa: PLR0913 - the arguments of Keras's focal losses
        self,
        class_counts: Mapping[int, int] | Sequence[int],
        gamma: float = 2.0,
        beta: float | None = None,
        activation: str = "softmax",
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "class_balanced_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        weights = class_weights(class_counts, "effective_number", beta=beta, normalize="sum")
        if not 0 <= gamma < float("inf"):
            raise ValueError(f"gamma must be a number from 0 on. Received: gamma={gamma!r}.")
        self.class_counts = [int(class_counts[index]) for index in weights]
        self.gamma = float(gamma)
        self.beta = beta
        self.activation = check_choice("activation", activation, _ACTIVATIONS)
        self.from_logits = from_logits
        self._weights = np.array(list(weights.values()))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        predictions = in_full_precision(y_pred)
        labels = one_hot_labels(y_true, predictions, len(self.class_counts))
        log_true = self._log_probabilities(predictions)
        terms = labels * self._focal(log_true)
        if self.activation == "sigmoid":
            log_false = self._log_probabilities(-predictions if self.from_logits else 1 - predictions)
            terms = terms + (1 - labels) * self._focal(log_false)
        weights = ops.sum(labels * ops.cast(self._weights, labels.dtype), axis=-1)
        return weights * ops.sum(terms, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_counts": self.class_counts,
            "gamma": self.gamma,
            "beta": self.beta,
            "activation": self.activation,
            "from_logits": self.from_logits,
        }

    def _log_probabilities(self, predictions: Any) -> Any:
        if not self.from_logits:
            return log_of(predictions)
        return ops.log_softmax(predictions) if self.activation == "softmax" else ops.log_sigmoid(predictions)

    def _focal(self, log_probabilities: Any) -> Any:
        # The gradient of a power of zero is not finite.
        misses = ops.maximum(1 - ops.exp(log_probabilities), _EPSILON)
        return -ops.power(misses, self.gamma) * log_probabilities
