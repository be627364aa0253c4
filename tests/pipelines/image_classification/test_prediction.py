"""What is added to the pipeline where images are to be classified at its end."""

import json
import os

import pytest
from tfx import types
from tfx.types.standard_artifacts import Model, ModelBlessing

from pipelines.image_classification.config import Config, Predict
from pipelines.image_classification.prediction import prediction_components


def components(**predict):
    config = Config(images="images", output="out", predict=Predict(**predict))
    return prediction_components(config, types.Channel(type=Model), types.Channel(type=ModelBlessing))


def test_nothing_by_default():
    assert components() == []


def test_ingest_without_labels_inference_by_the_numeric_signature_and_a_table(make_image_folder, monkeypatch):
    monkeypatch.chdir(make_image_folder({"a": 2}).parent)
    ingest, inferrer, table = components(images="images")
    assert [one.id for one in (ingest, inferrer, table)] == ["PredictionExampleGen", "BulkInferrer", "BulkPredictions"]
    assert ingest.exec_properties["input_base"] == os.path.abspath("images")
    assert json.loads(ingest.exec_properties["input_settings"])["labelled"] is False
    assert json.loads(inferrer.exec_properties["model_spec"]) == {"model_signature_name": ["serving_examples"]}
    assert "model_blessing" in inferrer.inputs
    assert set(table.inputs) == {"inference_result", "model", "report"}


@pytest.mark.parametrize("images", ["nowhere", ("images", "nowhere"), "empty", "images/a/0000.png"])
def test_images_that_are_not_there_are_found_out_before_training(make_image_folder, monkeypatch, images):
    monkeypatch.chdir(make_image_folder({"a": 2}).parent)
    os.mkdir("empty")
    with pytest.raises(ValueError, match=r"^predict.images: "):
        components(images=images)
