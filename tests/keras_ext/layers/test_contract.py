"""What every layer of ours keeps; a layer without an entry in CASES fails here."""

import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_ext.layers


@dataclass(frozen=True)
class Case:
    """One way to make a layer, and a batch to call it with."""

    arguments: dict[str, Any]
    batch: Callable[[], np.ndarray]


def _files() -> np.ndarray:
    images = np.random.default_rng(7).integers(0, 256, (3, 11, 14, 3), np.uint8)
    return np.array([_png(image) for image in images], dtype=object)


def _images() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (3, 11, 14, 3), np.uint8)


def _photos() -> np.ndarray:
    return np.array([_jpeg(Image.open(io.BytesIO(file)), orientation=6) for file in _files()], dtype=object)


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def _jpeg(image: Image.Image, orientation: int) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(file, "JPEG", exif=exif.tobytes())
    return file.getvalue()


def _channels_first() -> np.ndarray:
    return _images().transpose(0, 3, 1, 2)


def _floats() -> np.ndarray:
    return _images().astype(np.float32) / np.float32(255)


def _probabilities() -> np.ndarray:
    return np.random.default_rng(9).dirichlet([1, 1, 1], 3).astype(np.float32)


CASES: dict[str, list[Case]] = {
    "Augmentation": [
        Case({"layers": [{"layer": "RandomAffine", "rotation": 9}, {"layer": "RandomFlip"}], "seed": 1}, _images),
        Case({"layers": []}, _images),
    ],
    "DecodeImage": [
        Case({"height": 8, "width": 6}, _files),
        Case({"height": 5, "width": 7, "color_mode": "grayscale", "interpolation": "nearest"}, _files),
        Case({"height": 9, "width": 9, "color_mode": "rgba", "pad_to_aspect_ratio": True, "fill_value": 9}, _files),
        Case({"height": 4, "width": 8, "interpolation": "area", "crop_to_aspect_ratio": True}, _files),
        Case({"height": 4, "width": 4, "antialias": True}, _files),
        Case({"height": 8, "width": 6, "exif_orientation": False}, _photos),
        Case({"height": 8, "width": 6}, _photos),
    ],
    "LogitAdjustment": [
        Case({"class_counts": [8, 4, 1]}, _probabilities),
        Case({"class_counts": [0.5, 0.25, 0.25], "tau": 0.5, "from_logits": True}, _probabilities),
        Case({"class_counts": [8, 4, 1], "dtype": "mixed_float16"}, _probabilities),
    ],
    # ZCA, which needs adapt(), has tests of its own.
    "Standardization": [
        Case({"rescale": 1 / 255}, _images),
        Case({"samplewise_std_normalization": True}, _images),
        Case({"featurewise_center": True, "mean": list(range(11)), "data_format": "channels_first"}, _images),
        Case({"featurewise_std_normalization": True, "mean": [90, 99, 110], "variance": [900, 1, 0]}, _images),
        Case({"samplewise_center": True, "featurewise_center": True, "mean": 7.5, "dtype": "mixed_float16"}, _images),
    ],
    "RandomAffine": [
        Case({"rotation": 20, "width_shift": 0.2, "zoom": 0.3, "horizontal_flip": True, "seed": 1}, _images),
        Case({"shear": (5, 10), "channel_shift": 0.2, "value_range": (0, 1), "fill_mode": "wrap", "seed": 2}, _floats),
        Case({"height_shift": 2, "brightness": (0.5, 2), "data_format": "channels_first", "seed": 3}, _channels_first),
        Case({"rotation": 9, "size": (7, 9), "interpolation": "nearest", "fill_mode": "constant", "seed": 4}, _images),
        Case({"zoom": 0.1, "size": (20, 15), "fill_mode": "reflect", "seed": 5, "dtype": "mixed_float16"}, _floats),
    ],
}

all_cases = pytest.mark.parametrize(
    "name, case", [pytest.param(name, case, id=f"{name}-{i}") for name in CASES for i, case in enumerate(CASES[name])]
)


random_cases = pytest.mark.parametrize(
    "name, case",
    [
        pytest.param(name, case, id=f"{name}-{i}")
        for name in CASES
        for i, case in enumerate(CASES[name])
        if "keys" in inspect.signature(getattr(keras_ext.layers, name).call).parameters and case.arguments.get("seed")
    ],
)


def make(name: str, case: Case) -> keras.layers.Layer:
    return getattr(keras_ext.layers, name)(**case.arguments)


def outputs(layer: keras.layers.Layer, batch: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(layer(tf.constant(batch)))


def test_every_layer_has_a_case():
    assert set(CASES) == set(keras_ext.layers.__all__)


@all_cases
def test_from_config_gives_the_same_output(name, case):
    layer = make(name, case)
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(outputs(again, case.batch()), outputs(layer, case.batch()))


@all_cases
def test_keras_file_gives_the_same_output(name, case, tmp_path):
    layer, batch = make(name, case), tf.constant(case.batch())
    inputs = keras.Input(batch.shape[1:], dtype=batch.dtype.name)
    keras.Model(inputs, layer(inputs)).save(tmp_path / "layer.keras")
    again = keras.saving.load_model(tmp_path / "layer.keras")
    np.testing.assert_array_equal(again(batch), outputs(layer, case.batch()))


@all_cases
def test_eager_equals_dataset_with_a_smaller_last_batch(name, case):
    layer, batch = make(name, case), case.batch()
    dataset = tf.data.Dataset.from_tensor_slices(tf.constant(batch)).batch(2).map(layer)
    np.testing.assert_array_equal(np.concatenate(list(dataset)), outputs(layer, batch))


@all_cases
def test_batch_equals_one_by_one(name, case):
    layer, batch = make(name, case), case.batch()
    one_by_one = [outputs(layer, batch[i : i + 1])[0] for i in range(len(batch))]
    np.testing.assert_array_equal(outputs(layer, batch), one_by_one)


@all_cases
def test_single_image_equals_batch_of_one(name, case):
    layer, batch = make(name, case), tf.constant(case.batch())
    np.testing.assert_array_equal(layer(batch[0]), layer(batch[:1])[0])


@all_cases
def test_empty_batch(name, case):
    layer, batch = make(name, case), case.batch()
    assert outputs(layer, batch[:0]).shape == (0, *outputs(layer, batch).shape[1:])


@all_cases
def test_input_is_left_untouched(name, case):
    batch = case.batch()
    make(name, case)(batch)
    np.testing.assert_array_equal(batch, case.batch())


@all_cases
def test_computed_shape_and_dtype_are_those_of_the_output(name, case):
    layer, batch = make(name, case), tf.constant(case.batch())
    real = outputs(layer, case.batch())
    symbolic = layer(keras.Input(batch.shape[1:], dtype=batch.dtype.name))
    assert (symbolic.shape, symbolic.dtype) == ((None, *real.shape[1:]), real.dtype.name)
    assert layer.compute_output_shape(tuple(batch.shape)) == real.shape


@all_cases
def test_exported_model_gives_the_same_output(name, case, tmp_path):
    layer, batch = make(name, case), tf.constant(case.batch())
    expected = outputs(layer, case.batch())
    archive = keras.export.ExportArchive()
    archive.track(layer)
    archive.add_endpoint("serve", layer, input_signature=[tf.TensorSpec([None, *batch.shape[1:]], batch.dtype)])
    archive.write_out(str(tmp_path), verbose=False)
    again = tf.saved_model.load(str(tmp_path))
    np.testing.assert_array_equal(again.serve(batch), expected)


@random_cases
def test_random_layer_is_identity_without_training(name, case):
    layer, batch = make(name, case), case.batch()
    for output in (
        layer(batch, training=False),
        layer(batch),
        layer(batch, training=False, keys=np.arange(len(batch))),
    ):
        if output.shape == batch.shape:
            np.testing.assert_array_equal(output, batch.astype(layer.compute_dtype))
        else:
            np.testing.assert_array_equal(output, outputs(layer, batch))


@random_cases
def test_random_layer_gives_the_compute_dtype_and_shape(name, case):
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        layer = make(name, Case({**case.arguments, "dtype": policy}, case.batch))
        output = layer(case.batch(), training=True)
        assert (output.dtype, output.shape) == (layer.compute_dtype, layer.compute_output_shape(case.batch().shape))


@random_cases
def test_random_layer_without_keys_draws_anew(name, case):
    layer, batch = make(name, case), case.batch()
    first, second = (keras.ops.convert_to_numpy(layer(batch, training=True)) for _ in range(2))
    assert np.any(first != second)


@random_cases
def test_random_layer_with_keys_gives_the_same_in_a_dataset_a_model_its_file_and_anew(name, case, tmp_path):
    layer, batch, keys = make(name, case), case.batch(), np.array([3, -1, 2**40])
    expected = layer(batch, training=True, keys=keys, epoch=2)

    dataset = tf.data.Dataset.from_tensors((batch, keys))
    (mapped,) = dataset.map(lambda images, keys: layer(images, training=True, keys=keys, epoch=2))
    np.testing.assert_array_equal(mapped, expected)

    inputs = keras.Input(batch.shape[1:], dtype=batch.dtype.name), keras.Input((), dtype="int64")
    model = keras.Model(inputs, layer(inputs[0], keys=inputs[1], epoch=2))
    np.testing.assert_array_equal(model([batch, keys], training=True), expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded([batch, keys], training=True), expected)

    layer(batch, training=True)
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(batch, training=True, keys=keys, epoch=2), expected)
    assert np.any(layer(batch, training=True, keys=keys, epoch=3) != expected)
