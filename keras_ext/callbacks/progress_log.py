"""How far training is, as lines of a logger."""

import time
from typing import Any

import keras

from keras_ext.progress import progress_logger


class ProgressLog(keras.callbacks.Callback):
    """Logs a line for each epoch, and some within long ones, to `keras_ext.progress.progress_logger`.

    Args:
      interval: Seconds between two lines within an epoch.

    Example:

    >>> logging.basicConfig(level=logging.INFO)
    >>> model.fit(dataset, epochs=3, verbose=0, callbacks=[ProgressLog()])
    epoch 1/3  loss 1.234  accuracy 0.612
    """

    def __init__(self, interval: float = 5.0) -> None:
        super().__init__()
        self.interval = interval
        self._epoch = 0
        self._last_line = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._last_line = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        if now - self._last_line >= self.interval:
            self._last_line = now
            steps = self.params.get("steps")
            progress_logger.info(self._line(f"step {batch + 1}/{steps}" if steps else f"step {batch + 1}", logs))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        progress_logger.info(self._line("", logs))

    def _line(self, position: str, logs: dict[str, Any] | None) -> str:
        figures = [f"{name} {float(value):.3f}" for name, value in sorted((logs or {}).items(), key=_rank)]
        return "  ".join(filter(None, [f"epoch {self._epoch + 1}/{self.params['epochs']}", position, *figures]))


def _rank(figure: tuple[str, Any]) -> tuple[bool, bool]:
    """Training before validation, in each the loss first."""
    name, _ = figure
    return name.startswith("val_"), not name.endswith("loss")
