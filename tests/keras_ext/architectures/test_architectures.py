import importlib
import inspect
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_ext.architectures import backbone, keras_applications
from keras_ext.architectures.keras_cv_backbones import import_keras_cv

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("side, expected", [(8, 8), (28, 7), (32, 8), (64, 8), (100, 7), (224, 7), (512, 8)])
def test_small_cnn_ends_small_whatever_the_size(side, expected):
    assert backbone("small_cnn", (side, side, 3)).output_shape[1:3] == (expected, expected)


def test_small_cnn_takes_other_shapes():
    assert backbone("small_cnn", (30, 80, 1)).output_shape == (None, 8, 20, 128)


def test_every_application_has_its_preprocessing():
    assert len(keras_applications.NAMES) >= 38
    for name in keras_applications.NAMES:
        module = sys.modules[getattr(keras.applications, name).__module__]
        assert inspect.isfunction(module.preprocess_input), name


@pytest.mark.parametrize("architecture", ["MobileNet", "VGG16", "ResNet50", "DenseNet121", "MobileNetV3Small"])
def test_application_gets_the_images_that_its_own_preprocessing_makes(architecture):
    model = backbone(architecture, (32, 32, 3))
    module = sys.modules[getattr(keras.applications, architecture).__module__]
    expected = model.layers[-1](module.preprocess_input(IMAGES.copy()), training=False)
    np.testing.assert_allclose(model(IMAGES, training=False), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["small_cnn", "VGG16"])
def test_keras_file_gives_the_same_output(architecture, tmp_path):
    model = backbone(architecture, (32, 32, 3))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IMAGES, training=False), model(IMAGES, training=False))


def test_grey_images_are_repeated_for_applications():
    model = backbone("MobileNet", (32, 32, 1))
    network = model.layers[-1]
    grey = IMAGES[..., :1]
    expected = network(grey.repeat(3, axis=-1) / 127.5 - 1, training=False)
    np.testing.assert_allclose(model(grey, training=False), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["small_cnn", "MobileNet"])
def test_weights_of_a_local_file(architecture, tmp_path):
    model = backbone(architecture, (32, 32, 3))
    network = model if architecture == "small_cnn" else model.layers[-1]
    network.save_weights(tmp_path / "my.weights.h5")
    again = backbone(architecture, (32, 32, 3), str(tmp_path / "my.weights.h5"))
    np.testing.assert_array_equal(again(IMAGES, training=False), model(IMAGES, training=False))


@pytest.fixture
def preset(tmp_path):
    keras_cv = import_keras_cv()
    tiny = keras_cv.models.ResNetV2Backbone(
        stackwise_filters=[4, 8], stackwise_blocks=[2, 2], stackwise_strides=[1, 2], include_rescaling=False
    )
    importlib.import_module("keras_cv.src.utils.preset_utils").save_to_preset(tiny, str(tmp_path))
    return tiny, str(tmp_path)


def test_keras_cv_backbone_of_a_local_preset(preset):
    tiny, path = preset
    model = backbone("ResNet18V2Backbone", (32, 32, 3), path)
    np.testing.assert_allclose(model(IMAGES, training=False), tiny(IMAGES / 255, training=False), rtol=1e-4, atol=1e-4)


def test_keras_cv_is_of_keras_3_where_tensorflow_shows_keras_2(preset):
    # TensorFlow Transform sets this variable when it is imported, and so it stands in every run of the pipeline.
    code = f"from keras_ext.architectures import backbone; backbone('ResNet18V2Backbone', (32, 32, 3), {preset[1]!r})"
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_keras_cv_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-ext\[keras-cv\]'"):
        backbone("ResNet18V2Backbone", (32, 32, 3))


def test_keras_cv_without_network(monkeypatch):
    models = import_keras_cv().models
    offline = {"side_effect": OSError("no route")}
    monkeypatch.setattr(models.ResNet18V2Backbone.__mro__[1], "from_preset", _raiser(**offline))
    with pytest.raises(ConnectionError, match="could not fetch the layout of ResNet18V2Backbone from Kaggle"):
        backbone("ResNet18V2Backbone", (32, 32, 3))


def _raiser(side_effect: Exception):
    def from_preset(*args, **kwargs):
        raise side_effect

    return from_preset


@pytest.mark.parametrize(
    "architecture, nearest",
    [("resnet50v2", "ResNet50V2"), ("small_cn", "small_cnn"), ("Resnet18V2backbone", "ResNet18V2Backbone")],
)
def test_unknown_name_suggests_the_nearest(architecture, nearest):
    with pytest.raises(ValueError, match=f"Received: architecture='{architecture}'. Did you mean '{nearest}'"):
        backbone(architecture, (32, 32, 3))


def test_too_small_images_for_a_network():
    with pytest.raises(ValueError, match=r"'Xception' cannot be built for images of 32 x 32 pixels.*at least 71x71"):
        backbone("Xception", (32, 32, 3))


def test_four_channels_for_a_network():
    with pytest.raises(ValueError, match=r"'VGG16' takes images of one or three channels. Received: 4 channels"):
        backbone("VGG16", (32, 32, 4))


def test_imagenet_is_no_local_path():
    with pytest.raises(ValueError, match=r"weights='imagenet', which does not exist. No weights are downloaded"):
        backbone("MobileNet", (32, 32, 3), "imagenet")
