"""What is refused before anything runs."""

import dataclasses
import importlib.util

import pytest

from pipelines.config import read_config
from pipelines.image_classification.check import check_model
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import resolve

MODEL = """
import keras


def build(image_shape, num_classes, width=4, activation="softmax", outputs=None, sized=True):
    images = keras.Input(image_shape if sized else (None, None, 3))
    x = keras.layers.Conv2D(width, 3)(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(outputs or num_classes, activation=activation)(x))


class Sepia(keras.layers.Layer):
    def call(self, images):
        return images * [1.0, 0.8, 0.6]


class Crop(keras.layers.Layer):
    def call(self, images):
        return images[:, 1:]


class Grey(keras.layers.Layer):
    def call(self, images):
        return images * [1.0, 0.8]
"""
OWN = "model.builder=code/my_model.py:build"


@pytest.fixture
def check(make_image_folder, tmp_path, monkeypatch):
    folder = make_image_folder({"cats": 2, "dogs": 2, "eels": 2})
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)

    def check(*overrides):
        config = resolve(read_config(Config, None, ("image.size=[16, 16]", *overrides), images=str(folder), output="o"))
        monkeypatch.chdir("/")  # all paths are absolute by then
        check_model(config)
        return config

    return check


def test_defaults_pass(check):
    check()


def test_own_model_and_layer_pass_wherever_the_process_is(check, tmp_path):
    config = check(OWN, "model.arguments.width=7", 'augmentation.layers=[{layer = "code/my_model.py:Sepia"}]')
    assert config.model.builder == f"{tmp_path}/code/my_model.py:build"
    assert config.augmentation.layers == ({"layer": f"{tmp_path}/code/my_model.py:Sepia"},)


def test_layers_that_mix_labels_are_tried_with_labels(check):
    check('augmentation.layers=[{layer = "RandomFlip"}, {layer = "MixUp"}]')


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["model.architecture=MobilNetV2"], "Did you mean 'MobileNetV2'"),
        ([OWN, "model.arguments.outputs=2"], r"a probability for each of the 3 classes. Received.*\(2, 2\)"),
        ([OWN, "model.arguments.activation=linear"], "Are these logits"),
        ([OWN, "model.arguments.widht=3"], "Did you mean 'width'"),
        (["model.builder=code/my_model.py:bulid"], "It defines 'build', .*Did you mean 'build'"),
        (["model.builder=code/gone.py:build"], "There is no file '.*/code/gone.py'"),
        (["model.builder=code/my_model.py"], "model.builder: .*must be named as"),
        (['augmentation.layers=[{layer = "code/my_model.py:Sepai"}]'], "Did you mean 'Sepia'"),
        (['augmentation.layers=[{layer = "code/my_model.py:"}]'], "augmentation.layers: .*must be named as"),
        (['augmentation.layers=[{layer = "code/my_model.py:Crop"}]'], "no layer may change their shape"),
        (
            ['augmentation.layers=[{layer = "code/my_model.py:Grey"}]'],
            r"augmentation.layers must take images of shape \('batch', 16, 16, 3\) in training, and fail",
        ),
        (["tuner.space.model.architecture=['small_cnn', 'VGG17']"], "Did you mean 'VGG1[69]'"),
        ([OWN, "tuner.space.model.arguments.width=[4, -4]"], r"arguments=\{'width': -4\}"),
        (["tuner.space.train.batch_siz=[4]"], "Did you mean 'train.batch_size'"),
        ([OWN, "model.arguments.sized=false", "export.formats=['keras']"], "must have one input of a fixed size"),
        ([OWN, "train.frozen_epochs=2"], "must have its backbone as one layer .* a model with 0 such layers"),
        (["train.frozen_epochs=2"], "Set model.weights, or a model.builder"),
        (["tuner.space.train.frozen_epochs=[0, 2]"], "Set model.weights, or a model.builder"),
    ],
)
def test_refused(check, overrides, message):
    with pytest.raises(ValueError, match=message):
        check(*overrides)


def test_export_formats_that_are_not_installed(check, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find_spec(name))
    check("export.formats=['keras', 'lite_rt']")
    with pytest.raises(
        ImportError, match=r"'onnx' needs tf2onnx, not installed here. .*pip install 'keras-ext\[onnx\]'"
    ):
        check("export.formats=['onnx']")


def test_weights_that_do_not_fit(check, tmp_path):
    (tmp_path / "my.weights.h5").write_text("none")
    with pytest.raises(ValueError, match=r"weights must be those of MobileNet without its top.*my.weights.h5"):
        check("model.architecture=MobileNet", "image.size=[32, 32]", "model.weights=my.weights.h5")


def test_resolving_twice_changes_nothing(check, tmp_path):
    config = check(OWN, 'augmentation.layers=[{layer = "code/my_model.py:Sepia"}]')
    assert dataclasses.asdict(resolve(config)) == dataclasses.asdict(config)
