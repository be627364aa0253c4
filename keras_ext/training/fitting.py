"""Training an image classifier."""

import math
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from keras_ext.callbacks import ProgressLog
from keras_ext.choices import check_choice
from keras_ext.training.dataset_state import unrepeatable_step
from keras_ext.training.resuming import BestEpoch, FlushedTensorBoard, Resumable
from keras_ext.training_choices import OPTIMIZERS, check_for_several_devices

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def fit(  # noqa: PLR0913 - some of the arguments of Keras's compile and fit, and a few more
    model: keras.Model,
    train: tf.data.Dataset | Callable[[int], tf.data.Dataset],
    validation: tf.data.Dataset,
    *,
    epochs: int,
    steps_per_epoch: int | None = None,
    learning_rate: LearningRate = 1e-3,
    optimizer: str = "adam",
    patience: int | None = 10,
    loss: keras.losses.Loss | None = None,
    metrics: Sequence[str | keras.metrics.Metric] = ("accuracy",),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    log_dir: str | os.PathLike[str] | None = None,
    verbose: str | int = "auto",
    checkpoint_dir: str | os.PathLike[str] | None = None,
    gradient_accumulation_steps: int | None = None,
    jit_compile: bool | str = "auto",
) -> keras.callbacks.History:
    """Trains, and leaves the model with the weights of its best epoch, by the loss on `validation`.

    With `checkpoint_dir`, a training that was interrupted, even in the middle of an epoch, goes on after the last epoch
    that was whole, and ends at the same weights as without, to the last bit on the same machine with the same versions.
    One that is finished returns at once, with its weights and its history. The checkpoint is replaced after each epoch.
    It holds weights, optimizer, random layers, the history, and what callbacks remember; see
    `keras_ext.training.callback_state` for your own.

    Args:
      model: A classifier with probabilities as output; it is compiled here.
      train: Batches `(images, labels)` or `(images, labels, weights)`. Labels are class indices, or one-hot floats
        `(batch, classes)`, which may be mixed. Or a function that returns the batches from an epoch on, the first
        being 0: `lambda epoch: examples.training_dataset(..., initial_epoch=epoch)`; where `train` holds several
        epochs, resuming needs one.
      validation: The same, labels of either kind. Where `train` has class weights, give these the same: the best epoch
        is that of the lowest loss here, and a model that learns to see rare classes has a higher unweighted loss.
      epochs: The most epochs.
      steps_per_epoch: Batches in an epoch, when `train` holds several epochs; see `ImageExamples.training_dataset`.
      learning_rate: The optimizer's: a number or a schedule; see `keras_ext.training.learning_rate_schedule`.
      optimizer: "adam", "adamw", or "sgd", which has a momentum of 0.9.
      patience: Epochs without a better loss after which training stops; None never stops early.
      loss: Of probabilities; by default crossentropy for labels of that kind.
      metrics: Metrics, which sample weights do not touch.
      callbacks: More callbacks; they run before early stopping.
      log_dir: Where TensorBoard's logs go, or None. A training that goes on continues them.
      verbose: Of Keras's own progress bar: "auto", 0, 1 or 2.
      checkpoint_dir: A folder for the checkpoint of this training and no other, or None.
      gradient_accumulation_steps: Batches whose gradients are averaged before the weights change: large batches in
        little memory.
      jit_compile: Whether XLA compiles the training step: True, False, or "auto", where Keras thinks it helps.

    Returns:
      Keras's history, of all epochs.

    Raises:
      ValueError: The loss is no longer a finite number, or that on `validation` never was, so the weights are worth
        nothing. The checkpoint is that of another training, or `train` cannot begin at a later epoch. XLA or
        accumulated gradients are asked for where several devices share each batch.

    Example:

    >>> augment = Augmentation([{"layer": "RandomFlip", "mode": "horizontal"}], seed=0)
    >>> train = train.map(lambda images, labels: (augment(images, training=True), labels))
    >>> history = fit(model, train.prefetch(1), validation, epochs=10, checkpoint_dir="checkpoints")
    """
    if model.distribute_strategy.num_replicas_in_sync > 1:
        check_for_several_devices(jit_compile, gradient_accumulation_steps)
    resumable = None if checkpoint_dir is None else Resumable(checkpoint_dir)
    batches = _one_for_each_replica(_batches(train, resumable, steps_per_epoch), model)
    validation = _one_for_each_replica(validation, model)
    categorical = _are_one_hot(batches)
    if categorical and not _are_one_hot(validation):
        validation = _with_one_hot_labels(validation, model.output_shape[-1])
    with model.distribute_strategy.scope():
        model.compile(
            optimizer=_optimizer(optimizer, learning_rate, gradient_accumulation_steps),
            loss=loss or ("categorical_crossentropy" if categorical else "sparse_categorical_crossentropy"),
            metrics=list(metrics),
            jit_compile=_jit_compile(jit_compile, model),
        )
    every = _callbacks(callbacks, epochs if patience is None else patience, log_dir)

    def run(first: int, last: int, callbacks: list[keras.callbacks.Callback]) -> keras.callbacks.History:
        return model.fit(
            batches,
            validation_data=validation,
            initial_epoch=first,
            epochs=last,
            steps_per_epoch=steps_per_epoch,
            callbacks=callbacks,
            shuffle=False,  # the datasets say their order
            verbose=verbose,
        )

    if resumable is None:
        history = run(0, epochs, every)
        _check_finite(history, learning_rate)
        return history
    settings = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "patience": patience}
    settings |= _described(model, batches, loss, metrics, every)
    resumable.prepare(model, [batches, validation], every, settings, log_dir)
    history = resumable.run(run, epochs)
    _check_finite(history, learning_rate)
    resumable.finish()
    return history


def _batches(
    train: tf.data.Dataset | Callable[[int], tf.data.Dataset], resumable: Resumable | None, steps_per_epoch: int | None
) -> tf.data.Dataset:
    """The dataset for training, from the epoch on that is next."""
    if callable(train):
        return train(resumable.initial_epoch if resumable else 0)
    if resumable is None:
        return train
    advice = "Pass a function of the first epoch: lambda epoch: examples.training_dataset(..., initial_epoch=epoch)."
    if steps_per_epoch is not None:
        raise ValueError(
            "train must be a function, where a training of several epochs in one dataset is to be resumed: a dataset "
            f"begins with its first epoch. Received: a dataset and steps_per_epoch={steps_per_epoch}. {advice}"
        )
    step = unrepeatable_step(train)
    if step is not None:
        warnings.warn(
            f"train has a step, {step}, whose results TensorFlow does not let be repeated: after an interruption, "
            f"training goes on, but other than it would have without. {advice}",
            stacklevel=3,
        )
    return train


def _optimizer(
    name: str, learning_rate: LearningRate, gradient_accumulation_steps: int | None
) -> keras.optimizers.Optimizer:
    check_choice("optimizer", name, OPTIMIZERS)
    kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}[name]
    momentum = {"momentum": 0.9} if name == "sgd" else {}
    steps = None if gradient_accumulation_steps == 1 else gradient_accumulation_steps
    return kind(learning_rate, gradient_accumulation_steps=steps, name=name, **momentum)


def _one_for_each_replica(dataset: tf.data.Dataset, model: keras.Model) -> tf.data.Dataset:
    """Repeats images of a batch of fewer than there are replicas: TensorFlow fails on one without any."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas == 1:
        return dataset

    def fill(*parts: Any) -> Any:
        count = tf.shape(tf.nest.flatten(parts)[0])[0]
        rows = tf.range(tf.maximum(count, replicas)) % count
        return tf.nest.map_structure(lambda part: tf.gather(part, rows), parts)

    return dataset.map(fill).prefetch(tf.data.AUTOTUNE)


def _jit_compile(jit_compile: bool | str, model: keras.Model) -> bool | str:
    # XLA fails on variables of another device.
    return False if model.distribute_strategy.num_replicas_in_sync > 1 else jit_compile


def _described(
    model: keras.Model,
    batches: tf.data.Dataset,
    loss: keras.losses.Loss | None,
    metrics: Sequence[str | keras.metrics.Metric],
    callbacks: Sequence[keras.callbacks.Callback],
) -> dict[str, Any]:
    """What a checkpoint must agree with, beside numbers: as far as it can be compared."""
    return {
        "train": str(batches.element_spec),
        "optimizer": keras.saving.serialize_keras_object(model.optimizer),
        "loss": _name(loss),
        "metrics": [*map(_name, metrics)],
        "callbacks": [*map(_name, callbacks)],
        "precision": model.dtype_policy.name,
    }


def _name(thing: Any) -> str:
    return thing if isinstance(thing, str) else type(thing).__name__


def _callbacks(
    given: Sequence[keras.callbacks.Callback], patience: int, log_dir: str | os.PathLike[str] | None
) -> list[keras.callbacks.Callback]:
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        ProgressLog(),  # shows what the model itself reports, and not all that others add
        *given,
        BestEpoch("val_loss", patience=patience, restore_best_weights=True),
    ]
    if log_dir is not None:
        callbacks.append(FlushedTensorBoard(os.fspath(log_dir), write_graph=False))
    return callbacks


def _check_finite(history: keras.callbacks.History, learning_rate: LearningRate) -> None:
    losses, validation = (history.history.get(name, []) for name in ("loss", "val_loss"))
    if not losses or not math.isfinite(losses[-1]):
        rate = f"{learning_rate:g}" if isinstance(learning_rate, float | int) else type(learning_rate).__name__
        raise ValueError(
            f"loss must stay a finite number. It became {losses[-1] if losses else 'none'} in epoch "
            f"{max(1, len(losses))}. Lower learning_rate={rate}."
        )
    if not any(map(math.isfinite, validation)):
        raise ValueError(
            "val_loss must be a finite number in some epoch, since it says which one is the best. It was "
            f"{validation[-1] if validation else 'none'} in the last of {len(losses)}. Look for images, labels or "
            "weights of validation that are no finite numbers."
        )


def _are_one_hot(dataset: tf.data.Dataset) -> bool:
    shape = dataset.element_spec[1].shape
    return shape.rank == 2 and shape[-1] != 1


def _with_one_hot_labels(dataset: tf.data.Dataset, num_classes: int) -> tf.data.Dataset:
    def convert(images: tf.Tensor, labels: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return images, tf.one_hot(tf.reshape(labels, [-1]), num_classes), *weights

    return dataset.map(convert)
