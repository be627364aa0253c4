"""Models in the formats of others, run by these others."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.export import (
    FORMATS,
    check_formats,
    export_formats,
    export_keras,
    export_lite_rt,
    export_onnx,
    pixel_model,
)
from keras_ext.layers import DecodeImage
from keras_ext.metrics import ConfusionMatrix
from keras_ext.training import image_classifier

SHAPE = (12, 10, 3)
CLASS_NAMES = ["cat", "größe", "dog"]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE)).astype(np.float32)


def convolutional(policy: str = "float32") -> keras.Model:
    """A network of layers that converters trip over: constants of a layer, batch statistics, nested models."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [
            keras.Input((12, 10, 8)),
            keras.layers.DepthwiseConv2D(3, dtype=policy),
            keras.layers.BatchNormalization(dtype=policy),
            keras.layers.Activation("hard_swish", dtype=policy),
        ]
    )
    images = keras.Input(SHAPE, name="pixels")
    x = keras.layers.Normalization(mean=[120.0, 110, 100], variance=[50.0**2] * 3, dtype=policy)(images)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", dtype=policy)(x)
    x = keras.layers.GlobalAveragePooling2D(dtype=policy)(inner(x))
    x = keras.layers.Dropout(0.5, dtype=policy)(x)
    model = keras.Model(images, keras.layers.Dense(3, activation="softmax", dtype="float32")(x), name="network")
    model.layers[-1].kernel.assign(model.layers[-1].kernel * 5)
    return model


def lite_rt(path: str, images: np.ndarray) -> np.ndarray:
    classify = tf.lite.Interpreter(path).get_signature_runner("serving_default")
    return classify(images=images)["probabilities"]


def onnx(path: str, images: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    return runtime.InferenceSession(path).run(["probabilities"], {"images": images})[0]


RUN = {"keras": (export_keras, lambda path, images: keras.saving.load_model(path)(images).numpy(), "model.keras")}
RUN["lite_rt"] = (export_lite_rt, lite_rt, "model.tflite")
RUN["onnx"] = (export_onnx, onnx, "model.onnx")


@pytest.fixture(params=FORMATS)
def written(request):
    if request.param == "onnx":
        pytest.importorskip("tf2onnx")
    return RUN[request.param]


@pytest.mark.parametrize("build", [convolutional, lambda: image_classifier("small_cnn", SHAPE, 3, seed=0)])
def test_outputs_equal_those_of_keras_at_two_sizes_of_batch(written, build, tmp_path):
    export, run, name = written
    model = build()
    export(model, str(tmp_path / name))
    expected = model(IMAGES, training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3
    for images in (IMAGES[:1], IMAGES):
        np.testing.assert_allclose(run(str(tmp_path / name), images), expected[: len(images)], rtol=0, atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_exported_in_whole(policy, tmp_path):
    half, whole = convolutional(policy), convolutional()
    whole.set_weights(half.get_weights())
    expected = whole(IMAGES, training=False).numpy()
    for export, run, name in (RUN["lite_rt"], *([RUN["onnx"]] if has_onnx() else [])):
        export(half, str(tmp_path / name))
        np.testing.assert_allclose(run(str(tmp_path / name), IMAGES), expected, rtol=0, atol=1e-5)
    assert half.layers[2].compute_dtype == policy.removeprefix("mixed_")
    assert not np.array_equal(half(IMAGES, training=False), expected)


def has_onnx() -> bool:
    try:
        check_formats(["onnx"])
    except ImportError:
        return False
    return True


def test_keras_file_needs_keras_alone_whatever_the_model_was_trained_by(tmp_path):
    model = image_classifier("small_cnn", SHAPE, 3, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[ConfusionMatrix(3)])
    model.fit(IMAGES, np.array([0, 1, 2, 0, 1]), verbose=0)
    export_keras(model, str(tmp_path / "model.keras"))
    np.save(tmp_path / "images.npy", IMAGES)
    script = """if True:
        import json, sys
        import keras, numpy as np
        model = keras.saving.load_model("model.keras")
        print(json.dumps(model(np.load("images.npy")).numpy().tolist()))
        assert "keras_ext" not in sys.modules
    """
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    np.testing.assert_allclose(json.loads(run.stdout.splitlines()[-1]), model(IMAGES, training=False), atol=1e-6)
    assert model.optimizer is not None


def test_the_contract_lies_beside_the_files(tmp_path):
    model = convolutional()
    decode = DecodeImage(12, 10, interpolation="area")
    export_formats(model, str(tmp_path / "new"), CLASS_NAMES, ["keras", "lite_rt"], decode)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["model.json", "model.keras", "model.tflite"]
    description = json.loads((tmp_path / "new" / "model.json").read_text(encoding="utf-8"))
    decoding = description.pop("decode")
    assert {**decoding, "height": 12, "width": 10, "color_mode": "rgb", "interpolation": "area"} == decoding
    assert "name" not in decoding
    assert description == {
        "class_names": CLASS_NAMES,
        "input": {"name": "images", "dtype": "float32", "shape": [None, 12, 10, 3], "range": [0, 255]},
        "output": {"name": "probabilities", "dtype": "float32", "shape": [None, 3]},
        "files": {"keras": "model.keras", "lite_rt": "model.tflite"},
    }


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.write_bytes(b"the last one")

    def save(self, file):
        with open(file, "wb") as stream:
            stream.write(b"half a fi")
        raise OSError("disk full")

    monkeypatch.setattr(keras.Model, "save", save)
    with pytest.raises(OSError, match="disk full"):
        export_keras(convolutional(), str(path))
    assert path.read_bytes() == b"the last one"
    assert [one.name for one in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: keras.Model([a := keras.Input((2,)), b := keras.Input((2,))], keras.layers.Add()([a, b])),
        lambda: keras.Model(a := keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()(a)),
        lambda: keras.Model(a := keras.Input((2,)), [keras.layers.Dense(1)(a), keras.layers.Dense(1)(a)]),
    ],
)
@pytest.mark.parametrize("export", [export_keras, export_lite_rt])
def test_one_input_of_a_fixed_size(build, export, tmp_path):
    with pytest.raises(ValueError, match="must have one input of a fixed size"):
        export(build(), str(tmp_path / "model.keras"))
    assert not [*tmp_path.iterdir()]


def test_keras_files_are_called_so(tmp_path):
    with pytest.raises(ValueError, match="path must end in .keras. Received: path='.*model.h5'"):
        export_keras(convolutional(), str(tmp_path / "model.h5"))
    assert not [*tmp_path.iterdir()]


def test_the_contract_names_each_class(tmp_path):
    with pytest.raises(ValueError, match="2 names for 3 outputs"):
        export_formats(convolutional(), str(tmp_path / "new"), ["cat", "dog"], ["keras"])
    assert not [*tmp_path.iterdir()]


def test_unknown_format():
    with pytest.raises(ValueError, match="Did you mean 'lite_rt'"):
        check_formats(["keras", "litert"])


def test_missing_packages_are_named_with_their_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_model.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else object())
    with pytest.raises(
        ImportError, match=r"'onnx' needs tf2onnx, not installed here. .*pip install 'keras-ext\[onnx\]'"
    ):
        export_formats(convolutional(), str(tmp_path / "new"), CLASS_NAMES)
    assert not (tmp_path / "new").exists()
