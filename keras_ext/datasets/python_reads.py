"""Python that reads batches for `tf.data`, in parallel."""

import atexit
import functools
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ext.image_file import ImageFileError
from keras_ext.local_folder import read_file

_PAUSE_SECONDS = 0.02
_QUIET_PAUSES = 3
_active: list[object] = []  # calls that have not returned


@functools.cache
def _gate() -> tf.Variable:
    """Whether Python may still be called."""
    with tf.init_scope(), tf.device("CPU"):
        return tf.Variable(True, trainable=False, name="python_is_alive")


@atexit.register
def _close() -> None:
    """Lets no thread of `tf.data` call Python while it ends.

    Such a call would never return, and TensorFlow, where an iterator is left half-way, would wait for it for ever. A
    graph that finds the gate closed fails before it calls; one that is past the gate is waited for.
    """
    if not _gate.cache_info().currsize:
        return
    _gate().assign(False)
    quiet = 0
    while quiet < _QUIET_PAUSES:
        time.sleep(_PAUSE_SECONDS)
        quiet = 0 if _active else quiet + 1


def read_batches(
    read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    spec: tf.TensorSpec,
    batches: tf.data.Dataset,
) -> tf.data.Dataset:
    """Returns batches `(images, positions)` of what `read` makes of batches of positions, in their order.

    Args:
      read: Takes positions, int64; returns images and the positions of these. Called from several threads.
      spec: What the images are: their shape `(None, height, width, channels)` and dtype.
      batches: Positions `(batch,)`.
    """
    gate = _gate()

    def load(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, kept = _called(read, positions, (spec.dtype, tf.int64), gate)
        return tf.ensure_shape(images, spec.shape), tf.ensure_shape(kept, [None])

    return batches.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def read_files(paths: tf.Tensor) -> tf.Tensor:
    """Reads a batch of files of this machine, as `tf.io.read_file` reads one, at a third of its cost for small ones.

    For use in `Dataset.map`, before `keras_ext.layers.DecodeImage`. Files elsewhere (`gs://...`) are read by
    `tf.io.read_file`. It runs in Python, so it cannot be saved in a model.

    Args:
      paths: Their names, strings `(batch,)`.

    Returns:
      The bytes of the files, strings `(batch,)`.

    Raises:
      tf.errors.OpError: A file cannot be read; the message names it and says why.

    Example:

    >>> files = tf.data.Dataset.list_files("images/*/*.jpg").batch(32)
    >>> images = files.map(lambda paths: decode(read_files(paths)), num_parallel_calls=tf.data.AUTOTUNE)
    """
    return tf.ensure_shape(_called(_contents, paths, tf.string, _gate()), [None])


def _called(function: Callable[[np.ndarray], Any], argument: tf.Tensor, dtypes: Any, gate: tf.Variable) -> Any:
    """Calls Python, if the gate is open; the gate is made outside of the graph that this becomes a part of."""

    def call(value: np.ndarray) -> Any:
        _active.append(call)
        try:
            return function(value)
        finally:
            _active.pop()

    with tf.control_dependencies([tf.debugging.Assert(gate, ["Python ends."])]):
        return tf.numpy_function(call, [argument], dtypes)


def _contents(paths: np.ndarray) -> np.ndarray:
    contents = np.empty(len(paths), object)
    try:
        for row, path in enumerate(paths):
            contents[row] = read_file(path)
    except ImageFileError as error:
        reason = str(error) if os.path.lexists(path) else "no such file"
        raise OSError(f"{os.fsdecode(path)} cannot be read: {reason}.") from error
    return contents
