"""A classifier that the user's own code builds."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_ext.choices import check_choice
from keras_ext.custom_code import load_object

_SUM_TOLERANCE = 1e-2  # that of half precision
_SAME_TOLERANCE = 1e-2


def custom_classifier(
    builder: str | Callable[..., keras.Model],
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    arguments: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Returns the model that a function of the user's own builds, once it was tried on two images.

    Args:
      builder: A function `build(image_shape, num_classes, **arguments)` that returns a model, or where it is defined:
        `"my_model.py:build"` or `"my_package.models:build"`; see `keras_ext.custom_code`. The model takes images
        `(batch, height, width, channels)` as they come, uint8 or floats in [0, 255], and gives probabilities
        `(batch, classes)`.
      image_shape: Height, width and channels.
      num_classes: Number of classes.
      arguments: What else the function gets, by name.
      seed: Seeds Python, NumPy and TensorFlow before the model is built.

    Raises:
      ValueError: There is no such function, it takes no such argument, it fails or returns no model; or the model takes
        other images, or does not give a probability for each class.

    Example:

    >>> model = custom_classifier("my_model.py:build", (64, 64, 3), 10, arguments={"width": 16}, seed=0)
    """
    name = repr(builder) if isinstance(builder, str) else getattr(builder, "__name__", repr(builder))
    build = load_object(builder) if isinstance(builder, str) else builder
    _check_signature(build, name, arguments or {})
    if seed is not None:
        keras.utils.set_random_seed(seed)
    try:
        model = build(tuple(image_shape), num_classes, **(arguments or {}))
    except Exception as error:  # whatever the user's code raises
        raise ValueError(
            f"{name} failed for image_shape={tuple(image_shape)}, num_classes={num_classes}, "
            f"arguments={dict(arguments or {})}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(model, keras.Model):
        hint = " Is a `return` missing?" if model is None else " Import Keras with `import keras`."
        raise ValueError(  # noqa: TRY004 - a wrong value in a configuration
            f"{name} must return a keras.Model. Received: {type(model).__name__}.{hint}"
        )
    _try(model, name, image_shape, num_classes)
    return model


def _check_signature(build: Any, name: str, arguments: Mapping[str, Any]) -> None:
    if not callable(build) or isinstance(build, keras.Model):
        raise ValueError(  # noqa: TRY004 - a wrong value in a configuration
            f"{name} must be a function build(image_shape, num_classes) that returns a keras.Model. "
            f"Received: {type(build).__name__}. A finished model is put inside such a function."
        )
    parameters = inspect.signature(build).parameters
    if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
        for argument in arguments:
            check_choice(f"argument of {name}", argument, list(parameters)[2:])
    try:
        inspect.signature(build).bind(None, None, **arguments)
    except TypeError as error:
        raise ValueError(
            f"{name} must take two arguments, the image shape and the number of classes, and those given by name: "
            f"{', '.join(arguments) or 'none'}. Received: a function {name}{inspect.signature(build)}: {error}."
        ) from error


def _try(model: keras.Model, name: str, image_shape: tuple[int, int, int], num_classes: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *image_shape), np.uint8)
    images[1] = 0  # bright pixels drive sigmoids to 0 and 1, whose sum may be 1
    try:
        outputs = [model(given, training=False) for given in (images, images.astype(np.float32))]
    except Exception as error:  # of any layer
        raise ValueError(
            f"The model of {name} must take images {('batch', *image_shape)}, uint8 and float32. "
            f"Received: a model of inputs {_input_shape(model)}, which fails: {' '.join(str(error).split())}"
        ) from error
    from_integers, from_floats = (_as_array(one, name, num_classes) for one in outputs)
    _check_probabilities(from_floats, name)
    if not np.allclose(from_integers, from_floats, atol=_SAME_TOLERANCE):
        raise ValueError(
            f"The model of {name} must give the same for uint8 and float32 images: training sees both. Begin it with "
            "keras.Input(image_shape), which casts what comes."
        )


def _input_shape(model: keras.Model) -> Any:
    return getattr(model, "input_shape", None) or "that are not known before a call"


def _as_array(outputs: Any, name: str, num_classes: int) -> np.ndarray:
    shapes = keras.tree.map_structure(lambda tensor: tuple(tensor.shape), outputs)
    if not (hasattr(outputs, "shape") and shapes == (2, num_classes)):
        hint = " Two classes have two outputs too, not one with a sigmoid." if shapes == (2, 1) else ""
        raise ValueError(
            f"The model of {name} must have one output of shape {('batch', num_classes)}, a probability for each of "
            f"the {num_classes} classes. Received, for two images: {shapes}. End it with "
            f"keras.layers.Dense(num_classes, activation='softmax').{hint}"
        )
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")))


def _check_probabilities(outputs: np.ndarray, name: str) -> None:
    if not np.isfinite(outputs).all():
        raise ValueError(f"The model of {name} must give finite numbers. Received: {outputs[0]} for random images.")
    wrong = (outputs.min(axis=-1) < 0) | (np.abs(outputs.sum(axis=-1) - 1) > _SUM_TOLERANCE)
    if wrong.any():
        received = outputs[wrong][0]
        raise ValueError(
            f"The model of {name} must give probabilities, which are not negative and sum to one. Received, for an "
            f"image: {received}, of sum {received.sum():.4g}. Are these logits? "
            "Add keras.layers.Softmax() at the end, or activation='softmax' to the last layer."
        )
