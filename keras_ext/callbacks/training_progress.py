"""How far a whole training is: what the callbacks that show it have in common."""

import datetime
import time
from dataclasses import dataclass
from typing import Any

import keras

_LOSSES = ("loss", "val_loss")


class TrainingProgress(keras.callbacks.Callback):
    """Follows a training through all its epochs, and says in one line how far it is; subclasses show the line.

    Images per second are those of training alone, without the first batch of an epoch. The time that is left is an
    estimate, validation included, for all epochs that `fit` was asked for, whether or not it stops early.

    Args:
      interval: Seconds between two lines within an epoch.
    """

    def __init__(self, interval: float) -> None:
        super().__init__()
        self.interval = interval
        self._step = 0

    def show(self, line: str) -> None:
        """Shows how far the training is: within an epoch when it is time, and after each epoch."""
        raise NotImplementedError

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._step = 0
        self._seconds_of_epoch: float | None = None  # of the last one that is over
        self._steps: int | None = self.params.get("steps")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._step = epoch, 0
        self._first: _Point | None = None
        self._speed = ""
        self._begin = self._last_line = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step = batch + 1
        if self._first is None:
            self._first = self._point()  # the first batch waits for the model's graph and for full buffers
        if self._is_time():
            self._measure_speed()
            self.show(self._line(logs, self._position()))

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._step:  # `evaluate`, called by itself
            return
        self._measure_speed()  # validation counts anew
        if self._is_time():
            self.show(self._line(None, "validation"))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not any(name.startswith("val_") for name in logs or {}):
            self._measure_speed()
        self._seconds_of_epoch = time.monotonic() - self._begin
        self._steps = self._steps or self._step  # where `fit` does not know them beforehand
        self._epoch, self._step = epoch + 1, 0
        self.show(self._line(logs, ""))

    def _is_time(self) -> bool:
        now = time.monotonic()
        is_time = now - self._last_line >= self.interval
        self._last_line = now if is_time else self._last_line
        return is_time

    def _line(self, logs: dict[str, Any] | None, position: str) -> str:
        done = self._epoch if self._step == 0 else self._epoch + 1
        parts = [f"epoch {done}/{self.params['epochs']}", position, self._time_left(), self._speed]
        return "  ".join(filter(None, [*parts, *figures(logs or {})]))

    def _position(self) -> str:
        return f"step {self._step}/{self._steps}" if self._steps else f"step {self._step}"

    def _time_left(self) -> str:
        epochs = self.params["epochs"] - self._epoch
        steps = self._steps
        if self._seconds_of_epoch is not None:
            left = epochs - (self._step / steps if steps else 0)
            seconds = self._seconds_of_epoch * left
        elif steps and self._first is not None and self._step > self._first.step:
            of_step = (time.monotonic() - self._first.time) / (self._step - self._first.step)
            seconds = of_step * (epochs * steps - self._step)
        else:
            return ""
        return f"{datetime.timedelta(seconds=round(seconds))} left" if seconds > 0 else ""

    def _measure_speed(self) -> None:
        first, last = self._first, self._point()
        if first is None or last.step <= first.step:
            return
        seconds = last.time - first.time
        images = last.images - first.images
        if images > 0:
            self._speed = f"{images / seconds:,.0f} images/s"
        else:
            self._speed = f"{(last.step - first.step) / seconds:,.1f} steps/s"

    def _point(self) -> "_Point":
        # Keras weighs the mean of the loss with the images of each batch.
        losses = [one for one in self.model.metrics if isinstance(one, keras.metrics.Mean) and one.name == "loss"]
        return _Point(
            time.monotonic(), self._step, float(keras.ops.convert_to_numpy(losses[0].count)) if losses else 0.0
        )


@dataclass(frozen=True)
class _Point:
    time: float
    step: int
    images: float  # 0 where it cannot be told


def figures(logs: dict[str, Any]) -> list[str]:
    """Returns the figures as texts: training before validation, in each the loss first."""
    names = sorted(logs, key=lambda name: (name.startswith("val_"), name not in _LOSSES))
    return [f"{name} {_number(float(logs[name]))}" for name in names if name != "images_per_second"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
