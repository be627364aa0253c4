"""Test-time augmentation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.datasets import image_keys
from keras_ext.export import EXTRA_FILES, export_classifier, export_formats
from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.prediction import Classifier

SHIFTS = [{"layer": "RandomAffine", "rotation": 40, "width_shift": 0.3, "height_shift": 0.3}]
CLASS_NAMES = ["cats", "dogs"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A network, the path of its SavedModel with a .keras file, and what decodes for it."""
    keras.utils.set_random_seed(0)
    images = keras.Input((24, 24, 3), dtype="uint8")
    outputs = keras.layers.Dense(2, activation="softmax")(
        keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    )
    model, decode = keras.Model(images, outputs), DecodeImage(24, 24, crop_to_aspect_ratio=True)
    path = tmp_path_factory.mktemp("model")
    export_classifier(model, str(path), CLASS_NAMES, decode)
    export_formats(model, str(path / EXTRA_FILES), CLASS_NAMES, ["keras"], decode)
    return model, path, decode


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 5, "dogs": 4})


def probabilities(path, photos, **arguments):
    return np.array([one.probabilities for one in Classifier(path).predict(str(photos), **arguments)])


def test_the_mean_over_the_image_and_its_versions(parts, photos):
    model, path, decode = parts
    files = tf.constant([file.read_bytes() for file in sorted(photos.rglob("*.*"))])
    augment, keys = Augmentation(SHIFTS, seed=5), image_keys(files)
    versions = [decode(files), *(augment(decode(files), training=True, keys=keys, epoch=one) for one in range(3))]
    each = np.array([model(np.round(one).astype(np.uint8)) for one in versions])
    assert np.ptp(each, axis=0).max() > 0.05
    found = probabilities(path, photos, augmentation=SHIFTS, rounds=3, seed=5)
    np.testing.assert_allclose(found, each.mean(axis=0), atol=5e-3)  # XLA may round a pixel otherwise


def test_the_image_as_it_is_is_that_of_serving_default(parts, photos):
    _, path, _ = parts
    still = [{"layer": "RandomAffine", "rotation": 0}]
    found = probabilities(path, photos, augmentation=still, rounds=1)
    np.testing.assert_allclose(found, probabilities(path, photos), atol=1e-6)


def test_versions_belong_to_the_image_and_the_seed(parts, photos):
    _, path, _ = parts
    expected = probabilities(path, photos, augmentation=SHIFTS, rounds=2, seed=1)
    again = probabilities(path, photos, augmentation=SHIFTS, rounds=2, seed=1, batch_size=2)
    np.testing.assert_allclose(again, expected, atol=1e-6)
    (photos / "cats" / "0000.png").rename(photos / "dogs" / "9999.png")
    moved = probabilities(path, photos, augmentation=SHIFTS, rounds=2, seed=1)
    np.testing.assert_allclose(moved, np.roll(expected, -1, axis=0), atol=1e-6)
    other = probabilities(path, photos, augmentation=SHIFTS, rounds=2, seed=2)
    assert np.abs(other - moved).max() > 1e-3


def test_an_unreadable_file_is_a_row(parts, photos):
    _, path, _ = parts
    (photos / "cats" / "0000.png").write_bytes((photos / "cats" / "0000.png").read_bytes()[:300])
    found = list(Classifier(path).predict(str(photos), augmentation=SHIFTS, rounds=1))
    assert [one.error for one in found] == ["truncated PNG", *[None] * 8]


def test_what_cannot_augment(parts, photos, model_path, tmp_path):
    _, path, _ = parts
    with pytest.raises(ValueError, match=r"need the network itself as a .keras file, .* export.formats=\[\"keras\"\]"):
        probabilities(model_path, photos, augmentation=SHIFTS, rounds=1)
    with pytest.raises(ValueError, match="Layers that blend images of different classes"):
        probabilities(path, photos, augmentation=[{"layer": "MixUp"}], rounds=1)
    with pytest.raises(ValueError, match="Did you mean 'RandomFlip'"):
        probabilities(path, photos, augmentation=[{"layer": "RandomFlipp"}], rounds=1)
