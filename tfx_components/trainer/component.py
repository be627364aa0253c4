"""TFX's Trainer, plus channels for class weights and class names."""

from typing import Any

from tfx import types
from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration import data_types
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import json_utils

from tfx_components.artifacts import ClassNames, ClassWeights
from tfx_components.code_version import code_version
from tfx_components.trainer.executor import CLASS_NAMES_KEY, CLASS_WEIGHTS_KEY, Executor


class TrainerSpec(standard_component_specs.TrainerSpec):
    """TFX's specification of a Trainer, plus ours."""

    PARAMETERS = {
        **standard_component_specs.TrainerSpec.PARAMETERS,
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS = {
        **standard_component_specs.TrainerSpec.INPUTS,
        CLASS_NAMES_KEY: ChannelParameter(type=ClassNames, optional=True),
        CLASS_WEIGHTS_KEY: ChannelParameter(type=ClassWeights, optional=True),
    }


class Trainer(base_component.BaseComponent):
    """Trains a model with a `run_fn`, as TFX's Trainer does, and hands it class weights and class names.

    The arguments are those of `tfx.components.Trainer`, by name, on either stack. `run_fn` finds what came through the
    two channels in `fn_args.custom_config`: `"class_weights"` and `"class_counts"`, dicts of class index to weight and
    to number of training images, and `"class_names"`, a list of strings. With `class_names`, the model artifact gets
    the custom property `class_names_sha256`.

    Args:
      examples: Examples to train on, raw or transformed.
      transformed_examples: The old name of `examples`; exactly one of the two is needed.
      transform_graph: Transform's graph, or None.
      schema: Schema of the examples, or None.
      base_model: A model to start from, or None.
      hyperparameters: What Tuner found, or None.
      statistics: Statistics of the examples, or None; only where TFX's Trainer takes them (1.21, not 1.16).
      module_file: A Python file with a function `run_fn`. Exactly one of `module_file` and `run_fn` is needed.
      run_fn: The dotted path of a function.
      train_args: Splits to train on, by default `train`, and steps.
      eval_args: Splits to validate on, by default `eval`, and steps.
      custom_config: What else `run_fn` is to know: anything that JSON can hold.
      custom_executor_spec: Another executor than ours, or None; deprecated by TFX.
      class_weights: A channel of `ClassWeights`, from the component `ClassWeights`, or None.
      class_names: A channel of `ClassNames`, or None.

    Outputs:
      `model` (`Model`) and `model_run` (`ModelRun`).

    Raises:
      ValueError: Both or neither of `module_file` and `run_fn`, or of `examples` and `transformed_examples`; statistics
        where TFX takes none.

    Example:

    >>> trainer = Trainer(
    ...     run_fn="my_package.training.run_fn",
    ...     examples=transform.outputs["transformed_examples"],
    ...     transform_graph=transform.outputs["transform_graph"],
    ...     class_weights=class_weights.outputs["class_weights"],
    ... )
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(  # noqa: PLR0913 - those of TFX's Trainer, and ours
        self,
        examples: types.BaseChannel | None = None,
        *,
        transformed_examples: types.BaseChannel | None = None,
        transform_graph: types.BaseChannel | None = None,
        schema: types.BaseChannel | None = None,
        base_model: types.BaseChannel | None = None,
        hyperparameters: types.BaseChannel | None = None,
        statistics: types.BaseChannel | None = None,
        module_file: str | data_types.RuntimeParameter | None = None,
        run_fn: str | data_types.RuntimeParameter | None = None,
        train_args: trainer_pb2.TrainArgs | data_types.RuntimeParameter | None = None,
        eval_args: trainer_pb2.EvalArgs | data_types.RuntimeParameter | None = None,
        custom_config: dict[str, Any] | data_types.RuntimeParameter | None = None,
        custom_executor_spec: executor_spec.ExecutorSpec | None = None,
        class_weights: types.BaseChannel | None = None,
        class_names: types.BaseChannel | None = None,
    ) -> None:
        _check_one_of(module_file=module_file, run_fn=run_fn)
        _check_one_of(examples=examples, transformed_examples=transformed_examples)
        is_parameter = isinstance(custom_config, data_types.RuntimeParameter)
        spec = TrainerSpec(
            examples=examples or transformed_examples,
            transform_graph=transform_graph,
            schema=schema,
            base_model=base_model,
            hyperparameters=hyperparameters,
            train_args=train_args or trainer_pb2.TrainArgs(),
            eval_args=eval_args or trainer_pb2.EvalArgs(),
            module_file=module_file,
            run_fn=run_fn,
            custom_config=custom_config if is_parameter else json_utils.dumps(custom_config),
            class_weights=class_weights,
            class_names=class_names,
            code_version=code_version(),
            **_statistics(statistics),
            model=types.Channel(type=standard_artifacts.Model),
            model_run=types.Channel(type=standard_artifacts.ModelRun),
        )
        super().__init__(spec=spec, custom_executor_spec=custom_executor_spec)
        if udf_utils.should_package_user_modules():
            # TFX packages `module_file` as a wheel and puts `module_path` in its place.
            udf_utils.add_user_module_dependency(
                self, standard_component_specs.MODULE_FILE_KEY, standard_component_specs.MODULE_PATH_KEY
            )


def _check_one_of(**arguments: Any) -> None:
    if sum(bool(value) for value in arguments.values()) != 1:
        received = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ValueError(f"Trainer needs exactly one of {' and '.join(arguments)}. Received: {received}.")


def _statistics(statistics: types.BaseChannel | None) -> dict[str, types.BaseChannel]:
    if statistics is None:
        return {}
    if "statistics" not in TrainerSpec.INPUTS:
        raise ValueError("statistics are an input of TFX's Trainer from 1.21 on. Received them on an older TFX.")
    return {"statistics": statistics}
