"""Scores the examples with TFMA, keeps the predictions, judges them, and blesses the model or not."""

import dataclasses
import json
import logging
import os
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma

# The messages come from their own modules: `tfma` shows them on the current stack only after TFX was imported.
from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.evaluator import constants
from tfx.components.util import tfxio_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, json_utils, path_utils

from keras_ext import features
from keras_ext.evaluation_result import GROUP, Predictions, evaluate_predictions
from keras_ext.export import EXAMPLES_SIGNATURE
from keras_ext.thresholds import Thresholds
from tfx_components.artifacts import CLASS_NAMES_FILE, read_json
from tfx_components.evaluator.judgement import Judgement
from tfx_components.evaluator.predictions import (
    BASELINE,
    CANDIDATE,
    column_is_there,
    predictions_evaluator,
    predictions_writer,
    read_predictions,
)

_METRICS = ("SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "ExampleCount")

_Artifacts = dict[str, list[types.Artifact]]

_logger = logging.getLogger(__name__)


class Executor(base_beam_executor.BaseBeamExecutor):
    """See `tfx_components.Evaluator`."""

    def Do(self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]) -> None:
        """Overrides `BaseExecutor.Do`.

        Raises:
          ValueError: There is nothing to score, or a column to slice by is not there.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        uri = artifact_utils.get_single_uri(output_dict["evaluation"])
        judging = json.loads(exec_properties["judging"])
        [split] = json_utils.loads(exec_properties["example_splits"])
        self._score(input_dict, uri, split)
        class_names = read_json(artifact_utils.get_single_uri(input_dict["class_names"]), CLASS_NAMES_FILE)
        columns = [name for name in judging["slices"] if name != GROUP]
        predictions, baseline = read_predictions(uri, len(class_names), columns)
        predictions = _with_empty_columns(predictions, columns, input_dict["examples"])
        result = evaluate_predictions(
            predictions, class_names, baseline=baseline, slices=judging["slices"], top_k=judging["top_k"]
        )
        thresholds = Thresholds(
            judging["thresholds"], judging["slice_thresholds"], judging["tolerance"], judging["slices"]
        )
        judgement = Judgement(split, result, tuple(thresholds.failures(result)))
        judgement.write(uri)
        if not judgement.blessed:
            # What comes after the Evaluator says nothing then, and does nothing.
            _logger.warning("Not blessed: %s", "; ".join(judgement.failures))
        _bless(artifact_utils.get_single_instance(output_dict["blessing"]), input_dict, judgement.blessed)

    def _score(self, input_dict: _Artifacts, uri: str, split: str) -> None:
        """Writes TFMA's files and the predictions."""
        models = {CANDIDATE: input_dict["model"], BASELINE: input_dict.get("baseline_model") or []}
        paths = {name: _serving_path(found[0]) for name, found in models.items() if found}
        eval_config = tfma_config(list(paths))
        shared = [
            tfma.default_eval_shared_model(
                eval_saved_model_path=paths[spec.name], model_name=spec.name, eval_config=eval_config
            )
            for spec in eval_config.model_specs
        ]
        tfxio_factory = tfxio_utils.get_tfxio_factory_from_artifact(
            examples=input_dict["examples"],
            telemetry_descriptors=["Evaluator"],
            raw_record_column_name=tfma.constants.ARROW_INPUT_COLUMN,
        )
        options: dict[str, Any] = {"eval_config": eval_config, "eval_shared_model": shared}
        with self._make_beam_pipeline() as pipeline:
            batches = [
                pipeline | f"Read{number}" >> tfxio_factory(io_utils.all_files_pattern(split_uri)).BeamSource()
                for number, split_uri in enumerate(artifact_utils.get_split_uris(input_dict["examples"], split))
            ]
            _ = (
                batches
                | beam.Flatten()
                | tfma.ExtractEvaluateAndWriteResults(
                    **options,
                    evaluators=[*tfma.default_evaluators(**options), predictions_evaluator()],
                    writers=[*tfma.default_writers(output_path=uri, **options), predictions_writer(uri)],
                )
            )


def tfma_config(models: list[str]) -> config_pb2.EvalConfig:
    """Returns TFMA's configuration: accuracy, loss and count, overall and by class.

    It knows no slices of columns: of a column of numbers, each would be one, and cost milliseconds.
    """
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                name=name,
                is_baseline=name == BASELINE,
                signature_name=EXAMPLES_SIGNATURE,
                label_key=features.CLASS_LABEL,
                prediction_key="probabilities",
            )
            for name in models
        ],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=[features.CLASS_TEXT])],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[config_pb2.MetricConfig(class_name=name) for name in _METRICS])],
    )


def _with_empty_columns(
    predictions: Predictions, columns: Iterable[str], examples: list[types.Artifact]
) -> Predictions:
    """Adds the columns that only images of other splits have values in; a small split may have none."""
    splits = artifact_utils.decode_split_names(examples[0].split_names)
    uris = [uri for split in splits for uri in artifact_utils.get_split_uris(examples, split)]
    missing = [name for name in columns if name not in predictions.columns and column_is_there(uris, name)]
    empty = {name: [""] * len(predictions.labels) for name in missing}
    return dataclasses.replace(predictions, columns={**predictions.columns, **empty})


def _serving_path(model: types.Artifact) -> str:
    return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))


def _bless(blessing: types.Artifact, input_dict: _Artifacts, blessed: bool) -> None:
    """Marks the blessing as TFX's Evaluator does."""
    [model] = input_dict["model"]
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    for baseline in input_dict.get("baseline_model") or []:
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    )
