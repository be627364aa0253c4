import itertools
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from keras_ext import class_weights as module
from keras_ext.class_weights import (
    ABSENT,
    STRATEGIES,
    class_weights,
    logit_adjustments,
    pos_weights,
    sample_weights,
)

LONG_TAIL = [500, 387, 300, 232, 180, 139, 108, 83, 65, 50]

counts = st.lists(st.integers(1, 10**9), min_size=2, max_size=12)
parameters = st.one_of(
    st.sampled_from([{"strategy": "balanced"}, {"strategy": "effective_number"}, {"strategy": "median_frequency"}]),
    st.floats(0, 2).map(lambda power: {"strategy": "power", "power": power}),
    st.floats(0, 0.999999).map(lambda beta: {"strategy": "effective_number", "beta": beta}),
)
caps = st.one_of(st.none(), st.floats(1, 1000))


def listed(weights):
    assert list(weights) == list(range(len(weights)))
    return [weights[index] for index in weights]


# Equal to others


# The examples of scikit-learn's own documentation and tests.
@pytest.mark.parametrize("labels", [[1, 1, 1, 1, 0, 0], [2, 2, 2, 3, 3, 4], [0, 0, 0, 1, 1, 2], [5, 5, 7]])
def test_balanced_equals_scikit_learn(labels):
    classes, positions = np.unique(labels, return_inverse=True)
    expected = compute_class_weight("balanced", classes=classes, y=labels)
    weights = class_weights(module.count_labels(positions))
    np.testing.assert_allclose(listed(weights), expected, rtol=1e-12)
    np.testing.assert_allclose(
        sample_weights(positions, weights), compute_sample_weight("balanced", labels), rtol=1e-12
    )


@given(counts)
def test_balanced_equals_scikit_learn_on_any_counts(counts):
    few = [1 + count % 50 for count in counts]
    labels = np.repeat(np.arange(len(few)), few)
    expected = compute_class_weight("balanced", classes=np.arange(len(few)), y=labels)
    np.testing.assert_allclose(listed(class_weights(few)), expected, rtol=1e-12)


@pytest.mark.parametrize("beta", [0, 0.9, 0.99, 0.999, 0.9999])
def test_effective_number_is_the_formula_of_cui_et_al(beta):
    exact = Fraction(str(beta))
    inverse = [float((1 - exact) / (1 - exact**count)) for count in LONG_TAIL]
    expected = np.array(inverse) / sum(inverse) * len(LONG_TAIL)
    weights = class_weights(LONG_TAIL, "effective_number", beta=beta, normalize="sum")
    np.testing.assert_allclose(listed(weights), expected, rtol=1e-9)


def test_beta_is_chosen_so_that_growing_data_does_not_flatten_the_weights():
    small, large = (class_weights([count * times for count in LONG_TAIL], "effective_number") for times in (1, 10**6))
    np.testing.assert_allclose(listed(small), listed(large), rtol=0.005)
    assert listed(large)[9] / listed(large)[0] == pytest.approx(4.2, abs=0.1)
    fixed = listed(class_weights([count * 10**6 for count in LONG_TAIL], "effective_number", beta=0.999))
    np.testing.assert_allclose(fixed, 1)


def test_chosen_beta_is_that_of_the_mean_count():
    counts = [10, 20, 60]
    chosen = class_weights(counts, "effective_number")
    assert listed(chosen) == pytest.approx(listed(class_weights(counts, "effective_number", beta=29 / 30)))


def test_median_frequency_is_the_formula_of_eigen_and_fergus():
    assert class_weights([10, 20, 80], "median_frequency") == {0: 2.0, 1: 1.0, 2: 0.25}
    assert class_weights([10, 20, 40, 80], "median_frequency") == {0: 3.0, 1: 1.5, 2: 0.75, 3: 0.375}


def test_power():
    assert class_weights([90, 10], "power", power=1) == pytest.approx(class_weights([90, 10]))
    assert class_weights([90, 10], "power", power=0) == {0: 1.0, 1: 1.0}
    half = class_weights([90, 10], "power", power=0.5)
    assert half == {0: pytest.approx(10 / 12), 1: pytest.approx(30 / 12)}
    assert class_weights([90, 10], "power") == half


def test_a_high_power_does_not_overflow():
    assert class_weights([10**9, 1], "power", power=40) == {0: 0.0, 1: pytest.approx(10**9 + 1)}


# Laws


@given(counts, parameters, caps, st.sampled_from([None, "mean", "sum"]))
def test_weights_are_positive_and_the_rarer_class_never_weighs_less(counts, parameters, cap, normalize):
    weights = listed(class_weights(counts, **parameters, max_ratio=cap, normalize=normalize))
    assert min(weights) > 0
    by_count = [weight for _, weight in sorted(zip(counts, weights, strict=True), key=lambda pair: -pair[0])]
    assert all(rarer >= weight * (1 - 1e-9) for weight, rarer in itertools.pairwise(by_count))


@given(counts, parameters, caps)
def test_mean_weight_of_an_image_is_one(counts, parameters, cap):
    weights = class_weights(counts, **parameters, max_ratio=cap, normalize="mean")
    total = sum(count * weight for count, weight in zip(counts, listed(weights), strict=True))
    assert total == pytest.approx(sum(counts))


@given(counts, parameters, caps)
def test_weights_sum_to_the_number_of_classes(counts, parameters, cap):
    weights = class_weights(counts, **parameters, max_ratio=cap, normalize="sum")
    assert sum(listed(weights)) == pytest.approx(len(counts))


@given(counts.flatmap(lambda counts: st.tuples(st.just(counts), st.permutations(range(len(counts))))), parameters, caps)
def test_permuting_classes_permutes_weights(counts_and_order, parameters, cap):
    counts, order = counts_and_order
    weights = listed(class_weights(counts, **parameters, max_ratio=cap))
    permuted = listed(class_weights([counts[index] for index in order], **parameters, max_ratio=cap))
    assert permuted == pytest.approx([weights[index] for index in order])


@given(counts, st.integers(1, 1000), st.sampled_from(["balanced", "power", "median_frequency"]))
def test_scaling_counts_leaves_the_weights(counts, factor, strategy):
    scaled = class_weights([count * factor for count in counts], strategy)
    assert listed(scaled) == pytest.approx(listed(class_weights(counts, strategy)))


@given(counts, parameters, st.floats(1, 50), st.sampled_from([None, "mean", "sum"]))
def test_cap(counts, parameters, cap, normalize):
    free = listed(class_weights(counts, **parameters, normalize=normalize))
    capped = listed(class_weights(counts, **parameters, normalize=normalize, max_ratio=cap))
    assert max(capped) / min(capped) == pytest.approx(min(cap, max(free) / min(free)))


# Classes without images


@pytest.mark.parametrize("absent, weight", [("zero", 0.0), ("one", 1.0), ("largest", 2.0)])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_absent_classes_weigh_what_the_rule_says_and_change_nothing_else(strategy, absent, weight):
    present = class_weights([30, 10], strategy)
    weights = class_weights([0, 30, 10, 0], strategy, absent=absent)
    largest = present[1] if absent == "largest" else weight
    assert listed(weights) == pytest.approx([largest, present[0], present[1], largest])


def test_absent_classes_are_an_error_by_default():
    with pytest.raises(ValueError, match="none of class 1, 3. Leave out.*absent='zero', 'one' or 'largest'"):
        class_weights([5, 0, 7, 0])


# Bad input


@pytest.mark.parametrize(
    "counts, arguments, message",
    [
        ([], {}, "at least 2 classes"),
        ({}, {}, "counts must have a value for each class index"),
        ([5], {}, r"at least 2 classes. Received: counts=\[5\]"),
        ([0, 0], {"absent": "one"}, "at least one image"),
        ([5, -1], {}, "whole numbers from 0 on. Received: -1 for class 1"),
        ([5, 1.5], {}, "whole numbers from 0 on. Received: 1.5 for class 1"),
        ([5, float("nan")], {}, "whole numbers from 0 on. Received: nan for class 1"),
        ([5, True], {}, "whole numbers from 0 on. Received: True for class 1"),
        ([5, "7"], {}, "whole numbers from 0 on. Received: '7' for class 1"),
        ({0: 5, 2: 5}, {}, "counts must have a value for each class index.*Name every class"),
        ({"cat": 5, "dog": 5}, {}, "counts must have a value for each class index"),
        ([5, 5], {"strategy": "balancd"}, "Did you mean 'balanced'"),
        ([5, 5], {"normalize": "max"}, "normalize must be one of 'mean', 'sum'"),
        ([5, 5], {"absent": "none"}, "absent must be one of"),
        ([5, 5], {"power": 0.5}, "goes with strategy='power'. Received: power=0.5, strategy='balanced'"),
        ([5, 5], {"power": 1}, "goes with strategy='power'. Received: power=1, strategy='balanced'"),
        ([5, 5], {"strategy": "power", "power": -1}, "power must be a number from 0 on"),
        ([5, 5], {"strategy": "power", "power": float("nan")}, "power must be a number from 0 on"),
        ([5, 5], {"beta": 0.9}, "goes with strategy='effective_number'"),
        ([5, 5], {"strategy": "effective_number", "beta": 1}, r"beta must be a number in \[0, 1\)"),
        ([5, 5], {"max_ratio": 0.5}, "max_ratio must be a number from 1 on"),
    ],
)
def test_bad_arguments(counts, arguments, message):
    with pytest.raises(ValueError, match=message):
        class_weights(counts, **arguments)


def test_counts_may_be_numpy_integers_and_in_any_order():
    assert class_weights({1: np.int64(10), 0: np.int32(30)}) == class_weights(np.array([30, 10]))


def test_every_absent_rule_and_strategy_is_named():
    assert ABSENT == ("error", "zero", "one", "largest")
    assert STRATEGIES == ("balanced", "power", "effective_number", "median_frequency")


# Sample weights, weights of positives, logit adjustments


@pytest.mark.parametrize("labels", [[1, 0, 2], np.eye(3)[[1, 0, 2]], ["b", "a", "c"]], ids=["int", "one-hot", "str"])
def test_sample_weights(labels):
    weights = sample_weights(labels, {2: 3.0, 0: 0.5, 1: 1.0}, class_names=["a", "b", "c"])
    assert weights.tolist() == [1.0, 0.5, 3.0]
    assert weights.dtype == np.float64


def test_an_image_with_several_classes_has_their_mean_weight():
    assert sample_weights([[1, 1], [0, 1], [0, 0]], {0: 2.0, 1: 5.0}).tolist() == [3.5, 5.0, 1.0]


@given(counts, parameters)
def test_sample_weights_of_all_images_sum_to_their_number(counts, parameters):
    few = [1 + count % 50 for count in counts]
    labels = np.repeat(np.arange(len(few)), few)
    assert sample_weights(labels, class_weights(few, **parameters, normalize="mean")).sum() == pytest.approx(sum(few))


@pytest.mark.parametrize(
    "labels, weights, message",
    [
        ([0, 2], {0: 1.0, 1: 1.0}, "below the number of classes, 2. Received: 2"),
        ([0, 1], {0: 1.0, 2: 1.0}, "Name every class"),
        ([[0.4, 0.6]], {0: 1.0, 1: 1.0}, "MixUp"),
        ([], {0: 1.0, 1: 1.0}, "at least one label"),
    ],
)
def test_bad_sample_weights(labels, weights, message):
    with pytest.raises(ValueError, match=message):
        sample_weights(labels, weights)


def test_pos_weights_make_positives_weigh_as_much_as_negatives():
    labels = np.array([[1, 0], [1, 1], [1, 0], [0, 0]])
    weights = pos_weights(module.count_labels(labels), total=len(labels))
    assert weights == {0: 1 / 3, 1: 3.0}
    for index, weight in weights.items():
        assert labels[:, index].sum() * weight == pytest.approx((1 - labels[:, index]).sum())


@pytest.mark.parametrize("counts", [[0, 5], [10, 5], [11, 5]])
def test_pos_weights_of_a_class_in_none_or_all_of_the_images(counts):
    with pytest.raises(ValueError, match=rf"Received: {counts[0]} of class 0. Leave these classes out"):
        pos_weights(counts, total=10)


@given(st.one_of(counts, st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=9)))
def test_logit_adjustments_are_the_logarithms_of_shares(counts):
    shares = np.array(counts) / sum(counts)
    np.testing.assert_allclose(logit_adjustments(counts), np.log(shares), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(
        logit_adjustments(dict(enumerate(counts)), 0.5), np.log(shares) / 2, rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize("counts", [[], [3], [3, 0], [3, -1], [3, float("nan")], [3, float("inf")], [3, "4"]])
def test_bad_counts_of_logit_adjustments(counts):
    with pytest.raises(ValueError, match="positive numbers, one for each of at least two classes"):
        logit_adjustments(counts)


def test_it_loads_neither_tensorflow_nor_keras():
    code = "import sys, keras_ext.class_weights as c, keras_ext.balanced_sampler; c.class_weights([1, 2])"
    code += "; print({'tensorflow', 'keras', 'pandas'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
