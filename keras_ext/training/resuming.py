"""Going on with a training that was interrupted, to the same weights bit for bit."""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ext.progress import progress_logger
from keras_ext.training.callback_state import callback_states, set_callback_states
from keras_ext.training.checkpoint import read_checkpoint, write_checkpoint
from keras_ext.training.dataset_state import dataset_variables

_FILE = "checkpoint.npz"
_EVENT_FILES = "**/events.out.tfevents.*"


class Resumable(keras.callbacks.Callback):
    """Writes the state of a training after each epoch, and goes on from there; it must be the last callback.

    Args:
      directory: Where the checkpoint lies, or is to lie.

    Attributes:
      history: A callback, that of all epochs, also of those before an interruption.

    Raises:
      ValueError: The folder is none of this machine; the checkpoint is damaged.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__()
        if "://" in os.fspath(directory):
            raise ValueError(f"checkpoint_dir must be a local folder. Received: checkpoint_dir={directory!r}.")
        self.history = ResumedHistory()
        self._file = Path(directory) / _FILE
        self._saved = read_checkpoint(self._file)
        self._epoch = self.initial_epoch
        self._callbacks: list[keras.callbacks.Callback] = []
        self._data: list[tf.Variable] = []
        self._data_at_start: list[np.ndarray] = []
        self._log_dir: Path | None = None
        self._settings: dict[str, Any] = {}

    @property
    def initial_epoch(self) -> int:
        """The number of epochs that are trained already."""
        return self._saved["epoch"] if self._saved else 0

    def prepare(
        self,
        model: keras.Model,
        datasets: Iterable[tf.data.Dataset],
        callbacks: Sequence[keras.callbacks.Callback],
        settings: dict[str, Any],
        log_dir: str | os.PathLike[str] | None,
    ) -> None:
        """Takes all that has a state.

        Args:
          model: Compiled.
          datasets: For training and for validation.
          callbacks: All others.
          settings: What a checkpoint must agree with, as JSON has it.
          log_dir: Where TensorBoard's logs go, or None.

        Raises:
          ValueError: The checkpoint is that of another training; the model is not built.
        """
        if not model.built:
            raise ValueError(
                "model must be built before its training can be resumed. Received: a model whose input has no shape "
                "yet. Begin it with keras.Input(shape)."
            )
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        self.set_model(model)
        self._data = [variable for dataset in datasets for variable in dataset_variables(dataset)]
        self._data_at_start = _values(self._data)
        self._callbacks = [*callbacks, self.history]
        self._log_dir = None if log_dir is None else Path(log_dir)
        shapes = {name: [*map(_shape, variables)] for name, variables in self._variables().items()}
        self._settings = json.loads(json.dumps({**settings, "variables": shapes}))
        if self._saved:
            self._check_settings(self._saved["settings"])
            _cut_event_files(self._log_dir, self._saved["logs"])

    def run(self, train: Callable[[int, int, list[keras.callbacks.Callback]], Any], epochs: int) -> "ResumedHistory":
        """Trains the epochs that are missing.

        Args:
          train: From the first epoch to the one after the last, with callbacks.
          epochs: The most epochs.
        """
        first, saved = self.initial_epoch, self._saved
        if saved and saved["finished"]:
            progress_logger.info("Training was finished before: %d epochs", first)
            self._restore(saved)
            return self.history
        if first:
            progress_logger.warning("Training goes on after epoch %d of %d", first, epochs)
        # Where it was over before it was interrupted, only the best weights are still to be put back.
        train(first, first if saved and saved["stopped"] else epochs, [*self._callbacks, self])
        return self.history

    def finish(self) -> None:
        """Writes the final weights, if they are no old ones."""
        if not (self._saved and self._saved["finished"]):
            self._write(stopped=True, finished=True)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        _assign(self._data, self._data_at_start)  # Keras may have read a batch to build the model
        if self._saved:
            self._restore(self._saved)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if math.isfinite((logs or {}).get("loss", math.nan)):
            self._epoch = epoch + 1
            self._write(stopped=self.model.stop_training or self._epoch == self.params["epochs"])

    def _restore(self, saved: dict[str, Any]) -> None:
        for name, variables in self._variables().items():
            _assign(variables, saved[name])
        set_callback_states(self._callbacks, saved["callbacks"])
        self.history.set_model(self.model)
        self.model.history = self.history

    def _variables(self) -> dict[str, list[Any]]:
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables, "data": self._data}

    def _write(self, *, stopped: bool, finished: bool = False) -> None:
        state: dict[str, Any] = {name: _values(variables) for name, variables in self._variables().items()}
        if self.model.distribute_strategy.num_replicas_in_sync > 1:
            # Each replica has averages of its own in BatchNormalization; the first one's are kept, and count for all.
            _assign(self.model.variables, state["model"])
        state |= {"callbacks": callback_states(self._callbacks), "settings": self._settings}
        state |= {"epoch": self._epoch, "stopped": stopped, "finished": finished}
        write_checkpoint(self._file, {**state, "logs": _event_files(self._log_dir)})

    def _check_settings(self, saved: dict[str, Any]) -> None:
        for name, value, before in _differences(self._settings, saved):
            raise ValueError(
                f"checkpoint_dir must hold a checkpoint of this training. Received: '{self._file.parent}', of one with "
                f"{name}={before!r}, while here {name}={value!r}. Pass another checkpoint_dir, or delete that folder "
                "to train from the start."
            )


class ResumedHistory(keras.callbacks.History):
    """Keras's history, which goes on too."""

    def get_state(self) -> dict[str, Any]:
        """Returns what it remembers."""
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state: dict[str, Any]) -> None:
        """Remembers it again."""
        self.epoch, self.history = state["epoch"], state["history"]


class BestEpoch(keras.callbacks.EarlyStopping):
    """Keras's early stopping, which would take a first loss that is no number for the best one."""

    def get_monitor_value(self, logs: dict[str, Any] | None) -> float | None:
        """Returns the loss, infinity for one that is no number."""
        value = super().get_monitor_value(logs)
        return math.inf if value is not None and math.isnan(value) else value


class FlushedTensorBoard(keras.callbacks.TensorBoard):
    """Keras's logs for TensorBoard, which a killed training does not lose."""

    def get_state(self) -> dict[str, Any]:
        """Remembers nothing, but its files do: all of it is on the disk when the checkpoint is written."""
        for writer in self._writers.values():
            writer.flush()
        return {}


def _values(variables: Iterable[Any]) -> list[np.ndarray]:
    # Not np.array: Keras 3.15's variables do not know NumPy 2's `copy`.
    return [np.asarray(keras.ops.convert_to_tensor(variable).numpy()) for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _shape(variable: Any) -> str:
    return f"{keras.backend.standardize_dtype(variable.dtype)}{list(variable.shape)}"


def _differences(given: Any, saved: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Names each setting that is not what it was, with its value and the one before."""
    if isinstance(given, dict) and isinstance(saved, dict):
        for key in {**given, **saved}:
            yield from _differences(given.get(key), saved.get(key), f"{name}.{key}" if name else key)
    elif isinstance(given, list) and isinstance(saved, list) and len(given) == len(saved):
        for position, pair in enumerate(zip(given, saved, strict=True)):
            yield from _differences(*pair, f"{name}[{position}]")
    elif given != saved:
        yield name, given, saved


def _event_files(log_dir: Path | None) -> dict[str, int]:
    """The size of each file of TensorBoard's."""
    if log_dir is None:
        return {}
    return {str(file.relative_to(log_dir)): file.stat().st_size for file in sorted(log_dir.glob(_EVENT_FILES))}


def _cut_event_files(log_dir: Path | None, sizes: dict[str, int]) -> None:
    """Takes from TensorBoard's files what was written after the checkpoint, and is about to be written again."""
    for name, size in _event_files(log_dir).items():
        if log_dir is not None and size > sizes.get(name, size):
            os.truncate(log_dir / name, sizes[name])
