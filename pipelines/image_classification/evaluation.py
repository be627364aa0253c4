"""What is measured on the scored split, and when a model is blessed; and reading the verdict back."""

from dataclasses import dataclass

import tensorflow_model_analysis as tfma

# The messages come from their own modules: `tfma` shows them on the current stack only after TFX was imported.
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2

from keras_ext import features
from keras_ext.export import EXAMPLES_SIGNATURE
from pipelines.image_classification.config import Evaluation

_ACCURACY = "SparseCategoricalAccuracy"
_METRIC = "sparse_categorical_accuracy"
_LOSS = "SparseCategoricalCrossentropy"
_ROUNDING = 1e-9
_OVERALL = config_pb2.SlicingSpec()


@dataclass(frozen=True)
class Verdict:
    """What Evaluator found.

    Attributes:
      accuracy: Share of the split's images that are classified right.
      images: Number of images scored.
      recall: Class name to the share of its images that are classified right.
      blessed: Whether every threshold holds.
      failures: One sentence for each threshold that does not.
    """

    accuracy: float
    images: int
    recall: dict[str, float]
    blessed: bool
    failures: tuple[str, ...]

    @property
    def macro_recall(self) -> float:
        """Mean recall over the classes."""
        return sum(self.recall.values()) / len(self.recall)


def evaluation_config(evaluation: Evaluation) -> config_pb2.EvalConfig:
    """Returns TFMA's configuration: accuracy overall and by class, and the two thresholds on the overall figure."""
    threshold = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": evaluation.min_accuracy}),
        change_threshold=config_pb2.GenericChangeThreshold(
            # A model that is worse by just the tolerance passes, whatever the last digit of a float says.
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            absolute={"value": -evaluation.tolerance - _ROUNDING},
        ),
    )
    accuracy = config_pb2.MetricConfig(
        class_name=_ACCURACY,
        # A plain threshold would hold for every class; this one is for the whole split.
        per_slice_thresholds=[config_pb2.PerSliceMetricThreshold(slicing_specs=[_OVERALL], threshold=threshold)],
    )
    metrics = [accuracy, config_pb2.MetricConfig(class_name=_LOSS), config_pb2.MetricConfig(class_name="ExampleCount")]
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name=EXAMPLES_SIGNATURE, label_key=features.CLASS_LABEL, prediction_key="probabilities"
            )
        ],
        slicing_specs=[_OVERALL, config_pb2.SlicingSpec(feature_keys=[features.CLASS_TEXT])],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    )


def read_verdict(evaluation_uri: str) -> Verdict:
    """Reads what Evaluator wrote for the candidate."""
    result = tfma.load_eval_result(evaluation_uri)
    metrics = {slice_key: values[""][""] for slice_key, values in result.slicing_metrics}
    overall = metrics[()]
    recall = {str(key[0][1]): values[_METRIC]["doubleValue"] for key, values in metrics.items() if key}
    validation = tfma.load_validation_result(evaluation_uri)
    return Verdict(
        accuracy=overall[_METRIC]["doubleValue"],
        images=int(overall["example_count"]["doubleValue"]),
        recall=dict(sorted(recall.items())),
        blessed=validation.validation_ok,
        failures=tuple(_failures(validation)),
    )


def _failures(validation: validation_result_pb2.ValidationResult) -> list[str]:
    return [
        failure_sentence(failure)
        for one_slice in validation.metric_validations_per_slice
        for failure in one_slice.failures
    ]


def failure_sentence(failure: validation_result_pb2.ValidationFailure) -> str:
    """Says which setting failed, and by how much."""
    value = failure.metric_value.double_value.value
    if failure.metric_key.is_diff:
        allowed = -failure.metric_threshold.change_threshold.absolute.value
        return (
            f"accuracy is {-value:.4f} lower than the last blessed model's; evaluation.tolerance allows {allowed:g} "
            f"({-value - allowed:.4f} too much)"
        )
    bound = failure.metric_threshold.value_threshold.lower_bound.value
    return f"accuracy {value:.4f} is below evaluation.min_accuracy {bound:g} by {bound - value:.4f}"
