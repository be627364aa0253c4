"""Reads BulkInferrer's result, writes the table."""

import csv
import io
import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import path_utils

from keras_ext.export import read_class_names
from keras_ext.prediction_table import Prediction, PredictionTable
from keras_ext.progress import progress_logger
from tfx_components.artifacts import REJECTED_FILE
from tfx_components.bulk_predictions.prediction_logs import read_predictions

PREDICTIONS_FILE = "predictions.csv"


class Executor(base_executor.BaseExecutor):
    """Writes `predictions.csv`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads `inference_result` and `report`, writes `predictions`; see `BulkPredictions`."""
        [model] = input_dict["model"]
        class_names = read_class_names(
            path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
        )
        result = artifact_utils.get_single_uri(input_dict["inference_result"])
        predictions = list(read_predictions(result, class_names))
        if not predictions:
            progress_logger.info("no predictions: the model is not blessed")
            return
        if input_dict.get("report"):
            predictions += _rejected(artifact_utils.get_single_uri(input_dict["report"]))
        # Beam writes them in any order; the same images are to make the same table.
        predictions.sort(key=lambda prediction: prediction.filename)
        lines = PredictionTable(class_names).csv_lines(predictions)
        with fileio.open(
            os.path.join(artifact_utils.get_single_uri(output_dict["predictions"]), PREDICTIONS_FILE), "wb"
        ) as file:
            file.write("".join(lines).encode())


def _rejected(report_uri: str) -> list[Prediction]:
    with fileio.open(os.path.join(report_uri, REJECTED_FILE), "rb") as file:
        text = file.read().decode()
    return [Prediction(row["path"], error=row["reason"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
