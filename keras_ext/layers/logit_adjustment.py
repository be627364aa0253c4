"""Predictions for classes that are equally likely."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.class_weights import logit_adjustments

# The smallest normal float32, since the gradient of a logarithm at 0 is not a number.
_SMALLEST = 1.2e-38


@keras.saving.register_keras_serializable(package="keras_ext")
class LogitAdjustment(keras.layers.Layer):
    """Takes the class frequencies of the training images out of a trained model's predictions.

    Probabilities become softmax(log p - τ · log π), logits f - τ · log π, for the priors π of the training images: the
    post-hoc correction of Menon et al. 2021, "Long-tail learning via logit adjustment"
    (https://arxiv.org/abs/2007.07314), equation 9. It needs no training: it is the last layer of what is exported.

    For models that were trained on the images as they are: without class weights, oversampling and
    `LogitAdjustedCrossentropy`, each of which already corrects.

    Args:
      class_counts: Number of training images for each class index, as `count_labels` returns them, or in a list.
      tau: τ; 0 leaves the predictions as they are.
      from_logits: Whether the model outputs logits, not probabilities (softmax).

    Input shape:
      `(batch, classes)` or `(classes,)`, floats.

    Output shape:
      The same, in the compute dtype: probabilities, or logits where the input is.

    Raises:
      ValueError: Counts that are not positive; `tau` is negative or no number; predictions for another number of
        classes.

    Example:

    >>> adjusted = LogitAdjustment(count_labels(train_labels))(model.output)
    >>> export_classifier(keras.Model(model.input, adjusted), "serving/1", class_names, DecodeImage(224, 224))
    """

    def __init__(
        self,
        class_counts: Mapping[int, float] | Sequence[float],
        tau: float = 1.0,
        from_logits: bool = False,
        **kwargs: Any,
    ) -> None:
        # Inputs are cast here, to float32, not by Keras to what may be float16.
        super().__init__(**{**kwargs, "autocast": False})
        self._adjustment = logit_adjustments(class_counts, tau).astype(np.float32)
        self.class_counts = [class_counts[index] for index in range(len(self._adjustment))]
        self.tau = float(tau)
        self.from_logits = from_logits

    def call(self, inputs: Any) -> Any:
        self._check_shape(inputs.shape)
        predictions = ops.cast(inputs, "float32")
        logits = predictions if self.from_logits else ops.log(ops.maximum(predictions, _SMALLEST))
        adjusted = logits - self._adjustment
        return ops.cast(adjusted if self.from_logits else ops.softmax(adjusted), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        self._check_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_counts": self.class_counts,
            "tau": self.tau,
            "from_logits": self.from_logits,
        }

    def _check_shape(self, shape: Sequence[int | None]) -> None:
        if shape[-1] != len(self.class_counts):
            raise ValueError(
                f"The predictions must have one value for each of {len(self.class_counts)} classes, which class_counts "
                f"names. Received: shape={tuple(shape)}."
            )
