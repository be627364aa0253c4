"""The model as a plain TensorFlow function, which converters to other formats take."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

INPUT = "images"
OUTPUT = "probabilities"
_HALF = ("float16", "bfloat16")


def bare_model(model: keras.Model) -> keras.Model:
    """Returns the same layers without what they were trained by: optimizer, loss, metrics.

    Raises:
      ValueError: A model that does not tell its one input and its one output.
    """
    inputs = list(getattr(model, "inputs", None) or [])
    outputs = list(getattr(model, "outputs", None) or [])
    if len(inputs) != 1 or None in inputs[0].shape[1:] or len(outputs) != 1:
        raise ValueError(
            "model must have one input of a fixed size and one output, as functional and Sequential models can. "
            f"Received: model={model.name!r} with inputs {[one.shape for one in inputs]} and "
            f"{len(outputs)} outputs. Pass keras.Model(images, probabilities)."
        )
    return keras.Model(inputs[0], outputs[0], name=model.name)


@contextlib.contextmanager
def pixel_function(model: keras.Model) -> Iterator[tuple[keras.Model, Any]]:
    """Yields the model and the concrete function of it, `images` to `{"probabilities"}`, for any size of batch.

    It computes in float32 also where the model computes in half precision, which few other runtimes do alike.
    """
    bare = bare_model(model)
    [images] = bare.inputs

    @tf.function(input_signature=[tf.TensorSpec(images.shape, images.dtype, INPUT)], autograph=False, jit_compile=False)
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: tf.cast(bare(images, training=False), tf.float32)}

    with _float32(bare):
        yield bare, serve


@contextlib.contextmanager
def _float32(model: keras.Model) -> Iterator[None]:
    layers = model._flatten_layers()  # noqa: SLF001 - also those inside composite layers, which `layers` leaves out
    halves = [(layer, layer.dtype_policy) for layer in layers if layer.compute_dtype in _HALF]
    try:
        for layer, _ in halves:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in halves:
            layer.dtype_policy = policy
