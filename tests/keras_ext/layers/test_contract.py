"""What every layer of ours keeps; a layer without an entry in CASES fails here."""

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


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


CASES: dict[str, list[Case]] = {
    "DecodeImage": [
        Case({"height": 8, "width": 6}, _files),
        Case({"height": 5, "width": 7, "color_mode": "grayscale", "interpolation": "nearest"}, _files),
        Case({"height": 9, "width": 9, "color_mode": "rgba", "pad_to_aspect_ratio": True, "fill_value": 9}, _files),
        Case({"height": 4, "width": 8, "interpolation": "area", "crop_to_aspect_ratio": True}, _files),
        Case({"height": 4, "width": 4, "antialias": True}, _files),
    ],
}

all_cases = pytest.mark.parametrize(
    "name, case", [pytest.param(name, case, id=f"{name}-{i}") for name in CASES for i, case in enumerate(CASES[name])]
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
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serve", layer, input_signature=[tf.TensorSpec([None, *batch.shape[1:]], batch.dtype)])
    archive.write_out(str(tmp_path), verbose=False)
    np.testing.assert_array_equal(tf.saved_model.load(str(tmp_path)).serve(batch), outputs(layer, case.batch()))
