"""examples/model_fit, as its README says."""

import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_ext.layers
import keras_ext.metrics  # noqa: F401

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_learns_the_rare_digits_too(digits, run, tmp_path):
    printed = run(sys.executable, EXAMPLES / "model_fit" / "train.py", digits)
    weights = dict(re.findall(r"'(\d)': ([\d.]+)", printed))
    assert (weights["3"], weights["8"]) == ("7.4", "7.4")
    assert float(re.search(r"^macro +[\d.]+ +([\d.]+)", printed, re.MULTILINE)[1]) > 0.9
    model = keras.models.load_model(tmp_path / "digits.keras")  # with classes of the two rooms imported above
    images = np.stack([np.asarray(Image.open(digits / str(digit) / "000.png")) for digit in range(10)])
    right = model.predict(images[..., np.newaxis], verbose=0).argmax(axis=-1) == np.arange(10)
    assert right.mean() >= 0.8
