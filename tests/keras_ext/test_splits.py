import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.splits import SplitPlan, check_ratios, planned_splits, split_of

_NAMES = ("train", "eval", "test")
_SHARES = st.just(0.0) | st.floats(1e-6, 1e6)  # no subnormal numbers, which scaling would turn into 0
_RATIOS = st.dictionaries(st.sampled_from(_NAMES), _SHARES, min_size=1).filter(lambda ratios: sum(ratios.values()) > 0)
_KEYS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]


def test_ratios_are_scaled_and_zeros_dropped():
    assert check_ratios({"train": 3, "eval": 0, "test": 1}) == {"train": 0.75, "test": 0.25}


@pytest.mark.parametrize(
    "ratios",
    [{}, {"train": 0}, {"train": 0, "test": 0.0}, {"train": -1, "test": 2}, {"train": math.nan}, {"train": math.inf}],
)
def test_ratios_that_do_not_sum_to_a_positive_number_are_refused(ratios):
    with pytest.raises(ValueError, match="split ratios must be non-negative numbers that sum to a positive number"):
        check_ratios(ratios)


@given(key=st.text() | st.binary(), ratios=_RATIOS)
def test_key_goes_to_a_split_with_a_positive_ratio_and_always_to_the_same(key, ratios):
    split = split_of(key, ratios)
    assert ratios[split] > 0
    assert split_of(key, dict(ratios)) == split


@given(ratios=_RATIOS, factor=st.floats(1e-3, 1e3))
def test_only_proportions_matter(ratios, factor):
    scaled = {name: ratio * factor for name, ratio in ratios.items()}
    moved = [key for key in _KEYS[:200] if split_of(key, ratios) != split_of(key, scaled)]
    assert not moved


def test_shares_are_those_of_the_ratios():
    ratios = {"train": 0.8, "eval": 0.15, "test": 0.05}
    splits = [split_of(key, ratios) for key in _KEYS]
    for name, ratio in ratios.items():
        # Five standard deviations of a binomial distribution.
        tolerance = 5 * math.sqrt(len(_KEYS) * ratio * (1 - ratio))
        assert abs(splits.count(name) - len(_KEYS) * ratio) < tolerance


def test_split_is_the_same_on_every_machine_and_version():
    # If this fails, every data set out there is divided anew: do not change the expectation, repair the hash.
    ratios = {"train": 0.5, "eval": 0.25, "test": 0.25}
    splits = [split_of(str(number), ratios) for number in range(16)]
    assert splits[:8] == ["train", "train", "test", "train", "train", "test", "test", "train"]
    assert splits[8:] == ["train", "train", "train", "train", "train", "train", "eval", "test"]


@pytest.mark.parametrize(
    "given_splits, ratios, expected",
    [
        ((), {"train": 8, "eval": 1, "test": 1}, ("train", "eval", "test")),
        ((), {"test": 1, "eval": 0, "train": 9}, ("train", "test")),
        (("train",), {"train": 8, "eval": 1, "test": 1}, ("train", "eval")),
        (("train", "test"), {"train": 8, "eval": 1, "test": 1}, ("train", "eval", "test")),
        (("train", "eval"), {"train": 8, "eval": 1, "test": 1}, ("train", "eval")),
        (("train", "test"), {"train": 8, "test": 1}, ("train", "test")),
    ],
)
def test_planned_splits(given_splits, ratios, expected):
    assert planned_splits(given_splits, ratios) == expected


@given(key=st.binary(), given_splits=st.sampled_from([(), ("train",), ("train", "test"), ("train", "eval", "test")]))
def test_plan_uses_planned_splits_only_and_leaves_given_splits_alone(key, given_splits):
    ratios = {"train": 8, "eval": 1, "test": 1}
    plan = SplitPlan(given_splits, ratios)
    for split in given_splits or (None,):
        assert plan.split_of(key, split) in planned_splits(given_splits, ratios)
    assert plan.split_of(key, "test") == "test"
    assert plan.split_of(key, "eval") == "eval"


def test_eval_is_carved_from_train_in_the_proportion_of_their_ratios():
    plan = SplitPlan(("train", "test"), {"train": 3, "eval": 1, "test": 4})
    splits = [plan.split_of(key, "train") for key in _KEYS]
    assert set(splits) == {"train", "eval"}
    assert abs(splits.count("eval") / len(splits) - 0.25) < 0.02


def test_given_train_stays_whole_where_eval_is_given():
    plan = SplitPlan(("train", "eval"), {"train": 1, "eval": 9})
    assert {plan.split_of(key, "train") for key in _KEYS[:100]} == {"train"}


@pytest.mark.parametrize("ratios", [{"train": 0, "test": 1}, {"test": 1}, {"train": 1, "holdout": 1}])
def test_plan_refuses_other_names_and_an_empty_train_split(ratios):
    with pytest.raises(ValueError, match="names among train, eval, test, and 'train' a positive share"):
        SplitPlan((), ratios)
