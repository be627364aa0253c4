"""Precision, recall and F1 are scikit-learn's."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support

from keras_ext.class_figures import class_figures

# No image is of class 2, nothing is taken for class 4.
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 3, 3, 4, 4, 5])
TAKEN = np.array([0, 0, 1, 2, 1, 1, 0, 3, 0, 0, 2, 5])


def of(labels, taken, classes, weights=None):
    return class_figures(confusion_matrix(labels, taken, labels=range(classes), sample_weight=weights))


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, len(LABELS))])
def test_they_equal_scikit_learns(weights):
    figures = of(LABELS, TAKEN, 6, weights)
    present = [0, 1, 3, 4, 5]
    options = {"labels": present, "zero_division": 0, "sample_weight": weights}
    precision, recall, f1, _ = precision_recall_fscore_support(LABELS, TAKEN, **options)
    np.testing.assert_allclose(figures.precision[present], precision)
    np.testing.assert_allclose(figures.recall[present], recall)
    np.testing.assert_allclose(figures.f1[present], f1)
    macro = precision_recall_fscore_support(LABELS, TAKEN, average="macro", **options)
    np.testing.assert_allclose((figures.macro_precision, figures.macro_recall, figures.macro_f1), macro[:3])
    assert figures.accuracy == pytest.approx(accuracy_score(LABELS, TAKEN, sample_weight=weights))


def test_macro_recall_is_balanced_accuracy():
    labels, taken = LABELS[TAKEN != 2], TAKEN[TAKEN != 2]  # scikit-learn warns of predictions that are no label
    assert of(labels, taken, 6).macro_recall == pytest.approx(balanced_accuracy_score(labels, taken))


def test_a_class_without_images_has_no_figures_and_one_never_taken_has_precision_zero():
    figures = of(LABELS, TAKEN, 6)
    assert np.isnan([figures.precision[2], figures.recall[2], figures.f1[2]]).all()
    assert (figures.precision[4], figures.recall[4], figures.f1[4]) == (0, 0, 0)
    assert figures.support.tolist() == [4, 3, 0, 2, 2, 1]


@pytest.mark.parametrize("matrix", [[[1, 2, 3]], [[1, -1], [0, 1]], [[0, 0], [0, 0]], [[1, np.nan], [0, 1]]])
def test_what_is_no_confusion_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match=r"matrix must be counts \(classes, classes\)"):
        class_figures(matrix)


def test_table_starts_with_the_lowest_recall():
    table = of(LABELS, TAKEN, 6).table(["a", "b", "c", "d", "e", "long name"])
    assert table.splitlines() == [
        "           precision  recall      f1    images",
        "e             0.0000  0.0000  0.0000         2",
        "a             0.4000  0.5000  0.4444         4",
        "d             1.0000  0.5000  0.6667         2",
        "b             0.6667  0.6667  0.6667         3",
        "long name     1.0000  1.0000  1.0000         1",
        "macro         0.6133  0.5333  0.5556        12",
        "without images: 1 (c)",
    ]


def test_table_of_many_classes_says_how_many_more():
    lines = class_figures(np.eye(100) * 1234567).table(rows=3).splitlines()
    assert len(lines) == 6
    assert lines[1].startswith("0 ")
    assert lines[4] == "... and 97 more"
    assert lines[5].endswith(" 1.0000  1.23457e+08")


def test_it_needs_numpy_alone():
    code = "import sys, keras_ext.class_figures; print({'keras', 'tensorflow', 'matplotlib'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
