"""A model as a `.keras` file."""

import keras

from keras_ext.export.pixel_function import bare_model
from keras_ext.export.whole_file import whole_file


def export_keras(model: keras.Model, path: str) -> None:
    """Writes a `.keras` file without optimizer, loss and metrics.

    `keras.saving.load_model` loads it, without our package where the model holds no layer of ours.

    Args:
      model: A functional or Sequential model with one input.
      path: The file to write, `*.keras`. It appears whole.

    Raises:
      ValueError: Another ending; a model without one input of a fixed size.

    Example:

    >>> export_keras(model, "model.keras")
    """
    if not path.endswith(".keras"):
        raise ValueError(f"path must end in .keras. Received: path={path!r}.")
    with whole_file(path) as local:
        bare_model(model).save(local)
