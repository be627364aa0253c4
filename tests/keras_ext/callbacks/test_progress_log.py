import logging
import re

import keras
import numpy as np
import pytest

from keras_ext.callbacks import ProgressLog


@pytest.fixture
def lines(caplog):
    def fit(interval: float, **arguments) -> list[str]:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(loss="mse", metrics=["mae"])
        x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
        with caplog.at_level(logging.INFO, logger="keras_ext.progress"):
            model.fit(x, y, batch_size=2, verbose=0, callbacks=[ProgressLog(interval)], **arguments)
        return caplog.messages

    return fit


def test_one_line_for_each_epoch(lines):
    number = r"\d+\.\d{3}"
    first, second = lines(interval=60.0, epochs=2, validation_data=(np.ones((4, 2)), np.ones((4, 1))))
    assert re.fullmatch(f"epoch 1/2  loss {number}  mae {number}  val_loss {number}  val_mae {number}", first)
    assert second.startswith("epoch 2/2  loss ")


def test_lines_within_a_long_epoch(lines):
    messages = lines(interval=0.0, epochs=1)
    assert [message.split("  ")[1] for message in messages[:-1]] == ["step 1/4", "step 2/4", "step 3/4", "step 4/4"]
    assert messages[-1].startswith("epoch 1/1  loss ")
