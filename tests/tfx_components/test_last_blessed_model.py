"""Which earlier model a candidate is compared with."""

import logging

import pytest
from tfx.types import standard_artifacts

from tfx_components.artifacts import CLASS_NAMES_PROPERTY
from tfx_components.last_blessed_model import LastBlessedModel


@pytest.fixture(autouse=True)
def _models_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(1, 5):
        (tmp_path / f"model-{number}").mkdir()


def model(number, classes="cats-dogs"):
    artifact = standard_artifacts.Model()
    artifact.id = number
    artifact.uri = f"model-{number}"
    artifact.set_string_custom_property(CLASS_NAMES_PROPERTY, classes)
    return artifact


def blessing(number, *, blessed=True, order=None):
    artifact = standard_artifacts.ModelBlessing()
    artifact.id = 10 * number if order is None else order
    artifact.set_int_custom_property("current_model_id", number)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


def baseline(models, blessings, candidate):
    channels = {"model": models, "model_blessing": blessings, "candidate": [candidate]}
    resolved = LastBlessedModel().resolve_artifacts(None, channels)
    assert [artifact.id for artifact in resolved["candidate"]] == [candidate.id]
    assert len(resolved["model"]) == len(resolved["model_blessing"])
    return [artifact.id for artifact in resolved["model"]]


def test_the_first_model_has_no_baseline():
    assert baseline([model(1)], [], model(1)) == []


def test_never_the_candidate_itself():
    assert baseline([model(1)], [blessing(1)], model(1)) == []


def test_the_last_blessed_one():
    models = [model(1), model(2), model(3), model(4)]
    blessings = [blessing(1), blessing(2), blessing(3, blessed=False)]
    assert baseline(models, blessings, model(4)) == [2]


def test_the_order_is_that_of_the_blessings():
    models = [model(1), model(2), model(3)]
    assert baseline(models, [blessing(1), blessing(2), blessing(1, order=99)], model(3)) == [1]


def test_a_later_refusal_ends_a_blessing():
    models = [model(1), model(2), model(3)]
    assert baseline(models, [blessing(1), blessing(2), blessing(2, blessed=False, order=99)], model(3)) == [1]


def test_a_model_whose_folder_is_gone_is_passed_over(tmp_path):
    (tmp_path / "model-2").rmdir()
    assert baseline([model(1), model(2), model(3)], [blessing(1), blessing(2)], model(3)) == [1]


def test_models_of_other_classes_are_not_compared_and_the_run_says_so(caplog):
    models = [model(1), model(2, "cats-birds"), model(3)]
    with caplog.at_level(logging.WARNING):
        assert baseline(models, [blessing(1), blessing(2)], model(3)) == [1]
    assert "knows other classes" in caplog.text
