"""BulkInferrer's result, read back as the table that `keras-ext predict` writes."""

import csv

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from keras_ext import features
from pipelines.runners import LocalRunner
from tfx_components import BulkPredictions, read_predictions
from tfx_components.artifacts import IngestReport

CLASSES = ["cat", 'größe, "big"']
PROBABILITIES = {"b.png": [0.25, 0.75], "=a.png": [0.9, 0.1]}


def log(name, probabilities, output="probabilities"):
    values = {features.ENCODED: b"\xff\xd8\xff", **({features.FILENAME: name.encode()} if name else {})}
    example = tf.train.Example()
    for key, value in values.items():
        example.features.feature[key].bytes_list.value.append(value)
    message = prediction_log_pb2.PredictionLog()
    request, response = message.predict_log.request, message.predict_log.response
    request.inputs["examples"].CopyFrom(tf.make_tensor_proto([example.SerializeToString()]))
    response.outputs[output].CopyFrom(tf.make_tensor_proto(np.array([probabilities], np.float32)))
    return message.SerializeToString()


def write_logs(folder, logs):
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "prediction_logs-00000-of-00001.gz"), "GZIP") as writer:
        for one in logs:
            writer.write(one)
    return str(folder)


def test_read_predictions(tmp_path):
    uri = write_logs(tmp_path / "result", [log(*pair) for pair in PROBABILITIES.items()])
    found = list(read_predictions(uri, CLASSES))
    assert [(one.filename, one.label) for one in found] == [("b.png", CLASSES[1]), ("=a.png", "cat")]
    np.testing.assert_array_equal([one.probabilities for one in found], np.array([*PROBABILITIES.values()], np.float32))


def test_probabilities_that_are_no_numbers_are_an_error_as_in_predict(tmp_path):
    [found] = read_predictions(write_logs(tmp_path / "result", [log("b.png", [0.5, np.nan])]), CLASSES)
    assert (found.label, found.probabilities, found.error) == (None, None, "the model gives no numbers for it")


@pytest.mark.parametrize("record, message", [
    (log("b.png", [1, 0], output="scores"), "must hold the inputs 'examples' and the outputs 'probabilities'"),
    (log("", [1, 0]), "have no feature 'image/filename'"),
    (log("b.png", [1, 0, 0]), "class_names must name each of the 3 classes. Received: 2 names"),
])  # fmt: skip
def test_results_of_other_models(tmp_path, record, message):
    with pytest.raises(ValueError, match=message):
        list(read_predictions(write_logs(tmp_path / "result", [record]), CLASSES))


@pytest.fixture
def run(tmp_path):
    """Returns a function that runs the component through TFX's launcher and returns the folder of its output."""
    model = tmp_path / "model" / "Format-Serving" / "assets.extra"
    model.mkdir(parents=True)
    (model / "class_names.json").write_text('["cat", "größe, \\"big\\""]')
    report = tmp_path / "report"
    report.mkdir()
    (report / "rejected.csv").write_text('path,reason\n"c, d.png",truncated PNG\n')
    kinds = {
        "result": standard_artifacts.InferenceResult, "model": standard_artifacts.Model, "report": IngestReport
    }  # fmt: skip

    def through_the_launcher():
        inputs = [
            Importer(source_uri=str(tmp_path / name), artifact_type=kind).with_id(name) for name, kind in kinds.items()
        ]
        table = BulkPredictions(*(one.outputs["result"] for one in inputs))
        pipeline = Pipeline(
            pipeline_name="table",
            pipeline_root=str(tmp_path / "artifacts"),
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite")),
            components=[*inputs, table],
        )
        [artifact] = LocalRunner().run(pipeline)[-1].outputs["predictions"]
        return artifact.uri

    return through_the_launcher


def test_the_table_is_that_of_predict_with_rejected_files(tmp_path, run):
    write_logs(tmp_path / "result", [log(*pair) for pair in PROBABILITIES.items()])
    with open(run() + "/predictions.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["filename", "label", "probability", "error"],
            ["'=a.png", "cat", "0.9", ""],
            ["b.png", CLASSES[1], "0.75", ""],
            ["c, d.png", "", "", "truncated PNG"],
        ]


def test_no_table_where_the_model_is_not_blessed(tmp_path, run):
    (tmp_path / "result").mkdir()
    import os

    assert os.listdir(run()) == []
