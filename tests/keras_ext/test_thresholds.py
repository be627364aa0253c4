"""Rules are checked before a run, and what breaks them is said in a sentence."""

import numpy as np
import pytest

from keras_ext.evaluation_result import EvaluationResult, Figure, Predictions, evaluate_predictions
from keras_ext.thresholds import Thresholds


def result(**changes):
    given = {
        "images": 200,
        "units": 200,
        "figures": {
            "accuracy": Figure(0.41, 0.34, 0.48),
            "macro_recall": Figure(0.4, 0.33, 0.47),
            "macro_auc": Figure(np.nan),
            "top_k_accuracy": Figure(np.nan),
            "log_loss": Figure(1.5, 1.4, 1.6),
            "calibration_error": Figure(0.2),
        },
        "classes": {"cat": {"images": 5, "recall": 0.2}, "dog": {"images": 195, "recall": 0.6}},
        "slices": {"camera": {"night": {"images": 3, "accuracy": 0.3333}, "day": {"images": 197, "accuracy": 0.9}}},
        "chance": 0.5,
        "top_k": None,
    }
    return EvaluationResult(**{**given, **changes})


@pytest.mark.parametrize(
    "overall, failure",
    [
        ({"accuracy": 0.5}, "accuracy 0.4100 is below its threshold 0.5 by 0.0900"),
        ({"log_loss": 1.2}, "log_loss 1.5000 is above its threshold 1.2 by 0.3000"),
        ({"calibration_error": 0.15}, "calibration_error 0.2000 is above its threshold 0.15 by 0.0500"),
        (
            {"macro_auc": 0.1},
            "macro_auc has no value, so its threshold cannot hold: there are only images of one class",
        ),
        (
            {"top_k_accuracy": 0.1},
            "top_k_accuracy has no value, so its threshold cannot hold: "
            "there are 5 classes or fewer, and top_k is not set",
        ),
    ],
)
def test_overall(overall, failure):
    assert Thresholds(overall).failures(result()) == [failure]


def test_what_is_just_reached_holds():
    assert Thresholds({"accuracy": 0.41, "log_loss": 1.5}).failures(result()) == []


@pytest.mark.parametrize(
    "slices, failures",
    [
        ({"class": {"recall": 0.3}}, ["recall of class=cat (5 images) 0.2000 is below its threshold 0.3 by 0.1000"]),
        ({"class=dog": {"recall": 0.3}}, []),
        (
            {"camera": {"accuracy": 0.5}},
            ["accuracy of camera=night (3 images) 0.3333 is below its threshold 0.5 by 0.1667"],
        ),
        ({"camera=day": {"accuracy": 0.5}}, []),
        (
            {"camera=dusk": {"accuracy": 0.5}},
            ["no image of camera=dusk was scored, so its thresholds cannot hold; found: night, day"],
        ),
    ],
)
def test_slices(slices, failures):
    assert Thresholds({}, slices, columns=["camera"]).failures(result()) == failures


def test_a_column_with_an_equals_sign():
    found = result(slices={"a=b": {"c": {"images": 1, "accuracy": 0.1}}, "a": {"x": {"images": 1, "accuracy": 1.0}}})
    [failure] = Thresholds({}, {"a=b=c": {"accuracy": 0.5}}, columns=["a", "a=b"]).failures(found)
    assert failure.startswith("accuracy of a=b=c (1 images)")


def test_worse_than_the_last_blessed_model():
    worse = result(change={"accuracy": Figure(-0.05, -0.08, -0.02)})
    assert Thresholds({}, tolerance=0.01).failures(worse) == [
        "accuracy is 0.0500 [0.0200, 0.0800] lower than the last blessed model's; the tolerance is 0.01"
    ]
    # Worse by just the tolerance: a float's last digit does not decide.
    just = result(change={"accuracy": Figure(0.97 - 0.99, -0.08, -0.02)})
    assert Thresholds({}, tolerance=0.02).failures(just) == []


class TestChance:
    def failures(self, labels, taken, classes=2):
        predictions = Predictions(np.array(labels), np.eye(classes)[np.array(taken)])
        return Thresholds().failures(evaluate_predictions(predictions, list("abcdefgh")[:classes]))

    @pytest.mark.parametrize("common", [10, 95, 500])
    def test_naming_the_most_common_class_is_not_better(self, common):
        [failure] = self.failures([0] * common + [1] * 5, [0] * (common + 5))
        assert failure.startswith("macro recall 0.5000 [")
        assert "not certainly better than chance, 0.5 for 2 classes" in failure

    def test_nor_is_it_where_classes_are_too_small_to_be_in_every_resample(self):
        assert self.failures([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7], [0] * 11, classes=8)

    def test_a_model_that_knows_both_classes_is(self):
        labels = [0] * 95 + [1] * 15
        assert self.failures(labels, labels) == []
        # It finds the rare class, and is less accurate than naming the common one.
        taken = [0] * 80 + [1] * 15 + [1] * 15
        assert self.failures(labels, taken) == []

    def test_three_right_images_say_nothing(self):
        assert self.failures([0, 1, 0], [0, 1, 0])

    def test_images_of_one_class_say_nothing(self):
        assert self.failures([0] * 50, [0] * 50) == ["only images of one class were scored, which any model can name"]


def test_probabilities_that_are_not_finite_break_every_rule_at_once():
    [failure] = Thresholds({}).failures(result(not_finite=("a.png", "b\n.png")))
    assert failure.startswith("probabilities of 2 of 200 images are not finite, such as a.png, b\\n.png:")


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"overall": {"acuracy": 0.5}}, r"Received: thresholds='acuracy'. Did you mean 'accuracy'\?"),
        ({"overall": {"recall": 0.5}}, r"thresholds must be one of .*Did you mean 'macro_recall'"),
        ({"overall": {"accuracy": 50}}, r"thresholds.accuracy must be in \[0, 1\]. Received: 50"),
        ({"overall": {"log_loss": -1}}, r"thresholds.log_loss must be at least 0"),
        ({"overall": {"log_loss": float("nan")}}, r"thresholds.log_loss must be at least 0"),
        ({"slices": {"class": {"accuracy": 0.5}}}, r"slice_thresholds.class must be one of 'precision', 'recall'"),
        ({"slices": {"clas=cat": {"recall": 0.5}}}, r"slice_thresholds must be one of 'class'.*Did you mean 'class'\?"),
        (
            {"slices": {"camrea": {"accuracy": 0.5}}, "columns": ["camera"]},
            r"one of 'class', 'camera'. Received: slice_thresholds='camrea'. Did you mean 'camera'\?",
        ),
        ({"slices": {"camera": {"recall": 0.5}}, "columns": ["camera"]}, r"slice_thresholds.camera must be one of"),
    ],
)
def test_a_wrong_rule_is_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        Thresholds(**arguments)
