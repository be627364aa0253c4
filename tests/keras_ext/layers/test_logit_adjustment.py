import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from keras_ext.layers import LogitAdjustment

COUNTS = [70, 20, 10]
LOGITS = np.random.default_rng(3).normal(0, 2, (5, 3)).astype(np.float32)
PRIORS = np.array(COUNTS) / 100


@pytest.mark.parametrize("tau", [0, 0.5, 1])
def test_it_is_the_formula_of_menon_et_al(tau):
    adjusted = LOGITS - tau * np.log(PRIORS)
    of_logits = LogitAdjustment(COUNTS, tau, from_logits=True)(LOGITS)
    np.testing.assert_allclose(of_logits, adjusted, rtol=1e-5, atol=1e-6)
    of_probabilities = LogitAdjustment(COUNTS, tau)(softmax(LOGITS, axis=1))
    np.testing.assert_allclose(of_probabilities, softmax(adjusted, axis=1), rtol=1e-5, atol=1e-6)


def test_predictions_that_are_the_priors_become_equal():
    np.testing.assert_allclose(LogitAdjustment(COUNTS)(PRIORS[None]), np.full((1, 3), 1 / 3), rtol=1e-6)


def test_zeros_stay_finite_and_unlikely():
    np.testing.assert_allclose(LogitAdjustment(COUNTS)(np.array([[1.0, 0, 0]])), [[1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(LogitAdjustment(COUNTS)(np.array([[0.0, 1, 0]], np.float16)), [[0, 1, 0]], atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"class_counts": [5]}, "at least two classes"),
        ({"class_counts": [5, 0]}, "positive numbers"),
        ({"class_counts": [5, 5], "tau": -0.1}, "tau must be a number from 0 on"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogitAdjustment(**arguments)


def test_predictions_must_have_every_class():
    with pytest.raises(ValueError, match=r"one value for each of 3 classes.*\(5, 2\)"):
        LogitAdjustment(COUNTS)(LOGITS[:, :2])
    with pytest.raises(ValueError, match="one value for each of 3 classes"):
        LogitAdjustment(COUNTS)(keras.Input((2,)))


def test_an_impossible_class_has_a_gradient():
    predictions = tf.Variable([[1.0, 0.0]])
    with tf.GradientTape() as tape:
        adjusted = LogitAdjustment({0: 3, 1: 1})(predictions)[0, 0]
    np.testing.assert_allclose(adjusted, 1.0)
    assert np.isfinite(tape.gradient(adjusted, predictions)).all()
