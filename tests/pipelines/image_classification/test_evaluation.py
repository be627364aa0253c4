"""A threshold that failed is said in one sentence, with the figure and the setting."""

import pytest
from tensorflow_model_analysis.proto import validation_result_pb2

from pipelines.image_classification.config import Evaluation
from pipelines.image_classification.evaluation import evaluation_config, failure_sentence


def test_below_the_least_accuracy():
    failure = validation_result_pb2.ValidationFailure()
    failure.metric_value.double_value.value = 0.41
    failure.metric_threshold.value_threshold.lower_bound.value = 0.5
    assert failure_sentence(failure) == "accuracy 0.4100 is below evaluation.min_accuracy 0.5 by 0.0900"


def test_worse_than_the_last_blessed_model():
    failure = validation_result_pb2.ValidationFailure()
    failure.metric_key.is_diff = True
    failure.metric_value.double_value.value = -0.05
    failure.metric_threshold.change_threshold.absolute.value = -0.01
    assert failure_sentence(failure) == (
        "accuracy is 0.0500 lower than the last blessed model's; evaluation.tolerance allows 0.01 (0.0400 too much)"
    )


def test_thresholds_hold_for_the_whole_split_and_not_for_each_class():
    config = evaluation_config(Evaluation(min_accuracy=0.7, tolerance=0.02))
    [accuracy] = [metric for metric in config.metrics_specs[0].metrics if metric.per_slice_thresholds]
    assert not accuracy.HasField("threshold")
    [per_slice] = accuracy.per_slice_thresholds
    assert [list(spec.feature_keys) for spec in per_slice.slicing_specs] == [[]]
    assert per_slice.threshold.value_threshold.lower_bound.value == pytest.approx(0.7)
    allowed = per_slice.threshold.change_threshold.absolute.value
    assert allowed == pytest.approx(-0.02)
    assert allowed <= 0.97 - 0.99  # worse by just the tolerance: a float's last digit must not decide
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["image/class/text"]]
