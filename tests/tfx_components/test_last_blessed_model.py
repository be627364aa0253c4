"""Which earlier model a candidate is compared with."""

import logging

from tfx.types import standard_artifacts

from tfx_components.artifacts import CLASS_NAMES_PROPERTY
from tfx_components.last_blessed_model import LastBlessedModel


def model(number, classes="cats-dogs"):
    artifact = standard_artifacts.Model()
    artifact.id = number
    artifact.set_string_custom_property(CLASS_NAMES_PROPERTY, classes)
    return artifact


def blessing(number, *, blessed=True):
    artifact = standard_artifacts.ModelBlessing()
    artifact.set_int_custom_property("current_model_id", number)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


def baseline(models, blessings, candidate):
    channels = {"model": models, "model_blessing": blessings, "candidate": [candidate]}
    resolved = LastBlessedModel().resolve_artifacts(None, channels)
    assert [artifact.id for artifact in resolved["candidate"]] == [candidate.id]
    return [artifact.id for artifact in resolved["model"]]


def test_the_first_model_has_no_baseline():
    assert baseline([model(1)], [], model(1)) == []


def test_never_the_candidate_itself():
    assert baseline([model(1)], [blessing(1)], model(1)) == []


def test_the_last_blessed_one():
    models = [model(1), model(2), model(3), model(4)]
    blessings = [blessing(1), blessing(2), blessing(3, blessed=False)]
    assert baseline(models, blessings, model(4)) == [2]


def test_models_of_other_classes_are_not_compared_and_the_run_says_so(caplog):
    models = [model(1), model(2, "cats-birds"), model(3)]
    with caplog.at_level(logging.WARNING):
        assert baseline(models, [blessing(1), blessing(2)], model(3)) == [1]
    assert "knows other classes" in caplog.text
