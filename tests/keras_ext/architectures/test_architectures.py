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


PIXEL = np.array([255.0, 128.0, 0.0], np.float32)
SCALED = PIXEL / 127.5 - 1
NORMALIZED = (PIXEL / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
BLUE_FIRST = PIXEL[::-1] - [103.939, 116.779, 123.68]
# The smallest network of each family, and what the weights of the family were trained on.
FAMILIES = {
    "ConvNeXtTiny": NORMALIZED,
    "DenseNet121": NORMALIZED,
    "EfficientNetB0": PIXEL / 255,  # its weights normalize; see below
    "EfficientNetV2B0": NORMALIZED,
    "EfficientNetV2S": PIXEL / 128 - 1,
    "InceptionResNetV2": SCALED,
    "InceptionV3": SCALED,
    "MobileNet": SCALED,
    "MobileNetV2": SCALED,
    "MobileNetV3Small": SCALED,
    "NASNetMobile": SCALED,
    "ResNet50": BLUE_FIRST,
    "ResNet50V2": SCALED,
    "VGG16": BLUE_FIRST,
    "VGG19": BLUE_FIRST,
    "Xception": SCALED,
}


def first_convolution_gets(model):
    """The pixel in the middle of what enters the first convolution when all pixels are `PIXEL`."""
    network = model.layers[-1]
    layer = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D | keras.Sequential))
    preprocess = keras.Model(model.input, network._inbound_nodes[-1].input_tensors[0])
    images = np.broadcast_to(PIXEL, (1, *model.input_shape[1:])).astype(np.float32)
    entering = keras.Model(network.input, layer.input)(preprocess(images), training=False)
    return keras.ops.convert_to_numpy(entering)[0, entering.shape[1] // 2, entering.shape[2] // 2]


LARGE = {"InceptionResNetV2", "NASNetMobile"}


@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in FAMILIES]
)
def test_each_family_gets_the_values_that_it_was_trained_on(architecture):
    model = backbone(architecture, (80, 80, 3))
    np.testing.assert_allclose(first_convolution_gets(model), FAMILIES[architecture], rtol=1e-4, atol=1e-4)


def test_every_family_is_tested():
    families = {getattr(keras.applications, name).__module__ for name in keras_applications.NAMES}
    assert families == {getattr(keras.applications, name).__module__ for name in FAMILIES}


def test_the_deviations_in_the_weights_of_efficientnet_are_squared(tmp_path):
    network = keras.applications.EfficientNetB0(include_top=False, weights=None)
    layer = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    # As they are in the file that Keras fetches: deviations in place of variances.
    layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
    path = str(tmp_path / "my.weights.h5")
    network.save_weights(path)
    model = backbone("EfficientNetB0", (32, 32, 3), path)
    np.testing.assert_allclose(first_convolution_gets(model), NORMALIZED, rtol=1e-4)
    model.layers[-1].save_weights(path)
    # What was mended once is not mended again.
    np.testing.assert_allclose(first_convolution_gets(backbone("EfficientNetB0", (32, 32, 3), path)), NORMALIZED, 1e-4)


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


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_weights_of_a_network_as_keras_saves_it(include_top, suffix, tmp_path):
    network = keras.applications.MobileNetV3Small(include_top=include_top, weights=None)
    path = str(tmp_path / f"my{suffix}")
    network.save_weights(path) if suffix == ".weights.h5" else network.save(path)
    model = backbone("MobileNetV3Small", (32, 32, 3), path)
    for loaded, saved in zip(model.get_weights(), network.get_weights(), strict=False):
        np.testing.assert_array_equal(loaded, saved)
    assert (len(model.get_weights()) < len(network.get_weights())) is include_top


@pytest.mark.parametrize(
    "architecture, reason",
    [
        ("MobileNetV3Small", "VGG16 without its top: 13 layers with weights. Received: .*expected 2 variables"),
        ("VGG19", "variable.shape=.*value.shape="),
    ],
)
def test_weights_of_another_network(architecture, reason, tmp_path):
    path = str(tmp_path / "other.weights.h5")
    getattr(keras.applications, architecture)(include_top=False, weights=None).save_weights(path)
    with pytest.raises(ValueError, match=f"(?i){reason}.*Save them once with keras.applications.VGG16") as raised:
        backbone("VGG16", (32, 32, 3), path)
    assert path in str(raised.value)


@pytest.mark.parametrize(
    "name, reason", [("a.weights.h5", "file signature not found"), ("a.npz", "File format not supported")]
)
@pytest.mark.parametrize("architecture", ["small_cnn", "MobileNet"])
def test_file_that_holds_no_weights(architecture, name, reason, tmp_path):
    (tmp_path / name).write_text("no weights")
    with pytest.raises(ValueError, match=f"weights must be those of .* does not fit: .*{reason}.*Save them"):
        backbone(architecture, (32, 32, 3), str(tmp_path / name))


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


def test_preset_of_another_family(preset):
    with pytest.raises(ValueError, match=r"folder of a preset of MobileNetV3Backbone, .*ResNetV2Backbone"):
        backbone("MobileNetV3SmallBackbone", (32, 32, 3), preset[1])


def test_folder_without_a_preset(tmp_path):
    with pytest.raises(ValueError, match=r"a preset of ResNetV2Backbone, with config.json .* does not fit"):
        backbone("ResNet18V2Backbone", (32, 32, 3), str(tmp_path))


def test_preset_with_the_weights_of_another_layout(preset):
    _, path = preset
    keras.applications.VGG16(include_top=False, weights=None).save_weights(f"{path}/model.weights.h5")
    with pytest.raises(ValueError, match="a preset of ResNetV2Backbone.* does not fit: ValueError"):
        backbone("ResNet18V2Backbone", (32, 32, 3), path)


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
    [
        ("resnet50v2", "ResNet50V2"),
        ("small_cn", "small_cnn"),
        ("Resnet18V2backbone", "ResNet18V2Backbone"),
        ("MobileNetV3SmallBackbon", "MobileNetV3SmallBackbone"),
    ],
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
