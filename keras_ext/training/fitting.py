"""Training an image classifier."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_ext.callbacks import ProgressLog


def fit(  # noqa: PLR0913 - some of the arguments of Keras's fit, and a few more
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int,
    steps_per_epoch: int | None = None,
    learning_rate: float = 1e-3,
    patience: int | None = 10,
    loss: keras.losses.Loss | None = None,
    metrics: Sequence[str | keras.metrics.Metric] = ("accuracy",),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    log_dir: str | None = None,
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains with Adam and leaves the model with the weights of its best epoch, by the loss on `validation`.

    Args:
      model: A classifier with probabilities as output; it is compiled here.
      train: Batches `(images, labels)` or `(images, labels, weights)`. Labels are class indices, or one-hot floats
        `(batch, classes)`, which may be mixed.
      validation: The same, labels of either kind. Where `train` has class weights, give these the same: the best epoch
        is that of the lowest loss here, and a model that learns to see rare classes has a higher unweighted loss.
      epochs: The most epochs.
      steps_per_epoch: Batches in an epoch, when `train` holds several epochs; see `ImageExamples.training_dataset`.
      learning_rate: Adam's.
      patience: Epochs without a better loss after which training stops; None never stops early.
      loss: Of probabilities; by default crossentropy for labels of that kind.
      metrics: Metrics, which sample weights do not touch.
      callbacks: More callbacks; they run before early stopping.
      log_dir: Where TensorBoard's logs go, or None.
      verbose: Of Keras's own progress bar: "auto", 0, 1 or 2.

    Returns:
      Keras's history.

    Raises:
      ValueError: The loss is no longer a finite number, so the weights are worth nothing.

    Example:

    >>> augment = Augmentation([{"layer": "RandomFlip", "mode": "horizontal"}], seed=0)
    >>> train = train.map(lambda images, labels: (augment(images, training=True), labels))
    >>> history = fit(model, train.prefetch(1), validation, epochs=10)
    """
    categorical = _are_one_hot(train)
    if categorical and not _are_one_hot(validation):
        validation = _with_one_hot_labels(validation, model.output_shape[-1])
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=loss or ("categorical_crossentropy" if categorical else "sparse_categorical_crossentropy"),
        metrics=list(metrics),
    )
    history = model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=_callbacks(callbacks, epochs if patience is None else patience, log_dir),
        shuffle=False,  # the datasets say their order
        verbose=verbose,
    )
    _check_finite(history, learning_rate)
    return history


def _callbacks(
    given: Sequence[keras.callbacks.Callback], patience: int, log_dir: str | None
) -> list[keras.callbacks.Callback]:
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        ProgressLog(),  # shows what the model itself reports, and not all that others add
        *given,
        keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True),
    ]
    if log_dir is not None:
        callbacks.append(keras.callbacks.TensorBoard(log_dir, write_graph=False))
    return callbacks


def _check_finite(history: keras.callbacks.History, learning_rate: float) -> None:
    losses = history.history.get("loss", [])
    if not losses or not math.isfinite(losses[-1]):
        raise ValueError(
            f"loss must stay a finite number. It became {losses[-1] if losses else 'none'} in epoch "
            f"{max(1, len(losses))}. Lower learning_rate={learning_rate:g}."
        )


def _are_one_hot(dataset: tf.data.Dataset) -> bool:
    shape = dataset.element_spec[1].shape
    return shape.rank == 2 and shape[-1] != 1


def _with_one_hot_labels(dataset: tf.data.Dataset, num_classes: int) -> tf.data.Dataset:
    def convert(images: tf.Tensor, labels: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return images, tf.one_hot(tf.reshape(labels, [-1]), num_classes), *weights

    return dataset.map(convert)
