import logging
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.callbacks import ProgressLog
from keras_ext.callbacks.training_progress import figures

NUMBER = r"\d+\.\d{3}"
SPEED = r"[\d,]+ images/s"
LEFT = r"\d+:\d\d:\d\d left"


class Clock:
    """Time that passes with each batch alone."""

    now = 100.0


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile(loss="mse", metrics=["mae"])
    return made


@pytest.fixture
def lines(model, caplog):
    def fit(interval: float, *callbacks, data=None, **arguments) -> list[str]:
        data = data or (np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
        batches = {"x": data[0], "y": data[1], "batch_size": 2} if isinstance(data, tuple) else {"x": data}
        with caplog.at_level(logging.INFO, logger="keras_ext.progress"):
            model.fit(**batches, verbose=0, callbacks=[*callbacks, ProgressLog(interval)], **arguments)
        return caplog.messages

    return fit


@pytest.fixture
def clock(monkeypatch):
    """A batch of training takes 1 s, one of validation 3 s, and building the graph 10 s."""
    monkeypatch.setattr("keras_ext.callbacks.training_progress.time.monotonic", lambda: Clock.now)

    class Pass(keras.callbacks.Callback):
        built = False

        def on_train_batch_begin(self, batch, logs=None):
            Clock.now += 1.0 if self.built else 10.0
            self.built = True

        def on_test_batch_begin(self, batch, logs=None):
            Clock.now += 3.0

    return Pass()


def test_one_line_for_each_epoch(lines):
    first, second = lines(60.0, epochs=2, validation_data=(np.ones((4, 2)), np.ones((4, 1))))
    numbers = f"loss {NUMBER}  mae {NUMBER}  val_loss {NUMBER}  val_mae {NUMBER}"
    assert re.fullmatch(f"epoch 1/2  ({LEFT}  )?{SPEED}  {numbers}", first)
    assert re.fullmatch(f"epoch 2/2  {SPEED}  {numbers}", second)


def test_lines_within_a_long_epoch(lines, clock):
    messages = lines(0.0, clock, epochs=1)
    assert [message.split("  ")[1] for message in messages[:-1]] == ["step 1/4", "step 2/4", "step 3/4", "step 4/4"]
    assert messages[-1].startswith("epoch 1/1  2 images/s  loss ")


def test_speed_is_that_of_training_and_time_left_counts_validation(lines, clock):
    # 10 s and three batches of 1 s, then validation of 6 s: 19 s, and 10 s from the second epoch on.
    messages = lines(0.0, clock, epochs=3, validation_data=(np.ones((4, 2)), np.ones((4, 1))), validation_batch_size=2)
    shown = [message.split("  loss")[0].split("  val_loss")[0] for message in messages]
    assert shown[:6] == [
        "epoch 1/3  step 1/4",  # nothing to go by
        "epoch 1/3  step 2/4  0:00:10 left  2 images/s",  # ten batches more, as far as is known
        "epoch 1/3  step 3/4  0:00:09 left  2 images/s",
        "epoch 1/3  step 4/4  0:00:08 left  2 images/s",
        "epoch 1/3  validation  0:00:08 left  2 images/s",
        "epoch 1/3  0:00:38 left  2 images/s",
    ]
    assert shown[6:8] == ["epoch 2/3  step 1/4  0:00:33 left", "epoch 2/3  step 2/4  0:00:28 left  2 images/s"]
    assert shown[-1] == "epoch 3/3  2 images/s"


def test_a_training_that_goes_on_has_that_much_less_left(lines, clock):
    clock.built = True
    messages = lines(60.0, clock, epochs=10, initial_epoch=7)
    assert [message.split("  loss")[0] for message in messages] == [
        "epoch 8/10  0:00:08 left  2 images/s",
        "epoch 9/10  0:00:04 left  2 images/s",
        "epoch 10/10  2 images/s",
    ]


def test_unknown_number_of_steps(lines, clock):
    data = tf.data.Dataset.from_tensors((tf.ones((2, 2)), tf.ones((2, 1)))).repeat(3).filter(lambda *_: True)
    messages = lines(0.0, clock, data=data, epochs=2)
    assert messages[1].startswith("epoch 1/2  step 2  2 images/s  loss ")
    # Keras asks for a fourth batch, and learns that there is none.
    assert messages[3].startswith("epoch 1/2  0:00:13 left  2 images/s  loss ")
    assert messages[5].startswith("epoch 2/2  step 2/3  0:00:04 left  2 images/s  loss ")


def test_evaluation_by_itself_shows_nothing(model, caplog):
    log = ProgressLog(0.0)
    with caplog.at_level(logging.INFO, logger="keras_ext.progress"):
        model.evaluate(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[log])
    assert not caplog.messages


def test_figures_in_order():
    logs = {"val_mae": 0.5, "mae": 0.25, "val_loss": 12345.678, "loss": np.float32(1), "images_per_second": 9.0}
    assert figures(logs) == ["loss 1.000", "mae 0.250", "val_loss 12,346", "val_mae 0.500"]
