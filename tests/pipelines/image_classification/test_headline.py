"""The last lines of a run."""

import math

import pytest

from keras_ext.evaluation_result import EvaluationResult, Figure
from keras_ext.thresholds import Thresholds
from pipelines.image_classification.headline import further_lines, headline, why_not_blessed
from tfx_components.evaluator import Judgement

FIGURES = {
    "accuracy": Figure(0.4575, 0.431, 0.4844),
    "top_k_accuracy": Figure(0.9, 0.88, 0.92),
    "macro_recall": Figure(0.44, 0.41, 0.47),
    "macro_f1": Figure(0.43, 0.4, 0.46),
    "macro_auc": Figure(0.8),
    "log_loss": Figure(1.5, 1.4, 1.6),
    "calibration_error": Figure(0.05),
}
CAMERAS = {
    "day": {"images": 1000, "accuracy": 0.6},
    "night": {"images": 4, "accuracy": 0.25},
    "dusk": {"images": 200, "accuracy": 0.5},
    "dawn": {"images": 30, "accuracy": 0.3},
}


@pytest.fixture
def judgement():
    def make(failures=(), **changes):
        given = {
            "images": 1234,
            "units": 1234,
            "figures": FIGURES,
            "classes": {},
            "slices": {"camera": CAMERAS},
            "chance": 0.1,
            "top_k": 5,
        }
        return Judgement("test", EvaluationResult(**{**given, **changes}), tuple(failures))

    return make


def test_headline(judgement):
    assert headline(judgement()) == (
        "Accuracy on test 0.4575 [0.431, 0.484], macro recall 0.4400 [0.410, 0.470] (1,234 images)"
    )
    assert headline(judgement(units=40)).endswith("(1,234 images of 40 groups)")


def test_other_figures_change_and_worst_slices(judgement):
    change = {"accuracy": Figure(0.0123, -0.003, 0.028), "macro_recall": Figure(-0.01, -0.02, 0.0)}
    assert list(further_lines(judgement(change=change))) == [
        "top-5 accuracy 0.9000 [0.880, 0.920], macro F1 0.4300 [0.400, 0.460], macro AUC 0.8000, "
        "log loss 1.5000 [1.400, 1.600], calibration error 0.0500",
        "against the last blessed model: accuracy +0.0123 [-0.003, +0.028], macro recall -0.0100",
        # Of four images one is right: that may be chance.
        "Worst slices: camera=dawn accuracy 0.3000 (30 images), camera=dusk accuracy 0.5000 (200 images), "
        "camera=day accuracy 0.6000 (1,000 images)",
    ]


def test_names_stay_on_one_line(judgement):
    [_, line] = further_lines(judgement(slices={"a\n": {"b\n": {"images": 1, "accuracy": 0.0}}}))
    assert line == "Worst slices: a\\n=b\\n accuracy 0.0000 (1 images)"


def test_what_has_no_value_is_not_shown(judgement):
    figures = {name: Figure(math.nan) for name in FIGURES}
    assert headline(judgement(figures=figures)) == "Accuracy on test nan, macro recall nan (1,234 images)"
    assert list(further_lines(judgement(figures=figures, slices={}))) == []


def test_many_failures_are_counted(judgement):
    assert why_not_blessed(judgement(["a", "b"])) == "a; b"
    assert why_not_blessed(judgement(map(str, range(2000)))) == "0; 1; 2; 3; 4; and 1,995 more, see evaluation.json"


def test_a_threshold_is_shown_where_none_is_set(judgement):
    result = judgement(figures={"macro_recall": Figure(0.4, 0.05, 0.6)}).result
    said = why_not_blessed(judgement(Thresholds().failures(result)))
    assert said.endswith("or set thresholds (such as `--set evaluation.min_accuracy=0.5`)")
