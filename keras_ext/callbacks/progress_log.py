"""How far training is, as lines of a logger."""

from keras_ext.callbacks.training_progress import TrainingProgress
from keras_ext.progress import progress_logger


class ProgressLog(TrainingProgress):
    """Logs a line for each epoch, and some within long ones, to `keras_ext.progress.progress_logger`.

    Images per second are those of training alone, without the first batch of an epoch. The time that is left is an
    estimate, validation included, for all epochs that `fit` was asked for, whether or not it stops early.

    Args:
      interval: Seconds between two lines within an epoch.

    Example:

    >>> logging.basicConfig(level=logging.INFO)
    >>> model.fit(dataset, epochs=3, verbose=0, callbacks=[ProgressLog()])
    epoch 1/3  0:00:21 left  1,234 images/s  loss 1.234  accuracy 0.612
    """

    def __init__(self, interval: float = 5.0) -> None:
        super().__init__(interval)

    def show(self, line: str) -> None:
        """Logs the line."""
        progress_logger.info(line)
