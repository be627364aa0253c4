"""Pictures for TensorBoard."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_ext.confusion_matrix_figure import figure_pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TensorBoardPictures:
    """Writes figures into one of TensorBoard's runs; the file is made with the first one.

    Args:
      log_dir: TensorBoard's folder, which holds its runs.
      run: The name of the run.
    """

    def __init__(self, log_dir: str | os.PathLike[str], run: str) -> None:
        self._directory = os.path.join(log_dir, run)
        self._writer: Any = None

    def write(self, name: str, figure: "Figure", step: int) -> None:
        """Writes a figure, so that it is on the disk."""
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._directory)
        with self._writer.as_default():
            tf.summary.image(name, figure_pixels(figure)[np.newaxis], step=step)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
