import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax

from keras_ext.losses import ClassBalancedFocalCrossentropy

COUNTS = [70, 20, 10]
LABELS = np.array([2, 0, 1, 1])
LOGITS = np.random.default_rng(2).normal(0, 2, (4, 3)).astype(np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def weights(beta):
    """(1 - beta) / (1 - beta^n) of Cui et al., scaled to sum to the number of classes, of each image."""
    inverse = np.array([(1 - beta) / (1 - beta**count) for count in COUNTS])
    return (inverse * 3 / inverse.sum())[LABELS]


def softmax_formula(beta, gamma):
    p = softmax(LOGITS.astype(np.float64), axis=1)[np.arange(4), LABELS]
    return weights(beta) * (1 - p) ** gamma * -np.log(p)


def sigmoid_formula(beta, gamma):
    """Section 4.3 of Cui et al.: z_i^t is z_i for the true class, and -z_i for the others."""
    p = expit(np.where(ONE_HOT == 1, LOGITS, -LOGITS).astype(np.float64))
    return weights(beta) * -((1 - p) ** gamma * np.log(p)).sum(axis=1)


def loss(**arguments):
    return ClassBalancedFocalCrossentropy(COUNTS, **{"reduction": None, **arguments})


@pytest.mark.parametrize("beta, gamma", [(0.9, 2.0), (0.999, 0.5), (0.99, 0.0)])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], ONE_HOT])
@pytest.mark.parametrize(
    "activation, formula, activate",
    [("softmax", softmax_formula, lambda logits: softmax(logits, axis=1)), ("sigmoid", sigmoid_formula, expit)],
)
def test_it_is_the_formula_of_the_papers(beta, gamma, labels, activation, formula, activate):
    arguments = {"beta": beta, "gamma": gamma, "activation": activation}
    of_logits = loss(**arguments, from_logits=True)(labels, LOGITS)
    np.testing.assert_allclose(of_logits, formula(beta, gamma), rtol=1e-4)
    np.testing.assert_allclose(loss(**arguments)(labels, activate(LOGITS)), formula(beta, gamma), rtol=1e-4)


def test_beta_is_chosen_from_the_counts():
    np.testing.assert_allclose(loss(from_logits=True)(LABELS, LOGITS), softmax_formula(1 - 3 / 100, 2), rtol=1e-4)


def test_without_weights_it_is_that_of_keras():
    expected = keras.losses.CategoricalFocalCrossentropy(alpha=1, gamma=2, reduction=None)
    probabilities = softmax(LOGITS, axis=1)
    np.testing.assert_allclose(loss(beta=0)(ONE_HOT, probabilities), expected(ONE_HOT, probabilities), rtol=1e-4)


def test_sample_weights():
    of_images = np.array([0, 1, 2, 0.5])
    weighted = ClassBalancedFocalCrossentropy(COUNTS, beta=0.9, from_logits=True)(LABELS, LOGITS, of_images)
    assert float(weighted) == pytest.approx((of_images * softmax_formula(0.9, 2)).mean(), rel=1e-4)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("predictions", [[1.0, 0, 0], [0, 0, 1.0]])
def test_zeros_and_ones_give_finite_losses_and_gradients(activation, gamma, predictions):
    with tf.GradientTape() as tape:
        variable = tf.Variable(np.array([predictions] * 4, np.float32))
        value = ClassBalancedFocalCrossentropy(COUNTS, gamma=gamma, activation=activation)(LABELS, variable)
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, variable)).all()


@pytest.mark.parametrize("from_logits", [False, True])
def test_keras_file_keeps_it(tmp_path, from_logits):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    arguments = {"gamma": 1.5, "beta": 0.9, "activation": "sigmoid", "from_logits": from_logits}
    model.compile("sgd", loss=ClassBalancedFocalCrossentropy(dict(enumerate(COUNTS)), **arguments))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").loss
    assert again.get_config() == model.loss.get_config()
    np.testing.assert_array_equal(again(LABELS, softmax(LOGITS)), model.loss(LABELS, softmax(LOGITS)))


def test_mixed_precision():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", dtype="mixed_float16")(inputs))
    model.compile("adam", loss=ClassBalancedFocalCrossentropy(COUNTS))
    history = model.fit(LOGITS, LABELS, epochs=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"class_counts": [5, 0]}, "none of class 1"),
        ({"class_counts": [5, 1.5]}, "whole numbers"),
        ({"class_counts": [5, 5], "gamma": -1}, "gamma must be a number from 0 on"),
        ({"class_counts": [5, 5], "beta": 1}, "beta must be"),
        ({"class_counts": [5, 5], "activation": "softmx"}, "Did you mean 'softmax'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassBalancedFocalCrossentropy(**arguments)
