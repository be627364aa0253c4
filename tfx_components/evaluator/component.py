"""The Evaluator component."""

import json
from collections.abc import Mapping, Sequence

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from keras_ext import features
from keras_ext.thresholds import Thresholds
from tfx_components.artifacts import ClassNames
from tfx_components.code_version import code_version
from tfx_components.evaluator.executor import Executor


class EvaluatorSpec(ComponentSpec):
    """The specification of `Evaluator`; names are those of TFX's, where it has them."""

    PARAMETERS = {
        "example_splits": ExecutionParameter(type=str),
        "judging": ExecutionParameter(type=str),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
        "class_names": ChannelParameter(type=ClassNames),
    }
    OUTPUTS = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """Judges an image classifier as it will be served: raw examples through the exported model.

    TFMA runs the model, and writes what its viewers show: accuracy, loss and number of images, overall and by class.
    The predictions are kept, and from them comes what TFMA has not, or has otherwise: top-k accuracy, macro and
    per-class precision, recall and F1, the exact AUC, calibration error, ranges of numbers as slices, bootstrap
    intervals, the paired comparison with the last blessed model, and thresholds on every one of these figures.

    Component `outputs` contains:
      `evaluation`: `standard_artifacts.ModelEvaluation`: `evaluation.json`, see `Judgement`; TFMA's files; and
        `predictions`, the scored examples without their images, with `prediction/probabilities`.
      `blessing`: `standard_artifacts.ModelBlessing`, as TFX's Evaluator writes it.

    Args:
      examples: A channel of raw examples, from `DirectoryExampleGen`.
      model: A channel of the model; its signature `serving_examples` takes serialized examples and answers
        `probabilities`, as models do that `keras_ext.export.export_classifier` wrote.
      class_names: A channel of the class names, from `DirectoryExampleGen`.
      baseline_model: A channel of the model to compare with, such as `LastBlessedModel` finds it, or None.
      split: The split to score.
      slices: "group", or names of `extra_columns` of `DirectoryExampleGen`; see
        `keras_ext.evaluation_result.evaluate_predictions`. Classes are told apart in any case.
      top_k: The k of `top_k_accuracy`; by default 5 where there are more than 5 classes.
      thresholds: Figures to the least, or most, that they may be; None asks for better than chance. See
        `keras_ext.thresholds.Thresholds`.
      slice_thresholds: Slices to figures to thresholds, such as `{"class": {"recall": 0.3}}`.
      tolerance: How much lower accuracy may be than the baseline's.

    Raises:
      ValueError: There is no such figure or slice, or a threshold is out of range.

    Example:

    ```python
    evaluator = Evaluator(
        examples=ingest.outputs["examples"],
        model=trainer.outputs["model"],
        class_names=ingest.outputs["class_names"],
        split="test",
        thresholds={"macro_recall": 0.8, "log_loss": 0.7},
        slice_thresholds={"class": {"recall": 0.5}},
    )
    ```
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(  # noqa: PLR0913 - channels and settings
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        class_names: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
        *,
        split: str = features.EVAL,
        slices: Sequence[str] = (),
        top_k: int | None = None,
        thresholds: Mapping[str, float] | None = None,
        slice_thresholds: Mapping[str, Mapping[str, float]] | None = None,
        tolerance: float = 0.01,
    ) -> None:
        Thresholds(thresholds, slice_thresholds or {}, tolerance, slices)  # checks them
        judging = {
            "slices": list(slices),
            "top_k": top_k,
            "thresholds": thresholds,
            "slice_thresholds": slice_thresholds or {},
            "tolerance": tolerance,
        }
        spec = EvaluatorSpec(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            class_names=class_names,
            example_splits=json_utils.dumps([split]),
            judging=json.dumps(judging),
            code_version=code_version(),
            evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
            blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
