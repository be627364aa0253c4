"""The backbones of KerasCV, an optional package."""

import importlib
import inspect
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf

from keras_ext.architectures.keras_applications import as_rgb


def names(architecture: str) -> list[str]:
    """Returns the names of the backbones, or none without KerasCV.

    Raises:
      ImportError: The architecture asked for has the form of their names, and there is no KerasCV.
    """
    try:
        models = _keras_cv_models(architecture)
    except ImportError:
        if architecture.lower().endswith("backbone"):
            raise
        return []
    return [name for name, value in sorted(vars(models).items()) if _is_image_backbone(name, value)]


def build(architecture: str, image_shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    """Returns the backbone, which rescales [0, 255] itself; see `keras_ext.architectures.backbone`.

    KerasCV keeps the layout of its backbones in presets. `weights` is the local directory of one, as downloaded from
    Kaggle. With `weights=None`, KerasCV fetches the layout (a few kilobytes, no weights)
    from Kaggle, or from the cache of an earlier time.
    """
    constructor = getattr(_keras_cv_models(architecture), architecture)
    arguments = {"include_rescaling": True, "input_shape": (*image_shape[:2], 3)}
    if weights is None:
        network = _build_from_kaggle(constructor, arguments)
    else:
        network = _build_from_preset(constructor, weights, arguments)
    inputs = keras.Input(image_shape, name="images")
    return keras.Model(inputs, network(as_rgb(inputs, architecture)), name=architecture)


def _build_from_preset(constructor: Any, preset: str, arguments: dict[str, Any]) -> keras.Model:
    family = constructor.__mro__[1]  # a preset names the family, ResNetV2Backbone, not ResNet18V2Backbone
    try:
        return family.from_preset(preset, load_weights=True, **arguments)
    except Exception as error:  # KerasCV, JSON and HDF5 each raise their own
        raise ValueError(
            f"weights must be the local folder of a preset of {family.__name__}, with config.json and "
            f"model.weights.h5, as downloaded from Kaggle. Received: weights={preset!r}, which does not fit: "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error


def _build_from_kaggle(constructor: Any, arguments: dict[str, Any]) -> keras.Model:
    try:
        return constructor(load_weights=False, **arguments)
    except OSError as error:
        raise ConnectionError(
            f"KerasCV could not fetch the layout of {constructor.__name__} from Kaggle: {type(error).__name__}. "
            "Pass weights=the local directory of its preset, or take a network of keras.applications."
        ) from error


def import_keras_cv() -> ModuleType:
    """Imports KerasCV for Keras 3.

    KerasCV takes the Keras that `tensorflow.keras` is, and TensorFlow Transform makes that Keras 2 for the whole
    process; the models here are of Keras 3.
    """
    shown = tf.keras
    tf.keras = keras
    try:
        return importlib.import_module("keras_cv")
    finally:
        tf.keras = shown


def _keras_cv_models(architecture: str) -> ModuleType:
    try:
        return import_keras_cv().models
    except ImportError as error:
        raise ImportError(
            f"architecture {architecture!r} is a backbone of KerasCV, which is not installed. "
            "Install it with: pip install 'keras-ext[keras-cv]'"
        ) from error


def _is_image_backbone(name: str, value: Any) -> bool:
    """Whether it is a backbone of one fixed shape for images: not a base class, not one for videos."""
    if not (name.endswith("Backbone") and inspect.isclass(value)):
        return False
    default = getattr(inspect.signature(value).parameters.get("input_shape"), "default", None)
    required = [p for p in inspect.signature(value).parameters.values() if p.default is p.empty]
    return isinstance(default, tuple) and len(default) == 3 and all(p.kind is p.VAR_KEYWORD for p in required)
