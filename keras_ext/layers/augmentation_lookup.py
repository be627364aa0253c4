"""Augmentation layers by name: ours, Keras's, KerasCV's, the user's own."""

import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import keras

from keras_ext.choices import check_choice
from keras_ext.custom_code import is_reference, load_object

_KERAS_CV = "keras_cv."
# Augmentation layers whose names do not begin with "Random".
_OTHER_NAMES = frozenset(
    {
        "AugMix",
        "AutoContrast",
        "ChannelShuffle",
        "ContrastLimitedAdaptiveHistogramEqualization",
        "CutMix",
        "Equalization",
        "FourierMix",
        "GaussianNoise",
        "Grayscale",
        "GridMask",
        "MixUp",
        "Mosaic",
        "Posterization",
        "RandAugment",
        "Solarization",
    }
)
_MIX_LABELS = frozenset({"CutMix", "FourierMix", "MixUp", "Mosaic"})


def make_layer(table: Mapping[str, Any], **defaults: Any) -> keras.layers.Layer:
    """Returns the layer that a table of a configuration describes.

    Args:
      table: `"layer"`, the name of a layer or where it is defined, `"my_layers.py:Sepia"`, and the layer's arguments.
      **defaults: Arguments for a layer that knows them and whose table does not give them.

    Raises:
      ValueError: An unknown layer or argument, with the nearest one; or a value that the layer refuses.
      ImportError: A layer of KerasCV, which is not installed.
    """
    arguments = dict(table)
    constructor = _find(arguments.pop("layer", None))
    known = _argument_names(constructor)
    for argument in arguments:
        check_choice(f"argument of {constructor.__name__}", argument, known)
    defaults = {name: value for name, value in defaults.items() if name in known}
    try:
        return constructor(**{**defaults, **arguments})
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(f"{constructor.__name__} refuses {arguments}: {error}") from error


def mixes_labels(layer: keras.layers.Layer) -> bool:
    """Whether a layer blends images of different classes, and their labels with them."""
    return type(layer).__name__ in _MIX_LABELS or bool(getattr(layer, "mixes_labels", False))


def draws_elsewhere(layer: keras.layers.Layer) -> bool:
    """Whether a layer draws from states that cannot be replaced: KerasCV's from TensorFlow's, AugMix from Python's."""
    return type(layer).__module__.startswith(_KERAS_CV) or isinstance(layer, keras.layers.AugMix)


def _find(name: Any) -> type[keras.layers.Layer]:
    # Looked up late: this package imports the composition, which imports this module.
    nearer: tuple[ModuleType, ...] = (importlib.import_module("keras_ext.layers"), keras.layers)
    if not isinstance(name, str):
        raise ValueError(  # noqa: TRY004 - a wrong value in a configuration
            f"Each augmentation layer is a table with 'layer', the layer's name. Received: layer={name!r}. "
            'Write {"layer": "RandomAffine", "rotation": 10}.'
        )
    if is_reference(name):
        return _load(name)
    found = {} if name.startswith(_KERAS_CV) else _layers_of(nearer)
    if name not in found:
        found |= _layers_of_keras_cv(required=name.startswith(_KERAS_CV), hidden=set(found))
    return found[check_choice("augmentation layer", name, sorted(found))]


def _load(reference: str) -> type[keras.layers.Layer]:
    layer = load_object(reference)
    if not (inspect.isclass(layer) and issubclass(layer, keras.layers.Layer)):
        raise ValueError(
            f"{reference!r} must be a class derived from keras.layers.Layer. Received: {layer!r}. Put what it does "
            "into the method `call(self, images)` of such a class; its arguments are those of __init__."
        )
    return layer


def _layers_of(modules: tuple[ModuleType, ...]) -> dict[str, type[keras.layers.Layer]]:
    """The augmentation layers of modules; the first module that has a name wins."""
    return {
        name: getattr(module, name)
        for module in reversed(modules)
        for name in dir(module)
        if (name.startswith("Random") or name in _OTHER_NAMES) and inspect.isclass(getattr(module, name))
    }


def _layers_of_keras_cv(required: bool, hidden: set[str]) -> dict[str, type[keras.layers.Layer]]:
    from keras_ext.architectures.keras_cv_backbones import import_keras_cv

    try:
        layers = import_keras_cv().layers
    except ImportError as error:
        if not required:
            return {}
        raise ImportError(
            "The augmentation layer is KerasCV's, which is not installed. "
            "Install it with: pip install 'keras-ext[keras-cv]'"
        ) from error
    bases = (layers.BaseImageAugmentationLayer, layers.VectorizedBaseImageAugmentationLayer)
    found = {name: layer for name, layer in _layers_of((layers,)).items() if issubclass(layer, bases)}
    plain = {name: layer for name, layer in found.items() if name not in hidden and not required}
    return plain | {_KERAS_CV + name: layer for name, layer in found.items()}


def _argument_names(constructor: type) -> list[str]:
    """The named arguments of a constructor and of those to which its `**kwargs` go."""
    names: dict[str, None] = {}
    for base in constructor.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= {p.name: None for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if base is keras.layers.Layer or all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return [name for name in names if name != "self"]
