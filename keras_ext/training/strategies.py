"""How numbers are kept and on which devices a model is trained, by name; a model is built within both."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from keras_ext.choices import check_choice
from keras_ext.training_choices import PRECISIONS, check_strategy


def strategy(name: str = "default") -> tf.distribute.Strategy:
    """Returns the distribution to build a model in: `fit` then trains it there.

    Args:
      name: "default", the first GPU or else the CPU; or "mirrored", all GPUs of this machine, each with its share of
        each batch. `fit` repeats images of a batch of fewer than there are GPUs.

    Raises:
      ValueError: An unknown name, or a strategy for several machines, which Keras 3 does not support.

    Example:

    >>> with strategy("mirrored").scope():
    ...     model = image_classifier("small_cnn", (32, 32, 3), 10)
    """
    if check_strategy(name) == "default":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@contextlib.contextmanager
def precision(name: str = "float32") -> Iterator[None]:
    """Builds what is built within with a precision, Keras's global policy; afterwards that is as it was.

    Args:
      name: "float32"; "mixed_float16", which computes in half precision on GPUs from NVIDIA's Volta on, in half the
        memory, with the loss scaled so that small gradients do not vanish; or "mixed_bfloat16", for TPUs, CPUs and GPUs
        that know it. Weights stay float32, and so do the probabilities of `image_classifier`.

    Raises:
      ValueError: An unknown name.

    Example:

    >>> with precision("mixed_bfloat16"):
    ...     model = image_classifier("small_cnn", (32, 32, 3), 10)
    """
    check_choice("precision", name, PRECISIONS)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
