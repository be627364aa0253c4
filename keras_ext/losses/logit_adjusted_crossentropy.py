"""Crossentropy that knows how often each class occurs."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_ext.class_weights import logit_adjustments
from keras_ext.losses.class_labels import in_full_precision, log_of, one_hot_labels


@keras.saving.register_keras_serializable(package="keras_ext")
class LogitAdjustedCrossentropy(keras.losses.Loss):
    """Crossentropy of logits to which τ · log(prior) of each class is added while training.

    What the model learns is then right for classes that are equally likely, which is what macro recall asks for: rare
    classes must win by a margin in training, and predictions are taken without the addition. With τ = 1 it is the
    balanced softmax.

    -log softmax(f + τ · log π)_y, for the logits f and the priors π of the training images: equation 10 of Menon et al.
    2021, "Long-tail learning via logit adjustment" (https://arxiv.org/abs/2007.07314).

    Neither class weights nor oversampling go with it: either would count the imbalance twice.

    Args:
      class_counts: Number of training images for each class index, as `count_labels` returns them, or in a list.
      tau: τ; 0 is the plain crossentropy.
      from_logits: Whether the model outputs logits, not probabilities (softmax).
      reduction: As in every Keras loss.
      name: Of the loss.
      dtype: Of the result; computed is in float32 at least.

    Call arguments:
      y_true: Class indices `(batch,)` or `(batch, 1)`, or one-hot floats `(batch, classes)`, which may be mixed
        (`MixUp`, `CutMix`). An index outside the classes makes the loss NaN.
      y_pred: Probabilities or logits `(batch, classes)`.
      sample_weight: As in every Keras loss.

    Raises:
      ValueError: Counts that are not positive; `tau` is negative or no number; predictions for another number of
        classes.

    Example:

    >>> loss = LogitAdjustedCrossentropy(count_labels(train_labels))
    >>> model.compile("adam", loss=loss, metrics=["accuracy"])
    """

    def __init__(
        self,
        class_counts: Mapping[int, float] | Sequence[float],
        tau: float = 1.0,
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "logit_adjusted_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._adjustment = logit_adjustments(class_counts, tau)
        self.class_counts = [class_counts[index] for index in range(len(self._adjustment))]
        self.tau = float(tau)
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        predictions = in_full_precision(y_pred)
        labels = one_hot_labels(y_true, predictions, len(self.class_counts))
        logits = predictions if self.from_logits else log_of(predictions)
        adjusted = logits + ops.cast(self._adjustment, logits.dtype)
        return -ops.sum(labels * ops.log_softmax(adjusted), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_counts": self.class_counts,
            "tau": self.tau,
            "from_logits": self.from_logits,
        }
