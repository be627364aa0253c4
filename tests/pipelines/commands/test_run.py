"""What `keras-ext run` copies into OUT; the whole command is run by the end-to-end tests."""

import shutil
from types import SimpleNamespace

import pytest

from pipelines.commands import run
from pipelines.image_classification.config import Config

SUMMARY = "pipelines.image_classification.summary"
TABLES = [
    ("DirectoryExampleGen", "rejected_file", "rejected.csv"),
    ("Evaluator", "evaluation_file", "evaluation.json"),
    ("BulkPredictions", "predictions_file", "predictions.csv"),
]


@pytest.fixture
def finish(monkeypatch, tmp_path):
    """Returns `finish(component)`: what `run` does when that one is done, whose file says "new"."""

    def finish_one(component):
        class Runner:
            def __init__(self, arguments, on_start, on_finish):
                self._finish = on_finish

            def run(self, pipeline):
                self._finish(SimpleNamespace(name=component, cached=False, seconds=1.0))
                return []

        monkeypatch.setattr("pipelines.runners.LocalRunner", Runner)
        shown = SimpleNamespace(start=lambda title: None, print=lambda *_, **__: None)
        run._run_pipeline(Config(images="images", output=str(tmp_path)), shown)

    made = tmp_path / "made"
    made.write_text("new")
    for _, file, _ in TABLES:
        monkeypatch.setattr(f"{SUMMARY}.{file}", lambda component: str(made))
    monkeypatch.setattr(f"{SUMMARY}.produced", lambda component: "")
    monkeypatch.setattr(run, "_checked_pipeline", lambda config: None)
    monkeypatch.setattr(run, "_conclude", lambda config, components, shown: 0)
    return finish_one


@pytest.mark.parametrize("component, _, table", TABLES)
def test_tables_are_replaced_whole_or_not_at_all(finish, tmp_path, monkeypatch, component, _, table):
    (tmp_path / table).write_text("old")

    def copy(source, target):
        shutil.copyfile(source, target)
        raise OSError("No space left on device")

    with monkeypatch.context() as context:
        context.setattr("shutil.copy", copy)
        with pytest.raises(OSError, match="No space"):
            finish(component)
    assert (tmp_path / table).read_text() == "old"
    finish(component)
    assert (tmp_path / table).read_text() == "new"


def test_predictions_of_an_older_model_do_not_stay_where_there_are_none(finish, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{SUMMARY}.predictions_file", lambda component: None)
    (tmp_path / "predictions.csv").write_text("old")
    finish("BulkPredictions")
    assert not (tmp_path / "predictions.csv").exists()
    finish("BulkPredictions")
