"""Random numbers that are a function of an image's key.

Whatever the size of the batch, its order, the number of workers or the machine: one key, one image, one augmentation.
All of it is whole-number arithmetic, so that eager TensorFlow, `tf.data` and XLA agree in every bit, on every version.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

_INCREMENT = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def keyed_uniform(seed: int, keys: Any, epoch: Any, draws: Sequence[str]) -> dict[str, tf.Tensor]:
    """Returns independent numbers, uniform in [0, 1), for each draw and each key.

    Args:
      seed: The layer's seed, any integer.
      keys: Integers `(batch,)`, one for each image.
      epoch: An integer, or a scalar tensor of one.
      draws: Names of the draws. A number depends on its draw's name, not on which others there are.

    Returns:
      float32 `(batch,)` for each draw, multiples of 2⁻²⁴.

    Raises:
      ValueError: The keys are not one integer for each image, or Keras does not run on TensorFlow.

    Example:

    >>> keyed_uniform(7, tf.range(32, dtype=tf.int64), epoch=0, draws=["rotation"])["rotation"]
    """
    # G. Steele, D. Lea, C. Flood: Fast splittable pseudorandom number generators. OOPSLA 2014.
    state = _mixed(_word(seed), _as_words("epoch", epoch, rank=0))
    state = _mixed(state, _as_words("keys", keys, rank=1))
    salts = tf.stack([_word(_salt(draw)) for draw in draws])
    words = _mixed(state[tf.newaxis, :], salts[:, tf.newaxis])
    bits = tf.cast(tf.bitwise.right_shift(words, _word(40)), tf.int32)
    return dict(zip(draws, tf.unstack(tf.cast(bits, tf.float32) * 2.0**-24, num=len(draws)), strict=True))


def _mixed(state: tf.Tensor, word: tf.Tensor) -> tf.Tensor:
    """The next word of SplitMix64 from the state `state ^ word`."""
    z = tf.bitwise.bitwise_xor(state, word) + _word(_INCREMENT)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = tf.bitwise.bitwise_xor(z, tf.bitwise.right_shift(z, _word(shift))) * _word(factor)
    return tf.bitwise.bitwise_xor(z, tf.bitwise.right_shift(z, _word(31)))


def _salt(draw: str) -> int:
    return int.from_bytes(hashlib.sha256(draw.encode()).digest()[:8], "little")


def _word(value: int) -> tf.Tensor:
    return tf.constant(value & _WORD, tf.uint64)


def _as_words(argument: str, value: Any, rank: int) -> tf.Tensor:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"keys need the TensorFlow backend. Received: backend={keras.backend.backend()!r}.")
    tensor = tf.convert_to_tensor(value)
    if not tensor.dtype.is_integer or tensor.shape.rank not in (rank, None):
        expected = "integers of shape (batch,)" if rank else "an integer"
        raise ValueError(
            f"{argument} must be {expected}. Received: dtype={tensor.dtype.name}, shape={tensor.shape}. "
            "Hash what is a string."
        )
    return tf.bitcast(tf.cast(tensor, tf.int64), tf.uint64)
