import hashlib
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.splits import SplitPlan, check_ratios, planned_splits, split_of, stratified_splits

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


_TENTHS = {"train": 0.8, "eval": 0.1, "test": 0.1}


def counted(labels, splits):
    return Counter(zip(labels, splits, strict=True))


class TestStratified:
    @given(
        counts=st.lists(st.integers(1, 60), min_size=1, max_size=6),
        ratios=_RATIOS,
    )
    def test_every_class_is_exact_to_less_than_one_image(self, counts, ratios):
        labels = [label for label, count in enumerate(counts) for _ in range(count)]
        found = counted(labels, stratified_splits(labels, [str(number) for number in range(len(labels))], ratios))
        for label, count in enumerate(counts):
            for name, share in check_ratios(ratios).items():
                assert abs(found[label, name] - count * share) < 1

    @given(
        records=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=80),
        ratios=_RATIOS,
        seed=st.integers(),
    )
    def test_keys_stay_together_in_any_order_of_records(self, records, ratios, seed):
        labels, keys = [label for label, _ in records], [f"key {key}" for _, key in records]
        splits = stratified_splits(labels, keys, ratios)
        assert len(set(zip(keys, splits, strict=True))) == len(set(keys))
        order = random.Random(seed).sample(range(len(records)), len(records))
        shuffled = stratified_splits([labels[at] for at in order], [keys[at] for at in order], ratios)
        assert shuffled == [splits[at] for at in order]

    @given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30), ratios=_RATIOS)
    def test_duplicates_cost_less_than_the_largest_unit(self, sizes, ratios):
        keys = [str(key) for key, size in enumerate(sizes) for _ in range(size)]
        found = Counter(stratified_splits(["a"] * len(keys), keys, ratios))
        for name, share in check_ratios(ratios).items():
            assert abs(found[name] - len(keys) * share) < max(sizes)

    def test_shares_that_divide_without_rest_are_exact(self):
        labels = [label for label in "abc" for _ in range(30)]
        found = counted(labels, stratified_splits(labels, [str(number) for number in range(90)], _TENTHS))
        assert found == {
            (label, name): count for label in "abc" for name, count in zip(_TENTHS, (24, 3, 3), strict=True)
        }

    def test_many_small_classes_fill_the_small_splits_too(self):
        labels = [str(number % 200) for number in range(600)]
        splits = stratified_splits(labels, [str(number) for number in range(600)], _TENTHS)
        assert Counter(splits) == {"train": 480, "eval": 60, "test": 60}

    def test_every_class_reaches_the_first_split(self):
        labels = [str(number % 50) for number in range(100)]
        splits = stratified_splits(labels, [str(number) for number in range(100)], {"train": 0.2, "test": 0.8})
        assert len({label for label, split in zip(labels, splits, strict=True) if split == "train"}) == 50

    def test_key_of_two_classes_counts_for_the_more_frequent(self):
        labels = ["b", "a", "b", *"a" * 8, *"b" * 8]
        keys = ["both", "both", "both", *(str(number) for number in range(16))]
        found = counted(labels, stratified_splits(labels, keys, {"train": 1, "test": 1}))
        assert abs(found["b", "train"] + found["a", "train"] - len(labels) / 2) <= 1
        assert found["a", "test"] == 4

    def test_lengths_must_agree(self):
        with pytest.raises(ValueError, match="the same length. Received: 2 labels, 1 keys"):
            stratified_splits(["a", "b"], ["1"], _TENTHS)


class TestStrategies:
    RECORDS = st.lists(
        st.tuples(
            st.integers(0, 3),  # class
            st.integers(0, 40),  # content
            st.none() | st.integers(0, 9),  # group
        ),
        min_size=1,
        max_size=60,
    )

    @staticmethod
    def split(strategy, records, given=None):
        """Divides records (class, content, group) as the component does."""
        plan = SplitPlan(tuple(given) if given else (), {"train": 6, "eval": 2, "test": 2}, strategy)
        digests = [hashlib.sha256(str(content).encode()).hexdigest() for _, content, _ in records]
        groups = [None if group is None else f"patient {group}" for _, _, group in records]
        if strategy == "stratified":
            return plan.stratified([label for label, _, _ in records], digests, [None] * len(records), groups)
        return [plan.split_of(digest, None, group) for digest, group in zip(digests, groups, strict=True)]

    @given(records=RECORDS, strategy=st.sampled_from(["hash", "stratified"]))
    def test_no_content_in_two_splits(self, records, strategy):
        splits = self.split(strategy, records)
        assert len({(content, split) for (_, content, _), split in zip(records, splits, strict=True)}) == len(
            {content for _, content, _ in records}
        )

    @given(records=RECORDS, strategy=st.sampled_from(["group", "stratified"]))
    def test_no_group_in_two_splits(self, records, strategy):
        placed = {
            (group, split)
            for (_, _, group), split in zip(records, self.split(strategy, records), strict=True)
            if group is not None
        }
        assert len(placed) == len({group for _, _, group in records if group is not None})

    @given(records=RECORDS, more=RECORDS, strategy=st.sampled_from(["hash", "group"]))
    def test_more_records_move_no_other(self, records, more, strategy):
        assert self.split(strategy, [*records, *more])[: len(records)] == self.split(strategy, records)

    @given(records=RECORDS, strategy=st.sampled_from(["hash", "group", "stratified"]), seed=st.integers())
    def test_order_does_not_matter(self, records, strategy, seed):
        order = random.Random(seed).sample(range(len(records)), len(records))
        splits = self.split(strategy, records)
        assert self.split(strategy, [records[at] for at in order]) == [splits[at] for at in order]

    def test_groups_have_the_ratios(self):
        splits = self.split("group", [(0, content, content) for content in range(20_000)])
        assert abs(splits.count("train") / 20_000 - 0.6) < 0.02

    def test_group_does_not_matter_where_content_decides(self):
        assert self.split("hash", [(0, 1, 1)] * 2 + [(0, 1, 2)]) == self.split("hash", [(0, 1, None)] * 3)

    def test_image_without_a_group_is_divided_by_content(self):
        records = [(0, content, None) for content in range(50)]
        assert self.split("group", records) == self.split("hash", records)

    def test_shared_content_joins_groups_in_exact_shares(self):
        records = [(0, 1, 1), (0, 1, 2), (0, 2, 2), (0, 3, 3), (0, 4, 4), (0, 5, 5)]
        splits = self.split("stratified", records)
        assert len(set(splits[:3])) == 1

    def test_exact_shares_within_given_train(self):
        plan = SplitPlan(("train", "test"), {"train": 8, "eval": 2, "test": 5}, "stratified")
        given = ["train"] * 50 + ["test"] * 10
        splits = plan.stratified(["a"] * 60, [str(number) for number in range(60)], given, [None] * 60)
        assert splits[50:] == ["test"] * 10
        assert Counter(splits[:50]) == {"train": 40, "eval": 10}
        assert plan.names == ("train", "eval", "test")

    def test_train_gets_an_image_of_every_class_whatever_the_order_of_ratios(self):
        plan = SplitPlan((), {"test": 6, "eval": 3, "train": 1}, "stratified")
        splits = plan.stratified(["a", "b"], ["1", "2"], [None] * 2, [None] * 2)
        assert splits == ["train", "train"]

    def test_given_splits_are_left_alone(self):
        plan = SplitPlan(("train", "test"), {"train": 8, "eval": 2}, "given")
        assert plan.names == ("train", "test")
        assert {plan.split_of(key, split) for key in _KEYS[:50] for split in ("train",)} == {"train"}
        assert plan.split_of(_KEYS[0], "test") == "test"

    def test_given_splits_must_be_there(self):
        with pytest.raises(ValueError, match="split='given' needs an input that gives splits"):
            SplitPlan((), {"train": 1}, "given")

    def test_strategy_is_checked(self):
        with pytest.raises(ValueError, match="Did you mean 'stratified'"):
            SplitPlan((), {"train": 1}, "stratify")
