"""Classifiers of small images, made in a second."""

import keras
import pytest
import tensorflow as tf

from keras_ext.export import export_classifier
from keras_ext.layers import DecodeImage

CLASS_NAMES = ["cats", "dogs", 'größe, "quoted"']
SIZE = (12, 10)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((*SIZE, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 64)(images))
    return keras.Model(images, keras.layers.Dense(len(CLASS_NAMES), activation="softmax")(x))


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("model") / "1")
    export_classifier(network(), path, CLASS_NAMES, DecodeImage(*SIZE))
    return path


@pytest.fixture(scope="session")
def serving_default(model_path):
    """The probabilities that the model's own signature gives for the bytes of files."""
    model = tf.saved_model.load(model_path)
    return lambda files: model.signatures["serving_default"](tf.constant(files))["probabilities"].numpy()
