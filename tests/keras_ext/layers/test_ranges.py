import re

import numpy as np
import pytest

from keras_ext.layers.ranges import factor_range, symmetric_range, two_numbers


def test_one_number_means_that_much_to_both_sides():
    assert symmetric_range("rotation", 20) == (-20.0, 20.0)
    assert symmetric_range("rotation", np.float32(0.5)) == (-0.5, 0.5)
    assert symmetric_range("rotation", 0) == (0.0, 0.0)
    assert factor_range("zoom", 0.25) == (0.75, 1.25)


def test_two_numbers_are_the_ends():
    assert symmetric_range("rotation", [-5, -2]) == (-5.0, -2.0)
    assert factor_range("zoom", (0.5, 3)) == (0.5, 3.0)
    assert two_numbers("brightness", (0.0, 0.0), lowest=0.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    "check, value, message",
    [
        (
            symmetric_range,
            (3, 1),
            "r must be a number of at least 0 or two numbers (low, high). Received: r=(3, 1). Pass (1, 3).",
        ),
        (symmetric_range, -1, "Received: r=-1"),
        (symmetric_range, (1, 2, 3), "Received: r=(1, 2, 3)"),
        (symmetric_range, (1,), "Received: r=(1,)"),
        (symmetric_range, "20", "Received: r='20'"),
        (symmetric_range, True, "Received: r=True"),
        (symmetric_range, float("nan"), "Received: r=nan"),
        (symmetric_range, (0, float("inf")), "Received: r=(0, inf)"),
        (symmetric_range, None, "Received: r=None"),
        (factor_range, -0.2, "r must be a number in [0, 1) or two positive numbers (low, high). Received: r=-0.2."),
        (factor_range, 1.0, "Received: r=1.0"),
        (factor_range, (1.2, 0.8), "Received: r=(1.2, 0.8). Pass (0.8, 1.2)."),
        (factor_range, (0.0, 1.0), "Received: r=(0.0, 1.0)."),
        (two_numbers, 0.5, "r must be two numbers (low, high), low <= high. Received: r=0.5."),
        (two_numbers, (2, 1), "Pass (1, 2)."),
    ],
)
def test_everything_else_is_refused(check, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check("r", value)


def test_limits():
    assert symmetric_range("shear", 89.9, limit=90.0) == (-89.9, 89.9)
    with pytest.raises(ValueError, match=re.escape("within (-90, 90). Received: shear=90")):
        symmetric_range("shear", 90, limit=90.0)
    with pytest.raises(ValueError, match="two numbers of at least 0"):
        two_numbers("brightness", (-0.1, 1), lowest=0.0)
    with pytest.raises(ValueError, match="low < high"):
        two_numbers("value_range", (1, 1), distinct=True)
