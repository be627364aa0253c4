"""Which SavedModel a path means."""

import os

import tensorflow as tf

_SAVED_MODEL = "saved_model.pb"
_SERVING = "serving"
_TRAINED = "Format-Serving"  # in what Trainer writes
_TRAINER = os.path.join("artifacts", "Trainer", "model")  # in the output folder of a run, by number
_RUN = "metadata.sqlite"  # what every output folder of a run holds


def find_model(path: str) -> str:
    """Returns the folder of the SavedModel that a path means.

    Args:
      path: A SavedModel; a folder of numbered versions, of which it means the newest; the output folder of a run,
        whose versions lie in `serving`; or what Trainer wrote, whose model lies in `Format-Serving`.

    Raises:
      ValueError: There is no SavedModel.
    """
    path = os.fspath(path)
    if not tf.io.gfile.isdir(path):
        problem = "is a file" if tf.io.gfile.exists(path) else "does not exist"
        raise ValueError(f"The model must be a folder. Received: '{path}', which {problem}. {_expected(path)}")
    for folder in (path, os.path.join(path, _SERVING), os.path.join(path, _TRAINED)):
        if tf.io.gfile.exists(os.path.join(folder, _SAVED_MODEL)):
            return folder
        if version := _newest_version(folder):
            return version
    if tf.io.gfile.exists(os.path.join(path, _RUN)):
        trained = _newest_version(os.path.join(path, _TRAINER), _TRAINED)
        hint = f" The model that was trained last is '{trained}'." if trained else ""
        raise ValueError(f"The run in '{path}' pushed no model: none was blessed, or the run is not finished.{hint}")
    raise ValueError(f"There is no SavedModel in '{path}'. {_expected(path)}")


def _newest_version(folder: str, *inside: str) -> str | None:
    names = [name.strip("/") for name in tf.io.gfile.listdir(folder)] if tf.io.gfile.isdir(folder) else []
    numbers = sorted((name for name in names if name.isdecimal()), key=int, reverse=True)
    paths = (os.path.join(folder, name, *inside) for name in numbers)
    return next((path for path in paths if tf.io.gfile.exists(os.path.join(path, _SAVED_MODEL))), None)


def _expected(path: str) -> str:
    if path.endswith((".keras", ".tflite", ".onnx")):
        return "Pass the SavedModel that was exported beside it: that one takes image files."
    return (
        "Pass the output folder of a run that pushed a model, its folder 'serving', one version in there, or what "
        "keras_ext.export.export_classifier wrote."
    )
