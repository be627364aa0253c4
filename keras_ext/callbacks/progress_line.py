"""How far training is, in one line that is rewritten in place."""

import atexit
import importlib.util
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from keras_ext.callbacks.training_progress import TrainingProgress


class ProgressLine(TrainingProgress):
    """Shows a whole training in one line: epoch, step, time left, images per second, loss and metrics.

    In a terminal, and in a notebook with `ipywidgets`, the line is rewritten in place, and what else is printed stands
    above it. Elsewhere, as in a file, there is a line for each epoch, and one a minute within long ones. Give `fit`
    `verbose=0`: Keras's own bars would come in between.

    Images per second are those of training alone, without the first batch of an epoch. The time that is left is an
    estimate, validation included, for all epochs that `fit` was asked for, whether or not it stops early.

    Args:
      console: Rich's, which Keras brings along; by default the standard output.

    Example:

    >>> model.fit(train, validation_data=validation, epochs=20, verbose=0, callbacks=[ProgressLine()])
    epoch 7/20  step 61/250  0:02:31 left  1,234 images/s  loss 0.512  accuracy 0.812
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._is_live = _rewrites_lines(self._console)
        self._live: Live | None = None
        super().__init__(interval=0.2 if self._is_live else 60.0)

    def show(self, line: str) -> None:
        """Rewrites the line, or prints it."""
        if self._live is None:
            self._console.print(line, soft_wrap=True, markup=False, highlight=False)
        else:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self._stop()  # what an error left over
        if self._is_live:
            # Without a thread that refreshes: it would go on after an error, since Keras tells no callback of one.
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
            self._console.show_cursor()
            atexit.register(self._stop)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            atexit.unregister(self._stop)


def _rewrites_lines(console: Console) -> bool:
    if console.is_jupyter:
        return importlib.util.find_spec("ipywidgets") is not None
    return console.is_terminal and not console.is_dumb_terminal
