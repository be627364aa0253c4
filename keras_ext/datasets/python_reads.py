"""Python that reads batches for `tf.data`, in parallel."""

import atexit
import functools
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

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

    def call(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _active.append(call)
        try:
            return read(positions)
        finally:
            _active.pop()

    def load(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.Assert(gate, ["Python ends."])]):
            images, kept = tf.numpy_function(call, [positions], (spec.dtype, tf.int64))
        return tf.ensure_shape(images, spec.shape), tf.ensure_shape(kept, [None])

    return batches.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
