import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ext.balanced_sampler import SAMPLINGS, BalancedSampler, epoch_weights, repeat_factors

LABELS = np.repeat([0, 1, 2], [40, 10, 3])

label_lists = st.lists(st.integers(1, 40), min_size=1, max_size=6).flatmap(
    lambda counts: st.permutations([index for index, count in enumerate(counts) for _ in range(count)])
)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_weights_of_an_epoch_are_the_shares_of_what_is_drawn(sampling):
    assert epoch_weights([400, 100]) == epoch_weights({0: 400, 1: 100}) == {0: 0.625, 1: 2.5}
    counts = [640, 40, 10]
    weights = [*epoch_weights(counts, sampling).values()]
    assert np.dot(weights, counts) == pytest.approx(sum(counts))
    sampler = BalancedSampler(np.repeat([0, 1, 2], counts), sampling, seed=0)
    drawn = np.bincount(sampler.labels[sampler.indices(epoch=0)]) / sampler.epoch_length
    np.testing.assert_allclose(np.multiply(weights, counts) / sum(counts), drawn, atol=0.01)


def test_repeat_factors():
    assert repeat_factors({0: 400, 1: 100}) == {0: 1.0, 1: 4.0}
    assert repeat_factors([400, 100], "square_root") == {0: 1.0, 1: 2.0}


def test_repeat_factor_is_the_formula_of_lvis():
    counts = [900, 90, 10]
    expected = [max(1, np.sqrt(0.2 / (count / 1000))) for count in counts]
    assert list(repeat_factors(counts, "repeat_factor", threshold=0.2).values()) == pytest.approx(expected)
    by_default = [max(1, np.sqrt(1 / 3 / (count / 1000))) for count in counts]
    assert list(repeat_factors(counts, "repeat_factor").values()) == pytest.approx(by_default)


@pytest.mark.parametrize(
    "counts, arguments, message",
    [
        ([], {}, "whole numbers from 1 on"),
        ([5, 0], {}, r"no class without images can come more often. Received: counts=\[5, 0\]"),
        ([5, 1.5], {}, "whole numbers from 1 on"),
        ({0: 5, 2: 1}, {}, "Name every class"),
        ([5, 5], {"sampling": "balance"}, "Did you mean 'balanced'"),
        ([5, 5], {"threshold": 0.1}, "goes with sampling='repeat_factor'"),
        ([5, 5], {"sampling": "repeat_factor", "threshold": 0}, r"a share in \(0, 1\]"),
        ([5, 5], {"sampling": "repeat_factor", "threshold": 2}, r"a share in \(0, 1\]"),
    ],
)
def test_bad_repeat_factors(counts, arguments, message):
    with pytest.raises(ValueError, match=message):
        repeat_factors(counts, **arguments)


def test_balanced_classes_come_equally_often():
    sampler = BalancedSampler(LABELS, seed=0)
    assert sampler.factors == {0: 1.0, 1: 4.0, 2: 40 / 3}
    assert sampler.epoch_length == 120
    assert np.bincount(LABELS[sampler.indices(0)]).tolist() == [40, 40, 40]
    assert sampler.steps_per_epoch(32) == 4


def test_square_root_comes_half_way():
    assert np.bincount(LABELS[BalancedSampler(LABELS, "square_root", seed=0).indices(0)]).tolist() == [40, 20, 11]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@given(labels=label_lists, seed=st.integers(-(2**70), 2**70), epoch=st.integers(0, 2**40))
@settings(max_examples=40)
def test_every_image_comes_and_those_of_a_class_as_often_or_once_more(sampling, labels, seed, epoch):
    sampler = BalancedSampler(labels, sampling, seed=seed)
    indices = sampler.indices(epoch)
    assert len(indices) == sampler.epoch_length
    copies = np.bincount(indices, minlength=len(labels))
    np.testing.assert_array_equal(copies, sampler.copies(epoch))
    assert copies.min() >= 1
    for index, factor in sampler.factors.items():
        of_class = copies[np.array(labels) == index]
        assert of_class.sum() == round(factor * len(of_class))
        assert np.ptp(of_class) <= 1


def test_order_is_a_function_of_seed_and_epoch():
    sampler = BalancedSampler(LABELS, seed=3)
    orders = [sampler.indices(epoch).tolist() for epoch in range(4)]
    assert [BalancedSampler(LABELS, seed=3).indices(epoch).tolist() for epoch in (3, 2, 1, 0)] == orders[::-1]
    assert len({tuple(order) for order in orders}) == 4
    assert BalancedSampler(LABELS, seed=4).indices(0).tolist() != orders[0]
    assert len({tuple(sampler.copies(epoch)) for epoch in range(8)}) == 3  # one more of the last class, any of three


def test_the_order_is_the_same_on_every_machine_and_version():
    # Training that goes on elsewhere, or after an update, would otherwise see other images.
    indices = BalancedSampler([0, 0, 0, 0, 1, 1, 1, 2], seed=7).indices(5)
    assert indices.tolist() == [7, 5, 6, 7, 2, 7, 1, 5, 7, 3, 4, 0]


def test_an_image_with_several_classes_comes_as_often_as_its_rarest():
    labels = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [0, 0]])
    sampler = BalancedSampler(labels, seed=0)
    assert sampler.factors == {0: 1.0, 1: 4.0}
    assert sampler.copies(0).tolist() == [1, 1, 1, 4, 1]
    assert sampler.epoch_length == 8


def test_one_hot_labels_are_drawn_as_indices_are():
    rows = np.eye(3)[LABELS]
    np.testing.assert_array_equal(BalancedSampler(rows, seed=1).indices(2), BalancedSampler(LABELS, seed=1).indices(2))


def test_factors_of_ones_own():
    sampler = BalancedSampler(LABELS, {0: 1, 1: 2.5, 2: 3}, seed=0)
    assert np.bincount(LABELS[sampler.indices(0)]).tolist() == [40, 25, 9]


@pytest.mark.parametrize(
    "labels, sampling, message",
    [
        ([], "balanced", "at least one label"),
        ([[0.5, 0.5]], "balanced", "MixUp"),
        ([0, 2], "balanced", "no class without images"),
        ([0, 1], "oversample", "sampling must be one of 'balanced', 'square_root', 'repeat_factor'"),
        ([0, 1], {0: 1.0, 1: 0.5}, "from 1 on, so that no image is left out"),
        ([0, 1], {0: 1.0, 1: float("nan")}, "from 1 on"),
        ([0, 1], {0: 1.0, 1: float("inf")}, "from 1 on"),
        ([0, 1], {0: 1.0}, "a factor for each class. Received: 1 factors, and class 1"),
        ([0, 1], {0: 1.0, 2: 1.0}, "Name every class"),
        ([[0, 1], [1, 0]], {0: 1.0}, "a factor for each class. Received: 1 factors"),
    ],
)
def test_bad_arguments(labels, sampling, message):
    with pytest.raises(ValueError, match=message):
        BalancedSampler(labels, sampling, seed=0)
