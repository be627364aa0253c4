import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from keras_ext.losses import LogitAdjustedCrossentropy

COUNTS = [70, 20, 10]
LABELS = np.array([2, 0, 1, 1])
LOGITS = np.random.default_rng(1).normal(0, 3, (4, 3)).astype(np.float32)


def formula(tau):
    """Equation 10 of Menon et al., written out."""
    exponents = np.exp(LOGITS + tau * np.log(np.array(COUNTS) / 100))
    return -np.log(exponents[np.arange(4), LABELS] / exponents.sum(axis=1))


def loss(**arguments):
    return LogitAdjustedCrossentropy(COUNTS, **{"reduction": None, **arguments})


@pytest.mark.parametrize("tau", [0, 0.5, 1, 2])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], np.eye(3, dtype=np.float32)[LABELS]])
def test_it_is_the_formula_of_menon_et_al(tau, labels):
    of_logits = loss(tau=tau, from_logits=True)(labels, LOGITS)
    np.testing.assert_allclose(of_logits, formula(tau), rtol=1e-5)
    of_probabilities = loss(tau=tau)(labels, softmax(LOGITS, axis=1))
    np.testing.assert_allclose(of_probabilities, formula(tau), rtol=1e-4)


def test_tau_one_is_the_balanced_softmax():
    weighted = np.array(COUNTS) * np.exp(LOGITS)
    expected = -np.log(weighted[np.arange(4), LABELS] / weighted.sum(axis=1))
    np.testing.assert_allclose(loss(from_logits=True)(LABELS, LOGITS), expected, rtol=1e-5)


def test_tau_zero_is_the_plain_crossentropy():
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, LOGITS)
    assert float(LogitAdjustedCrossentropy(COUNTS, tau=0, from_logits=True)(LABELS, LOGITS)) == pytest.approx(
        float(expected), rel=1e-5
    )


def test_mixed_labels():
    mixed = np.array([[0.3, 0.7, 0]] * 4, np.float32)
    log = log_softmax(LOGITS + np.log(np.array(COUNTS) / 100), axis=1)
    np.testing.assert_allclose(loss(from_logits=True)(mixed, LOGITS), -(mixed * log).sum(axis=1), rtol=1e-5)


def test_sample_weights():
    weights = np.array([0, 1, 2, 0.5])
    weighted = LogitAdjustedCrossentropy(COUNTS, from_logits=True)(LABELS, LOGITS, sample_weight=weights)
    assert float(weighted) == pytest.approx((weights * formula(1)).mean(), rel=1e-5)


@pytest.mark.parametrize("predictions", [[1.0, 0, 0], [0, 0, 1.0], [0, 0, 0]])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_zeros_give_finite_losses_and_gradients(predictions, dtype):
    with tf.GradientTape() as tape:
        variable = tf.Variable(np.array([predictions] * 4, dtype))
        value = LogitAdjustedCrossentropy(COUNTS)(LABELS, variable)
    assert np.isfinite(value)
    assert value.dtype == tf.float32
    assert np.isfinite(tf.cast(tape.gradient(value, variable), tf.float32)).all() or dtype == "float16"


def test_gradient_reaches_a_softmax_that_is_sure_and_wrong():
    with tf.GradientTape() as tape:
        logits = tf.Variable([[60.0, 0.0, 0.0]])
        value = loss()(np.array([2]), tf.nn.softmax(logits))
    np.testing.assert_allclose(tape.gradient(value, logits), [[1.0, 0.0, -1.0]], atol=1e-5)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_classes_shows(label):
    assert np.isnan(loss()(np.array([label]), softmax(LOGITS[:1], axis=1)))


def test_keras_file_keeps_it(tmp_path):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss=LogitAdjustedCrossentropy(dict(enumerate(COUNTS)), tau=0.5))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").loss
    assert again.get_config() == model.loss.get_config()
    assert again.get_config()["class_counts"] == COUNTS
    np.testing.assert_array_equal(again(LABELS, softmax(LOGITS)), model.loss(LABELS, softmax(LOGITS)))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_it_trains_towards_equal_classes(policy):
    keras.utils.set_random_seed(0)
    labels = np.repeat([0, 1], [95, 5])
    images = np.zeros((100, 1), np.float32)  # which tell nothing: the plain loss would learn the priors
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(2, activation="softmax", dtype=policy)(inputs)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(1.0), loss=LogitAdjustedCrossentropy([95, 5]))
    model.fit(tf.data.Dataset.from_tensors((images, labels)), epochs=200, verbose=0)
    np.testing.assert_allclose(model.predict(images[:1], verbose=0), [[0.5, 0.5]], atol=0.02)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"class_counts": [5, 0]}, "a prior of zero has no logarithm"),
        ({"class_counts": {0: 5, 2: 5}}, "Name every class"),
        ({"class_counts": [5, 5], "tau": -1}, "tau must be a number from 0 on. Received: tau=-1"),
        ({"class_counts": [5, 5], "tau": float("nan")}, "tau must be a number from 0 on"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogitAdjustedCrossentropy(**arguments)


def test_predictions_must_have_every_class():
    with pytest.raises(ValueError, match=r"one value for each of 3 classes.*shape=\(4, 2\)"):
        loss()(LABELS, LOGITS[:, :2])
