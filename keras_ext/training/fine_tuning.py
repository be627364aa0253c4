"""Training a network that brings weights: first what is new on top of it, then all of it, carefully."""

import math
import os
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_ext.progress import progress_logger
from keras_ext.training.fitting import LearningRate, fit


def fine_tune(  # noqa: PLR0913 - those of two calls of fit
    model: keras.Model,
    train: tf.data.Dataset | Callable[[int], tf.data.Dataset],
    validation: tf.data.Dataset,
    *,
    frozen_epochs: int,
    epochs: int,
    learning_rate: LearningRate = 1e-3,
    fine_tuning_learning_rate: LearningRate = 1e-5,
    backbone: keras.layers.Layer | None = None,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    log_dir: str | os.PathLike[str] | None = None,
    **arguments: Any,
) -> tuple[keras.callbacks.History, keras.callbacks.History]:
    """Trains the top on a frozen backbone, then all, and leaves the model with the weights of the best epoch of both.

    The best is that of the lowest loss on `validation`. In the first phase the backbone is frozen: gradients of a
    random top would spoil its weights. In the second it learns at a low rate. Its BatchNormalization stays in inference
    mode in both: batches of a small data set would replace averages over a large one. (See Keras's guide "Transfer
    learning & fine-tuning".) Each phase is a call of `keras_ext.training.fit`.

    Args:
      model: A classifier with probabilities as output, such as `image_classifier(..., weights=...)` returns.
      train: As `fit` takes it. A function of the first epoch gets 0 for the first phase, and `frozen_epochs` for the
        second, so that no epoch is repeated.
      validation: As `fit` takes it.
      frozen_epochs: The most epochs of the first phase.
      epochs: The most epochs of the second phase.
      learning_rate: That of the first phase.
      fine_tuning_learning_rate: That of the second phase.
      backbone: The layer that is frozen first; by default the one layer of the model that is itself a model. Layers
        in it that are not trainable, but for the whole of it, stay so.
      checkpoint_dir: A folder for the checkpoints of both phases, from which an interrupted training goes on, or None.
      log_dir: Where TensorBoard's logs go, in the folders `frozen` and `unfrozen`, or None.
      **arguments: What else `fit` takes, for both phases.

    Returns:
      Keras's histories of the two phases.

    Raises:
      ValueError: `frozen_epochs` is no positive number, or the model has no backbone or nothing else that learns.

    Example:

    >>> model = image_classifier("MobileNetV3Small", (96, 96, 3), 10, weights="mobilenet.weights.h5")
    >>> frozen, unfrozen = fine_tune(model, train, validation, frozen_epochs=5, epochs=20)
    """
    if frozen_epochs < 1:
        raise ValueError(f"frozen_epochs must be a positive number. Received: {frozen_epochs}. To freeze nothing, fit.")
    freezable = _Freezable(backbone_of(model) if backbone is None else backbone)

    def phase(name: str, train: Any, epochs: int, learning_rate: LearningRate) -> keras.callbacks.History:
        progress_logger.info("Training with the backbone %s", name)
        folders = {"checkpoint_dir": checkpoint_dir, "log_dir": log_dir}
        places: dict[str, Any] = {key: folder and os.path.join(folder, name) for key, folder in folders.items()}
        return fit(model, train, validation, epochs=epochs, learning_rate=learning_rate, **places, **arguments)

    try:
        freezable.freeze()
        _check_learns(model)
        frozen = phase("frozen", train, frozen_epochs, learning_rate)
        best = model.get_weights()
        freezable.unfreeze()
        later = (lambda epoch: train(frozen_epochs + epoch)) if callable(train) else train
        unfrozen = phase("unfrozen", later, epochs, fine_tuning_learning_rate)
    finally:
        freezable.restore()
    if _lowest(frozen) < _lowest(unfrozen):
        progress_logger.warning("No epoch with the backbone unfrozen was better than the best one with it frozen")
        model.set_weights(best)
    return frozen, unfrozen


def _lowest(history: keras.callbacks.History) -> float:
    return min(loss for loss in history.history["val_loss"] if not math.isnan(loss))


class _Freezable:
    """A layer and all in it."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        # Outer layers first. Not those that a model shows: KerasCV's hold more within themselves.
        self._layers = layer._flatten_layers()  # noqa: SLF001
        self._trainable = [inner.trainable for inner in self._layers]
        self._is_frozen = not layer.trainable_weights

    def freeze(self) -> None:
        self._set([False] * len(self._layers))

    def unfreeze(self) -> None:
        """Lets learn what did, or all of it if nothing did; BatchNormalization that does not is in inference mode."""
        learning = [True] * len(self._layers) if self._is_frozen else self._trainable
        normalizes = [isinstance(layer, keras.layers.BatchNormalization) for layer in self._layers]
        self._set([state and not fixed for state, fixed in zip(learning, normalizes, strict=True)])

    def restore(self) -> None:
        self._set(self._trainable)

    def _set(self, states: list[bool]) -> None:
        for layer, state in zip(self._layers, states, strict=True):  # an outer one sets the inner ones, which follow
            layer.trainable = state


def backbone_of(model: keras.Model) -> keras.Model:
    """Returns the one layer of a model that is itself a model, which `fine_tune` freezes by default.

    Raises:
      ValueError: There is none, or more than one.
    """
    models = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if len(models) != 1:
        raise ValueError(
            "model must have its backbone as one layer that is a model itself, as image_classifier makes it. "
            f"Received: a model with {len(models)} such layers{''.join(f', {layer.name!r}' for layer in models)}. "
            "Pass backbone=the layer that is to be frozen, or call the backbone as a whole: backbone(images)."
        )
    return models[0]


def _check_learns(model: keras.Model) -> None:
    if not model.trainable_weights:
        raise ValueError(
            f"model must have weights outside of its backbone, which learn while that is frozen. Received: "
            f"{model.name!r}, which has none. Train it with keras_ext.training.fit."
        )
