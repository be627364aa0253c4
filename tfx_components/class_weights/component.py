"""The ClassWeights component."""

import json
from collections.abc import Sequence
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from keras_ext.choices import check_choice
from keras_ext.class_weights import STRATEGIES, class_weights
from tfx_components import artifacts
from tfx_components.class_weights import executor
from tfx_components.code_version import code_version


class ClassWeightsSpec(component_spec.ComponentSpec):
    """Examples or statistics in, class weights out."""

    PARAMETERS = {
        "strategy": component_spec.ExecutionParameter(type=str),
        "options": component_spec.ExecutionParameter(type=str),
        "split": component_spec.ExecutionParameter(type=str),
        "label_feature": component_spec.ExecutionParameter(type=str, optional=True),
        "given_class_names": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples, optional=True),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
        "class_names": component_spec.ChannelParameter(type=artifacts.ClassNames, optional=True),
    }
    OUTPUTS = {"class_weights": component_spec.ChannelParameter(type=artifacts.ClassWeights)}


class ClassWeights(base_component.BaseComponent):
    """Counts the classes of the train split and weighs them.

    Statistics cost nothing, since they were computed already; they are refused where they do not tell exact counts.
    Examples are read through once, their labels alone.

    Args:
      examples: A channel of examples; exactly one of `examples` and `statistics` is needed.
      statistics: A channel of statistics, from `StatisticsGen`.
      class_names: A channel of `ClassNames`, from `DirectoryExampleGen`, or a list: the name of each class, in the
        order of the class indices.
      strategy: One of `keras_ext.class_weights.STRATEGIES`, or "none": every weight is 1, for those who need the counts
        alone.
      split: The split that is counted. Weights that know the validation data flatter the model.
      label_feature: The feature that holds the label. By default `image/class/label`, a class index, in examples, and
        `image/class/text`, a class name, in statistics.
      **options: Of the strategy: `power`, `beta`, `normalize`, `max_ratio` and `absent`; see
        `keras_ext.class_weights.class_weights`.

    Component outputs:
      class_weights: `ClassWeights`, a readable JSON file of counts, weights, strategy and class names. Our `Trainer`
        takes it, and `run_fn` finds `"class_weights"` and `"class_counts"` in `fn_args.custom_config`.

    Raises:
      ValueError: Both or neither of examples and statistics; an unknown strategy; an option of another strategy.

    Example:

    ```python
    class_weights = ClassWeights(
        statistics=statistics_gen.outputs["statistics"],
        class_names=ingest.outputs["class_names"],
        strategy="effective_number",
    )
    trainer = Trainer(class_weights=class_weights.outputs["class_weights"], ...)
    ```
    """

    SPEC_CLASS = ClassWeightsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel | None = None,
        *,
        statistics: types.BaseChannel | None = None,
        class_names: types.BaseChannel | Sequence[str],
        strategy: str = "balanced",
        split: str = "train",
        label_feature: str | None = None,
        **options: Any,
    ) -> None:
        if (examples is None) == (statistics is None):
            received = "neither" if examples is None else "both"
            raise ValueError(f"ClassWeights needs exactly one of examples and statistics. Received: {received}.")
        _check_strategy(strategy, options)
        given = not isinstance(class_names, types.BaseChannel)
        spec = ClassWeightsSpec(
            examples=examples,
            statistics=statistics,
            class_names=None if given else class_names,
            given_class_names=json.dumps(_checked_names(class_names) if given else None),
            strategy=strategy,
            options=json.dumps(options, sort_keys=True),
            split=split,
            label_feature=label_feature,
            code_version=code_version(),
            class_weights=types.Channel(type=artifacts.ClassWeights),
        )
        super().__init__(spec=spec)


def _check_strategy(strategy: str, options: dict[str, Any]) -> None:
    if check_choice("strategy", strategy, ("none", *STRATEGIES)) != "none":
        class_weights([1, 2], strategy, **options)  # raises what the executor would raise after ingest
    elif options:
        raise ValueError(f"strategy='none' has no options. Received: {', '.join(sorted(options))}.")


def _checked_names(class_names: Any) -> list[str]:
    if isinstance(class_names, str) or not all(isinstance(name, str) for name in class_names):
        raise TypeError(
            f"class_names must be a channel of ClassNames or a list of strings. Received: class_names={class_names!r}."
        )
    return list(class_names)
