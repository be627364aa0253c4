"""What predictions come to."""

import numpy as np
import pytest

from keras_ext.prediction_summary import PredictionSummary
from keras_ext.prediction_table import Prediction

CLASSES = ["cat", "dog"]


def prediction(label, true_label=None):
    return Prediction.of("x.png", np.array([label == name for name in CLASSES], np.float32), CLASSES, true_label)


def test_only_labels_of_the_model_are_scored():
    summary = PredictionSummary(CLASSES)
    some = [
        *[prediction("cat", "cat")] * 3,
        *[prediction("cat", "dog")] * 1,
        *[prediction("dog", "dog")] * 1,
        *[prediction("dog", "bird")] * 2,
        *[prediction("dog")] * 4,
        Prediction("y.png", true_label="dog", error="empty file"),
    ]
    assert list(summary.counted(some)) == some
    assert (summary.found, summary.unreadable, summary.scored, summary.unlabelled) == (12, 1, 5, 4)
    assert summary.predicted == {"cat": 4, "dog": 7}
    assert summary.unknown == {"bird": 2}
    assert summary.errors == {"empty file": 1}
    assert summary.figures.accuracy == pytest.approx(4 / 5)
    np.testing.assert_allclose(summary.figures.recall, [1, 0.5])


def test_no_figures_where_nothing_is_known():
    summary = PredictionSummary(CLASSES)
    summary.add(prediction("cat", "bird"))
    assert summary.figures is None
