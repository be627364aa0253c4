"""Hands class weights and class names to `run_fn`, and marks the model with the list of classes it knows."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from tfx import types
from tfx.components.trainer import executor, fn_args_utils
from tfx.types import artifact_utils, standard_component_specs

from tfx_components.artifacts import CLASS_NAMES_FILE, CLASS_NAMES_PROPERTY, CLASS_WEIGHTS_FILE, read_json

CLASS_NAMES_KEY = "class_names"
CLASS_WEIGHTS_KEY = "class_weights"
CLASS_COUNTS_KEY = "class_counts"

_Artifacts = dict[str, list[types.Artifact]]


def class_names_sha256(class_names: Sequence[str]) -> str:
    """Returns the SHA-256 (hex) of a list of class names, order included."""
    return hashlib.sha256(json.dumps(list(class_names)).encode()).hexdigest()


class Executor(executor.GenericExecutor):
    """TFX's generic executor, plus what came through our channels.

    `run_fn` finds it in `fn_args.custom_config`: `"class_names"`, a list of strings, and `"class_weights"` and
    `"class_counts"`, dicts of class index to weight and to number of images.
    """

    def Do(self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        if input_dict.get(CLASS_NAMES_KEY):
            model = artifact_utils.get_single_instance(output_dict[standard_component_specs.MODEL_KEY])
            model.set_string_custom_property(CLASS_NAMES_PROPERTY, class_names_sha256(_class_names(input_dict)))

    def _GetFnArgs(
        self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]
    ) -> fn_args_utils.FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config = with_classes(fn_args.custom_config, input_dict)
        return fn_args


def with_classes(custom_config: dict[str, Any] | None, input_dict: _Artifacts) -> dict[str, Any] | None:
    """Returns `custom_config` with what came through the channels `class_names` and `class_weights`."""
    given: dict[str, Any] = {}
    if input_dict.get(CLASS_NAMES_KEY):
        given[CLASS_NAMES_KEY] = _class_names(input_dict)
    if input_dict.get(CLASS_WEIGHTS_KEY):
        given |= _class_weights(input_dict)
    return _merged(custom_config, given)


def _class_names(input_dict: _Artifacts) -> list[str]:
    return read_json(artifact_utils.get_single_uri(input_dict[CLASS_NAMES_KEY]), CLASS_NAMES_FILE)


def _class_weights(input_dict: _Artifacts) -> dict[str, dict[int, float]]:
    content = read_json(artifact_utils.get_single_uri(input_dict[CLASS_WEIGHTS_KEY]), CLASS_WEIGHTS_FILE)
    return {
        CLASS_WEIGHTS_KEY: {int(index): float(weight) for index, weight in content["weights"].items()},
        CLASS_COUNTS_KEY: {int(index): count for index, count in content["counts"].items()},
    }


def _merged(custom_config: dict[str, Any] | None, given: dict[str, Any]) -> dict[str, Any] | None:
    twice = sorted(set(given) & set(custom_config or {}))
    if twice:
        raise ValueError(
            "custom_config must not hold what comes through a channel. "
            f"Received: {', '.join(map(repr, twice))} in both. Leave it out of custom_config."
        )
    return {**(custom_config or {}), **given} if given else custom_config
