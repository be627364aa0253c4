import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext import features
from keras_ext.datasets import ImageExamples
from keras_ext.datasets.pixels import serialize_images
from keras_ext.export import read_recorded_predictions, record_predictions

SHAPE = (4, 3, 3)


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).hexdigest().encode()


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, SHAPE, np.uint8)


@pytest.fixture
def make_examples(tmp_path):
    def make(formats: list[bytes | None]) -> ImageExamples:
        for shard in range(2):
            with tf.io.TFRecordWriter(str(tmp_path / f"examples-{shard}.gz"), "GZIP") as writer:
                for number, image_format in enumerate(formats):
                    if number % 2 != shard:
                        continue
                    example = tf.train.Example()
                    feature = example.features.feature
                    feature[features.SHA256].bytes_list.value.append(key(number))
                    feature[features.PIXELS].bytes_list.value.append(serialize_images(pixels(number)[None])[0].numpy())
                    if image_format:
                        feature[features.FORMAT].bytes_list.value.append(image_format)
                    writer.write(example.SerializeToString())
        return ImageExamples([str(tmp_path / "examples-*")], SHAPE, compression_type="GZIP")

    return make


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = keras.layers.Dropout(0.9)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images)))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(x))


def test_probabilities_of_the_images_by_key(make_examples, model, tmp_path):
    record_predictions(model, make_examples([b"png"] * 40), str(tmp_path / "new"))
    recorded = read_recorded_predictions(str(tmp_path / "new"))
    assert [*recorded] == sorted(map(key, range(40)))
    for number in range(40):
        expected = model(pixels(number)[None].astype(np.float32), training=False)[0]
        np.testing.assert_allclose(recorded[key(number)], expected, atol=1e-6)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["recorded_predictions.npz"]


def test_the_sample_has_every_format_and_the_smallest_keys(make_examples, model, tmp_path):
    formats = [b"bmp" if number == 17 else b"gif" if number in (3, 29) else b"jpeg" for number in range(40)]
    record_predictions(model, make_examples(formats), str(tmp_path), images=6)
    jpegs = sorted(key(number) for number in range(40) if formats[number] == b"jpeg")
    assert set(read_recorded_predictions(str(tmp_path))) == {key(17), key(3), key(29), *jpegs[:3]}


def test_examples_need_not_tell_the_format(make_examples, model, tmp_path):
    record_predictions(model, make_examples([None] * 8), str(tmp_path), images=3)
    assert [*read_recorded_predictions(str(tmp_path))] == sorted(map(key, range(8)))[:3]


def test_what_cannot_be(make_examples, model, tmp_path):
    with pytest.raises(ValueError, match="images must be at least 1. Received: images=0"):
        record_predictions(model, make_examples([b"png"]), str(tmp_path), images=0)
    with pytest.raises(ValueError, match=r"must hold recorded_predictions.npz. Call .*record_predictions"):
        read_recorded_predictions(str(tmp_path))
