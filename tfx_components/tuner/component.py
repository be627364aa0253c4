"""TFX's Tuner, plus channels for class weights and class names."""

from typing import Any

from tfx import types
from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import json_utils

from tfx_components.artifacts import ClassNames, ClassWeights
from tfx_components.code_version import code_version
from tfx_components.trainer.executor import CLASS_NAMES_KEY, CLASS_WEIGHTS_KEY
from tfx_components.tuner.executor import Executor


class TunerSpec(standard_component_specs.TunerSpec):
    """TFX's specification of a Tuner, plus ours."""

    PARAMETERS = {
        **standard_component_specs.TunerSpec.PARAMETERS,
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS = {
        **standard_component_specs.TunerSpec.INPUTS,
        CLASS_NAMES_KEY: ChannelParameter(type=ClassNames, optional=True),
        CLASS_WEIGHTS_KEY: ChannelParameter(type=ClassWeights, optional=True),
    }


class Tuner(base_component.BaseComponent):
    """Searches for hyperparameters with a `tuner_fn`, as TFX's Tuner does; a trial without a score is an error.

    KerasTuner notes a trial that fails, or whose score is no number, and goes on: a search of which hardly a trial ran
    looks like any other. Here the component fails. The arguments are those of `tfx.components.Tuner`, by name, without
    `tune_args`, which is for trials on several machines. What comes through the other two channels `tuner_fn` finds in
    `fn_args.custom_config`, as the `run_fn` of `tfx_components.Trainer` does.

    Args:
      examples: Examples to train on, raw or transformed.
      schema: Schema of the examples, or None.
      transform_graph: Transform's graph, or None.
      base_model: A model to start from, or None.
      module_file: A Python file with a function `tuner_fn`. Exactly one of `module_file` and `tuner_fn` is needed.
      tuner_fn: The dotted path of a function that returns a `tfx.components.tuner.component.TunerFnResult`.
      train_args: Splits to train on, by default `train`, and steps.
      eval_args: Splits to validate on, by default `eval`, and steps.
      custom_config: What else `tuner_fn` is to know: anything that JSON can hold.
      class_weights: A channel of `ClassWeights`, from the component `ClassWeights`, or None.
      class_names: A channel of `ClassNames`, or None.

    Outputs:
      `best_hyperparameters` (`HyperParameters`), for Trainer, and `tuner_results` (`TunerResults`), a table of trials.

    Raises:
      ValueError: Both or neither of `module_file` and `tuner_fn`.

    Example:

    >>> tuner = Tuner(tuner_fn="my_package.training.tuner_fn", examples=transform.outputs["transformed_examples"])
    >>> trainer = Trainer(..., hyperparameters=tuner.outputs["best_hyperparameters"])
    """

    SPEC_CLASS = TunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(  # noqa: PLR0913 - those of TFX's Tuner, and ours
        self,
        examples: types.BaseChannel,
        *,
        schema: types.BaseChannel | None = None,
        transform_graph: types.BaseChannel | None = None,
        base_model: types.BaseChannel | None = None,
        module_file: str | None = None,
        tuner_fn: str | None = None,
        train_args: trainer_pb2.TrainArgs | None = None,
        eval_args: trainer_pb2.EvalArgs | None = None,
        custom_config: dict[str, Any] | None = None,
        class_weights: types.BaseChannel | None = None,
        class_names: types.BaseChannel | None = None,
    ) -> None:
        if bool(module_file) == bool(tuner_fn):
            raise ValueError(
                "Tuner needs exactly one of module_file and tuner_fn. "
                f"Received: module_file={module_file!r}, tuner_fn={tuner_fn!r}."
            )
        spec = TunerSpec(
            examples=examples,
            schema=schema,
            transform_graph=transform_graph,
            base_model=base_model,
            module_file=module_file,
            tuner_fn=tuner_fn,
            train_args=train_args or trainer_pb2.TrainArgs(),
            eval_args=eval_args or trainer_pb2.EvalArgs(),
            custom_config=json_utils.dumps(custom_config),
            class_weights=class_weights,
            class_names=class_names,
            code_version=code_version(),
            best_hyperparameters=types.Channel(type=standard_artifacts.HyperParameters),
            tuner_results=types.Channel(type=standard_artifacts.TunerResults),
        )
        super().__init__(spec=spec)
        if udf_utils.should_package_user_modules():
            # TFX packages `module_file` as a wheel and puts `module_path` in its place.
            udf_utils.add_user_module_dependency(
                self, standard_component_specs.MODULE_FILE_KEY, standard_component_specs.MODULE_PATH_KEY
            )
