"""Counts the labels of a split and writes counts and weights."""

import json
import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from keras_ext.class_weights import class_weights
from keras_ext.progress import progress_logger
from tfx_components import artifacts
from tfx_components.class_weights.example_labels import count_example_labels
from tfx_components.class_weights.statistics_labels import count_statistics_labels

_Artifacts = dict[str, list[types.Artifact]]


class Executor(base_executor.BaseExecutor):
    """Writes the weights of the classes of a split."""

    def Do(self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]) -> None:
        """Reads `examples` or `statistics`, writes `class_weights`; see `ClassWeights`."""
        names = _class_names(input_dict, exec_properties)
        counts = _counts(input_dict, exec_properties, names)
        strategy, options = exec_properties["strategy"], json.loads(exec_properties["options"])
        weights = dict.fromkeys(counts, 1.0) if strategy == "none" else class_weights(counts, strategy, **options)
        content = {
            "strategy": strategy,
            "options": options,
            "class_names": names,
            "counts": counts,
            "weights": weights,
        }
        artifacts.write_json(
            artifact_utils.get_single_uri(output_dict["class_weights"]), artifacts.CLASS_WEIGHTS_FILE, content
        )
        progress_logger.info("%s images of %s classes counted", f"{sum(counts.values()):,}", len(names))


def _class_names(input_dict: _Artifacts, exec_properties: dict[str, Any]) -> list[str]:
    if input_dict.get("class_names"):
        return artifacts.read_json(artifact_utils.get_single_uri(input_dict["class_names"]), artifacts.CLASS_NAMES_FILE)
    return json.loads(exec_properties["given_class_names"])


def _counts(input_dict: _Artifacts, exec_properties: dict[str, Any], names: list[str]) -> dict[int, int]:
    split, feature = exec_properties["split"], exec_properties.get("label_feature")
    given: dict[str, Any] = {"label_feature": feature} if feature else {}
    if input_dict.get("examples"):
        uris = [artifact_utils.get_split_uri([one], split) for one in input_dict["examples"]]
        return count_example_labels([os.path.join(uri, "*") for uri in uris], class_names=names, **given)
    from tfx.components.statistics_gen import stats_artifact_utils  # loads TFDV

    artifact = artifact_utils.get_single_instance(input_dict["statistics"])
    return count_statistics_labels(stats_artifact_utils.load_statistics(artifact, split).proto(), names, **given)
