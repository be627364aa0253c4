"""Layers, losses and metrics inside a model on the JAX backend: trained there, and equal to TensorFlow's."""

import subprocess
import sys

import numpy as np
import pytest

import keras_ext.layers
from keras_ext.layers import LogitAdjustment, RandomAffine
from keras_ext.losses import ClassBalancedFocalCrossentropy, LogitAdjustedCrossentropy

NOT_ON_JAX = {"DecodeImage"}  # image files are decoded by TensorFlow

ON_JAX = """
import os, sys
os.environ["KERAS_BACKEND"] = "jax"
import numpy as np
import keras
from keras_ext.layers import Augmentation, LogitAdjustment, RandomAffine, Standardization
from keras_ext.losses import ClassBalancedFocalCrossentropy, LogitAdjustedCrossentropy
from keras_ext.metrics import ConfusionMatrix

assert keras.backend.backend() == "jax"
given = np.load("given.npz")
images, labels, probabilities = given["images"], given["labels"], given["probabilities"]
counts = {0: 30, 1: 10}
augment = RandomAffine(rotation=30, zoom=0.2, horizontal_flip=True, channel_shift=20, seed=1)
drawn = augment.get_random_transformation(images)
warped = augment.transform_images(images, drawn)
standardize = Standardization(featurewise_center=True, featurewise_std_normalization=True)
standardize.adapt(images)
augmentation = Augmentation(
    [{"layer": "RandomAffine", "rotation": 20, "width_shift": 0.1}, {"layer": "RandomFlip"}], seed=1
)
model = keras.Sequential([
    augmentation, standardize, keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax"),
    LogitAdjustment(counts),
])
model.compile("adam", LogitAdjustedCrossentropy(counts), metrics=[ConfusionMatrix(2)], jit_compile=True)
losses = model.fit(images, labels, epochs=8, batch_size=8, verbose=0).history["loss"]
matrix = model.metrics[-1].metrics[0].matrix  # of the last epoch
model.save("model.keras")
again = keras.models.load_model("model.keras")
np.savez(
    "computed.npz", warped=warped, losses=losses, standard=standardize(images), matrix=matrix,
    augmented=augmentation(images, training=True), untouched=augmentation(images, training=False),
    predicted=model.predict(images, verbose=0), predicted_again=again.predict(images, verbose=0),
    focal=ClassBalancedFocalCrossentropy(counts)(labels, probabilities),
    adjusted=LogitAdjustment(counts)(probabilities), loss=LogitAdjustedCrossentropy(counts)(labels, probabilities),
    **{"drawn_" + name: np.asarray(values) for name, values in drawn.items()},
)
"""


@pytest.fixture(scope="module")
def given():
    random = np.random.default_rng(0)
    labels = np.arange(32) % 2
    images = random.integers(0, 60, (32, 12, 16, 3)) + 120 * labels[:, None, None, None]
    return {"images": images.astype("uint8"), "labels": labels, "probabilities": random.dirichlet([1, 1], 32)}


@pytest.fixture(scope="module")
def computed(given, tmp_path_factory):
    directory = tmp_path_factory.mktemp("jax")
    np.savez(directory / "given.npz", **given)
    result = subprocess.run([sys.executable, "-c", ON_JAX], cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return dict(np.load(directory / "computed.npz"))


def test_a_model_learns(computed):
    assert computed["losses"][-1] < 0.7 * computed["losses"][0]


def test_images_are_warped_as_on_tensorflow(given, computed):
    drawn = {name.removeprefix("drawn_"): values for name, values in computed.items() if name.startswith("drawn_")}
    expected = RandomAffine(channel_shift=20).transform_images(given["images"], drawn)
    np.testing.assert_allclose(computed["warped"], expected, atol=0.02)
    assert np.ptp(drawn["rotation"]) > 20


def test_statistics(given, computed):
    np.testing.assert_allclose(computed["standard"].mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(computed["standard"].std(axis=(0, 1, 2)), 1, atol=1e-3)


def test_logit_adjustment(given, computed):
    counts = {0: 30, 1: 10}
    np.testing.assert_allclose(computed["adjusted"], LogitAdjustment(counts)(given["probabilities"]), atol=1e-5)
    loss = LogitAdjustedCrossentropy(counts)(given["labels"], given["probabilities"])
    np.testing.assert_allclose(computed["loss"], loss, rtol=1e-4)


def test_every_layer_is_tried():
    assert {name for name in keras_ext.layers.__all__ if f"{name}(" not in ON_JAX} == NOT_ON_JAX


def test_augmentation(given, computed):
    np.testing.assert_array_equal(computed["untouched"], given["images"])
    changed = np.any(computed["augmented"] != given["images"], axis=(1, 2, 3))
    assert changed.mean() > 0.9


def test_counts_of_the_last_epoch(given, computed):
    np.testing.assert_array_equal(computed["matrix"].sum(axis=1), np.bincount(given["labels"]))


def test_focal_loss(given, computed):
    expected = ClassBalancedFocalCrossentropy({0: 30, 1: 10})(given["labels"], given["probabilities"])
    np.testing.assert_allclose(computed["focal"], expected, rtol=1e-4)


def test_a_saved_model_predicts_the_same(computed):
    np.testing.assert_allclose(computed["predicted_again"], computed["predicted"], atol=1e-6)
