"""A model for LiteRT, once TensorFlow Lite: phones, browsers, small computers."""

import tempfile

import keras
import tensorflow as tf

from keras_ext.export.pixel_function import pixel_function
from keras_ext.export.whole_file import whole_file


def export_lite_rt(model: keras.Model, path: str) -> None:
    """Writes a `.tflite` file: `images` to `probabilities`, in float32, for any size of batch.

    Args:
      model: A functional or Sequential model with one input.
      path: The file to write. It appears whole.

    Raises:
      ValueError: A model without one input of a fixed size.

    Example:

    >>> export_lite_rt(model, "model.tflite")
    """
    with tempfile.TemporaryDirectory() as saved_model:
        with pixel_function(model) as (bare, serve):
            archive = keras.export.ExportArchive()
            archive.track(bare)
            archive.add_endpoint("serving_default", serve)
            archive.write_out(saved_model, verbose=False)
        # From a Keras model itself, the converter of TensorFlow 2.16 aborts the process.
        content = tf.lite.TFLiteConverter.from_saved_model(saved_model).convert()
    with whole_file(path) as local, open(local, "wb") as file:
        file.write(content)
