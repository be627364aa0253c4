import re

import pytest

from keras_ext.choices import check_choice


def test_returns_a_known_choice():
    assert check_choice("color_mode", "rgb", ("grayscale", "rgb")) == "rgb"


@pytest.mark.parametrize("value, nearest", [("RGB", "rgb"), ("greyscale", "grayscale"), ("rbg", "rgb")])
def test_error_names_the_choices_and_the_nearest(value, nearest):
    message = f"color_mode must be one of 'grayscale', 'rgb'. Received: color_mode='{value}'. Did you mean '{nearest}'?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_choice("color_mode", value, ("grayscale", "rgb"))


def test_error_without_anything_near():
    with pytest.raises(ValueError, match=r"Received: color_mode='zzzzzz'\.$"):
        check_choice("color_mode", "zzzzzz", ("grayscale", "rgb"))
