"""The network behind a SavedModel, from pixels to probabilities, in formats that other runtimes take."""

import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_ext.choices import check_choice
from keras_ext.export.keras_file import export_keras
from keras_ext.export.lite_rt_file import export_lite_rt
from keras_ext.export.onnx_file import export_onnx
from keras_ext.export.pixel_function import INPUT, OUTPUT, bare_model
from keras_ext.export.saved_model import check_class_names
from keras_ext.export.whole_file import whole_file
from keras_ext.layers import DecodeImage

_Export = Callable[[keras.Model, str], None]
_FORMATS: dict[str, tuple[str, _Export, tuple[str, ...]]] = {
    "keras": ("model.keras", export_keras, ()),
    "lite_rt": ("model.tflite", export_lite_rt, ()),
    "onnx": ("model.onnx", export_onnx, ("onnx", "tf2onnx")),
}
FORMATS = tuple(_FORMATS)
DESCRIPTION_FILE = "model.json"


def check_formats(formats: Iterable[str], model: keras.Model | None = None) -> None:
    """Refuses, before training, what `export_formats` could not write after it.

    Args:
      formats: Some of `"keras"`, `"lite_rt"` and `"onnx"`.
      model: The model, trained or not.

    Raises:
      ValueError: An unknown format; a model without one input of a fixed size.
      ImportError: The packages of a format are not installed.

    Example:

    >>> check_formats(["keras", "onnx"], model)
    """
    for name in formats:
        _, _, packages = _FORMATS[check_choice("format", name, FORMATS)]
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if missing:
            raise ImportError(
                f"The export format {name!r} needs {' and '.join(missing)}, not installed here. "
                f"Install: pip install 'keras-ext[{name}]'. Or leave the format out."
            )
        if model is not None:
            bare_model(model)


def export_formats(
    model: keras.Model,
    directory: str,
    class_names: Sequence[str],
    formats: Sequence[str] = FORMATS,
    decode: DecodeImage | None = None,
) -> None:
    """Writes a model from pixels to probabilities in several formats, and beside them what they expect.

    The files are `model.keras`, `model.tflite`, `model.onnx` and `model.json`, which tells the class names, the input
    (name, dtype, shape and range), the output and, given `decode`, how images become pixels.

    Args:
      model: From images `(batch, height, width, channels)` in [0, 255] to probabilities `(batch, classes)`.
      directory: The folder to write to; made if it is not there.
      class_names: One name for each class, in the order of the probabilities.
      formats: Some of `"keras"`, `"lite_rt"` and `"onnx"`; see `export_keras`, `export_lite_rt` and `export_onnx`.
      decode: What made pixels of the files that the model was trained on.

    Raises:
      ValueError: An unknown format; a model without one input of a fixed size; class names that are not those of its
        output.
      ImportError: The packages of a format are not installed.

    Example:

    >>> export_formats(model, "exports", ["cat", "dog"], ["keras", "lite_rt"])
    """
    check_formats(formats, model)
    check_class_names(class_names, model)
    tf.io.gfile.makedirs(directory)
    for name in formats:
        file, export, _ = _FORMATS[name]
        export(model, os.path.join(directory, file))
    [images], outputs = model.inputs, model.output_shape
    description: dict[str, Any] = {
        "class_names": list(class_names),
        "input": {"name": INPUT, "dtype": images.dtype, "shape": list(images.shape), "range": [0, 255]},
        "output": {"name": OUTPUT, "dtype": "float32", "shape": list(outputs)},
        "files": {name: _FORMATS[name][0] for name in formats},
    }
    if decode is not None:
        description["decode"] = {key: value for key, value in decode.get_config().items() if key not in _OF_KERAS}
    with whole_file(os.path.join(directory, DESCRIPTION_FILE)) as file, open(file, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(description, indent=2, ensure_ascii=False) + "\n")


_OF_KERAS = frozenset(keras.layers.Layer().get_config())
