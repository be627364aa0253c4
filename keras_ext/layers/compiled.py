"""Where a kernel runs: compiled by XLA on TensorFlow, as it is on other backends. The one place that chooses."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import tensorflow as tf

R = TypeVar("R")


def compiled(kernel: Callable[..., R]) -> Callable[..., R]:
    """Returns `kernel`, which is written on `keras.ops`, compiled by XLA where Keras runs on TensorFlow.

    It works eagerly, in `tf.data` and in a model, whose own `jit_compile` it leaves alone. It is compiled once for each
    set of shapes: a smaller last batch costs one compilation more. Other backends compile the whole model or nothing.

    Args:
      kernel: Takes tensors as positional arguments, and what a program is made for as keyword arguments.
    """
    return _program(kernel, jit_compile=True)


def traced(kernel: Callable[..., R]) -> Callable[..., R]:
    """Returns the same for many operations on little data, which only Python makes slow: as a graph, without XLA.

    Each operation then rounds by itself, so that the result is the same on every version; XLA fuses them.
    """
    return _program(kernel, jit_compile=None)


def _program(kernel: Callable[..., R], jit_compile: bool | None) -> Callable[..., R]:
    @functools.cache
    def on_tensorflow(**options: Any) -> Callable[..., R]:
        program = functools.partial(kernel, **options)
        return tf.function(program, jit_compile=jit_compile, reduce_retracing=True, autograph=False)

    @functools.wraps(kernel)
    def run(*args: Any, **kwargs: Any) -> R:
        if keras.backend.backend() == "tensorflow":
            return on_tensorflow(**kwargs)(*args)
        return kernel(*args, **kwargs)

    return run


def gather_rows(table: Any, indices: Any) -> Any:
    """Returns `table[indices]` for indices within the table."""
    if keras.backend.backend() == "tensorflow":
        return tf.gather(table, indices)  # `keras.ops.take` would look for negative ones, which costs a tenth
    return keras.ops.take(table, indices, axis=0)
