"""The figures are scikit-learn's, and what cannot be is NaN."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    precision_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from keras_ext.classification_figures import FIGURES, JudgedImages, calibration_error, classification_figures


def predictions(images=300, classes=7, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=images)
    scores = np.exp(generator.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels])
    return labels, scores / scores.sum(axis=1, keepdims=True)


def test_they_equal_scikit_learns():
    labels, probabilities = predictions()
    figures = classification_figures(labels, probabilities)
    taken = probabilities.argmax(axis=1)
    expected = {
        "accuracy": accuracy_score(labels, taken),
        "top_k_accuracy": top_k_accuracy_score(labels, probabilities, k=5),
        "macro_precision": precision_score(labels, taken, average="macro"),
        "macro_recall": balanced_accuracy_score(labels, taken),
        "macro_f1": f1_score(labels, taken, average="macro"),
        "macro_auc": roc_auc_score(labels, probabilities, multi_class="ovr"),
        "log_loss": log_loss(labels, probabilities),
    }
    assert tuple(sorted(figures)) == tuple(sorted(FIGURES))
    assert {name: figures[name] for name in expected} == pytest.approx(expected)


def test_weights_are_scikit_learns():
    labels, probabilities = predictions()
    weights = np.random.default_rng(1).integers(0, 4, size=len(labels)).astype(float)
    taken = probabilities.argmax(axis=1)
    figures = JudgedImages.of(labels, probabilities, top_k=2).figures(weights)
    assert figures["accuracy"] == pytest.approx(accuracy_score(labels, taken, sample_weight=weights))
    assert figures["macro_f1"] == pytest.approx(f1_score(labels, taken, average="macro", sample_weight=weights))
    assert figures["log_loss"] == pytest.approx(log_loss(labels, probabilities, sample_weight=weights))
    assert figures["top_k_accuracy"] == pytest.approx(
        top_k_accuracy_score(labels, probabilities, k=2, sample_weight=weights)
    )


@pytest.mark.parametrize("classes, k", [(5, None), (6, 5)])
def test_top_k_is_top_5_of_more_than_five_classes(classes, k):
    assert JudgedImages.of(*predictions(classes=classes)).top_k == k
    assert np.isnan(classification_figures(*predictions(classes=classes))["top_k_accuracy"]) == (k is None)


@pytest.mark.parametrize("top_k", [0, 3, 4])
def test_top_k_must_be_below_the_number_of_classes(top_k):
    with pytest.raises(ValueError, match=f"below the number of classes, 3. Received: {top_k}"):
        classification_figures([0, 1, 2], np.eye(3), top_k=top_k)


def test_of_equal_probabilities_the_first_counts():
    figures = classification_figures([0, 1], np.full((2, 3), 1 / 3), top_k=2)
    assert (figures["accuracy"], figures["top_k_accuracy"]) == (0.5, 1.0)


def test_auc_counts_ties_half_and_leaves_absent_classes_out():
    labels, probabilities = predictions(classes=4)
    labels, probabilities = labels[labels != 2], np.round(probabilities, 1)[labels != 2]
    aucs = JudgedImages.of(labels, probabilities).aucs()
    expected = {index: roc_auc_score(labels == index, probabilities[:, index]) for index in (0, 1, 3)}
    assert aucs == pytest.approx(expected)
    assert classification_figures(labels, probabilities)["macro_auc"] == pytest.approx(np.mean(list(expected.values())))


def test_auc_of_one_class_is_nan():
    assert np.isnan(classification_figures([1, 1], [[0.1, 0.9], [0.6, 0.4]])["macro_auc"])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_nothing_is_said_of_probabilities_that_are_not_finite(wrong):
    figures = classification_figures([0, 1], [[wrong, 0.1], [0.2, 0.8]])
    assert list(map(np.isnan, figures.values())) == [True] * len(FIGURES)


def test_a_probability_of_zero_is_a_finite_loss():
    assert classification_figures([0], [[0.0, 1.0]])["log_loss"] == pytest.approx(-np.log(1e-7))


class TestCalibrationError:
    def test_by_hand(self):
        # 15 bins: 0.9 falls into (13/15, 14/15], of which half are right; 0.6 into (8/15, 9/15], all right.
        probabilities = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
        assert calibration_error([0, 1, 0, 0], probabilities) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)

    def test_bins_are_fifteen(self):
        # 0.61 and 0.69 share the seventh of ten bins, and none of fifteen.
        assert calibration_error([0, 1], [[0.61, 0.39], [0.69, 0.31]]) == pytest.approx((0.39 + 0.69) / 2)

    def test_certain_and_right_is_calibrated(self):
        assert calibration_error([0, 1], np.eye(2)) == 0

    @given(st.integers(0, 1000))
    def test_one_bin_is_the_distance_of_the_means(self, seed):
        labels, probabilities = predictions(images=50, seed=seed)
        expected = abs(np.mean(probabilities.argmax(axis=1) == labels) - probabilities.max(axis=1).mean())
        assert calibration_error(labels, probabilities, bins=1) == pytest.approx(expected)


@pytest.mark.parametrize(
    "labels, probabilities, match",
    [
        ([], np.zeros((0, 2)), "of one image at least"),
        ([0, 1], [[0.5, 0.5]], r"shapes \(2,\) and \(1, 2\)"),
        ([2], [[0.5, 0.5]], "integers from 0 to 1. Received: int64 from 2 to 2"),
        ([-1], [[0.5, 0.5]], "integers from 0 to 1"),
        ([0.5], [[0.5, 0.5]], "Received: float64"),
    ],
)
def test_what_does_not_fit_is_refused(labels, probabilities, match):
    with pytest.raises(ValueError, match=match):
        classification_figures(labels, probabilities)


def test_they_need_numpy_alone():
    code = "import sys, keras_ext.thresholds; print({'keras', 'tensorflow', 'pandas', 'scipy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
