import numpy as np
import pytest

from keras_ext.generators.random_transform import RandomTransform, draw_number, from_familiar, to_familiar

KEYS = np.arange(4000)
IMAGES = np.broadcast_to(np.uint8(0), (4000, 10, 20, 1))


def drawn(**shifts):
    layer = RandomTransform(seed=0, **shifts)
    return {name: np.asarray(value) for name, value in layer.get_random_transformation(IMAGES, keys=KEYS).items()}


def test_an_integer_shift_draws_whole_pixels_of_either_sign():
    values, counts = np.unique(drawn(width_shift=3)["width_shift"], return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    # Keras draws 0 to 2, and then a sign.
    np.testing.assert_allclose(counts / 4000, [1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6], atol=0.02)


def test_a_list_draws_its_values():
    assert np.unique(drawn(height_shift=[3, 5])["height_shift"]).tolist() == [-5, -3, 3, 5]


def test_a_list_of_fractions_counts_in_sides():
    both = drawn(height_shift=[0.1, 0.5], width_shift=(0.5,))
    np.testing.assert_allclose(np.unique(both["height_shift"]), [-5, -1, 1, 5])
    np.testing.assert_allclose(np.unique(both["width_shift"]), [-10, 10])


def test_a_float_shift_is_a_range():
    assert len(np.unique(drawn(width_shift=0.2)["width_shift"])) > 3000
    np.testing.assert_allclose(np.abs(drawn(width_shift=0.2)["width_shift"]).max(), 4, rtol=0.01)
    np.testing.assert_allclose(np.abs(drawn(width_shift=3.0)["width_shift"]).max(), 3, rtol=0.01)


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, True),
        ({"width_shift": 1}, False),
        ({"rotation": 1}, False),
        ({"horizontal_flip": True}, False),
        ({"zoom": (2.0, 2.0)}, False),
        ({"brightness": (1.0, 1.0), "channel_shift": 0.0}, True),
        ({"brightness": (0.5, 0.5)}, False),
    ],
)
def test_what_changes_nothing_is_known(settings, expected):
    assert RandomTransform(seed=0, **settings).is_identity == expected


def test_familiar_names_and_back():
    layer = RandomTransform(seed=0, rotation=20, height_shift=0.2, brightness=(0.5, 1.5), horizontal_flip=True)
    one = {name: value[:1] for name, value in layer.get_random_transformation(IMAGES[:1], keys=[3]).items()}
    familiar = to_familiar(one)
    assert familiar["theta"] == pytest.approx(float(one["rotation"][0]))
    assert familiar["tx"] == pytest.approx(float(one["height_shift"][0]))
    assert (familiar["ty"], familiar["zx"], familiar["channel_shift_intensity"]) == (0, 1, None)
    assert isinstance(familiar["flip_horizontal"], bool)
    back = from_familiar(familiar)
    assert set(back) == set(one)
    for name, value in one.items():
        np.testing.assert_allclose(back[name], value)


def test_an_unknown_parameter():
    with pytest.raises(ValueError, match="Did you mean 'theta'"):
        from_familiar({"teta": 3})


def test_draw_numbers_differ_and_stay():
    numbers = {draw_number(*parts) for parts in [(0, 1), (1, 0), (0, 1, 0), (-1, 0), (2**62, 0)]}
    assert len(numbers) == 5
    assert all(0 <= number < 2**63 for number in numbers)
    assert draw_number(0, 1) == draw_number(0, 1)
