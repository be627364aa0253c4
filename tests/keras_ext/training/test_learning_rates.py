import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.training import WarmUp, fit, learning_rate_schedule


def rates(name, steps=100, warmup_steps=20):
    schedule = learning_rate_schedule(name, 0.4, steps=steps, warmup_steps=warmup_steps)
    return np.array([float(schedule(step)) for step in range(steps + 1)])


@pytest.mark.parametrize("name", ["constant", "cosine", "exponential", "step"])
def test_the_rate_rises_in_a_straight_line_and_then_falls(name):
    values = rates(name)
    np.testing.assert_allclose(values[:20], 0.4 * np.arange(1, 21) / 20, rtol=1e-6)
    assert values[20] == pytest.approx(0.4)
    assert np.all(np.diff(values[20:]) <= 0)


def test_where_it_ends():
    np.testing.assert_allclose(rates("constant")[20:], 0.4)
    cosine, exponential, step = rates("cosine"), rates("exponential"), rates("step")
    np.testing.assert_allclose([cosine[60], cosine[100]], [0.2, 0], atol=1e-7)
    np.testing.assert_allclose([exponential[60], exponential[100]], [0.04, 0.004], rtol=1e-5)
    # A boundary is the last step of the rate before.
    np.testing.assert_allclose(step[[60, 61, 80, 81, 100]], [0.4, 0.04, 0.04, 0.004, 0.004], rtol=1e-6)


def test_without_warmup_a_constant_is_a_number_and_others_begin_at_the_top():
    assert learning_rate_schedule("constant", 0.4, steps=10) == 0.4
    assert float(learning_rate_schedule("cosine", 0.4, steps=10)(0)) == pytest.approx(0.4)


def test_errors():
    with pytest.raises(ValueError, match=r"name must be one of .* Received: name='cosin'. Did you mean 'cosine'\?"):
        learning_rate_schedule("cosin", 0.1, steps=10)
    with pytest.raises(ValueError, match=r"less than steps. Received: warmup_steps=10, steps=10. Train for more"):
        learning_rate_schedule("cosine", 0.1, steps=10, warmup_steps=10)


def test_it_is_saved_with_its_optimizer():
    schedule = WarmUp(keras.optimizers.schedules.CosineDecay(0.4, 80), steps=20)
    optimizer = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(keras.optimizers.Adam(schedule))
    )
    again = optimizer.get_config()["learning_rate"]
    again = keras.saving.deserialize_keras_object(again) if isinstance(again, dict) else again
    assert [float(again(step)) for step in (0, 10, 50)] == [float(schedule(step)) for step in (0, 10, 50)]


def test_fit_trains_at_the_rate_of_each_step():
    """Plain gradient descent on a constant gradient: the weight has moved by the sum of the rates."""
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros")(inputs)
    model = keras.Model(inputs, outputs)
    data = tf.data.Dataset.from_tensor_slices((np.ones((6, 1)), np.zeros(6, np.int64))).batch(2)
    schedule = learning_rate_schedule("step", 0.1, steps=6, warmup_steps=2)

    class First(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred[:, 0]

    history = fit(
        model, data, data, epochs=2, learning_rate=schedule, optimizer="sgd", loss=First(), patience=None, verbose=0
    )
    rates_of_steps = [float(schedule(step)) for step in range(6)]
    momentum = moved = 0.0
    for rate in rates_of_steps:
        momentum = 0.9 * momentum - rate
        moved += momentum
    assert model.get_weights()[0][0, 0] == pytest.approx(moved, rel=1e-5)
    assert len(history.epoch) == 2
