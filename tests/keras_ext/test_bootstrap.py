"""Intervals: as wide as theory says, wider for groups, the same every time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.bootstrap import bootstrap_intervals, unit_numbers, wilson_interval


def accuracy(hits):
    return lambda times: {"accuracy": np.average(hits, weights=times)}


def test_it_is_as_wide_as_the_binomial_distribution_says():
    hits = np.arange(1000) < 700
    low, high = bootstrap_intervals(accuracy(hits), 1000)["accuracy"]
    error = 1.96 * np.sqrt(0.7 * 0.3 / 1000)
    assert low == pytest.approx(0.7 - error, abs=0.004)
    assert high == pytest.approx(0.7 + error, abs=0.004)


def test_images_of_a_group_come_together_so_that_ten_copies_say_no_more():
    hits = np.arange(100) < 70
    single = bootstrap_intervals(accuracy(hits), 100)["accuracy"]
    groups = np.repeat(np.arange(100), 10).tolist()
    copies = bootstrap_intervals(accuracy(np.repeat(hits, 10)), 1000, groups=groups)["accuracy"]
    assert copies == pytest.approx(single)
    low, high = bootstrap_intervals(accuracy(np.repeat(hits, 10)), 1000)["accuracy"]
    assert high - low < 0.5 * (copies[1] - copies[0])


def test_the_same_seed_gives_the_same_and_another_one_another():
    hits = np.arange(50) < 20
    first, again, other = (bootstrap_intervals(accuracy(hits), 50, samples=50, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_more_confidence_is_wider():
    hits = np.arange(50) < 20
    narrow, wide = (bootstrap_intervals(accuracy(hits), 50, confidence=share)["accuracy"] for share in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_nan_in_some_resamples_has_no_part_and_in_all_is_nan():
    present = np.array([1.0, 0.0, 0.0])
    figures = lambda times: {"one": 5.0 if (times * present).sum() else np.nan, "none": np.nan}  # noqa: E731
    intervals = bootstrap_intervals(figures, 3, samples=100)
    assert intervals["one"] == (5.0, 5.0)
    assert np.isnan(intervals["none"]).all()


def test_an_image_without_a_group_is_one_of_its_own():
    assert unit_numbers(["a", "", "a", None, ""], 5).tolist() == [0, 1, 0, 2, 3]
    assert unit_numbers(["1", 1, 1], 3).tolist() == [0, 1, 1]


@pytest.mark.parametrize("images, groups", [(0, None), (2, ["a"])])
def test_what_does_not_fit_is_refused(images, groups):
    with pytest.raises(ValueError, match=f"Received: {images} images"):
        bootstrap_intervals(lambda times: {}, images, groups)


class TestWilson:
    def test_published(self):
        # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        published = {
            (81, 263): (0.2553, 0.3662),
            (15, 148): (0.0624, 0.1605),
            (0, 20): (0.0, 0.1611),
            (1, 29): (0.0061, 0.1718),
        }
        for (hits, trials), interval in published.items():
            assert wilson_interval(hits / trials, trials) == pytest.approx(interval, abs=5e-5)

    @given(st.floats(0, 1), st.floats(0.5, 1e6))
    def test_it_holds_the_share_and_stays_a_share(self, share, trials):
        low, high = wilson_interval(share, trials)
        assert 0 <= low <= share + 1e-9
        assert share - 1e-9 <= high <= 1
