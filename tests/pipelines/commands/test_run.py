"""What `keras-ext run` copies into OUT; the whole command is run by the end-to-end tests."""

import shutil
from types import SimpleNamespace

import pytest

from pipelines.cli import main
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


def test_an_output_in_the_images_is_refused_before_anything_runs(make_image_folder, monkeypatch, capsys):
    monkeypatch.setattr(run, "_run", lambda config: 0)
    images = make_image_folder({"cats": 2, "dogs": 2})
    assert main(["run", str(images), "--output", str(images / "out")]) == 1
    assert "--output must not lie in the images" in capsys.readouterr().err
    assert not (images / "out").exists()
    (images / "list.csv").write_text("path,label\ncats/0000.png,cats\ndogs/0000.png,dogs\n")
    named = ["--set", f"ingest.manifest={images / 'list.csv'}"]  # nothing else is read
    assert main(["run", str(images), "--output", str(images / "out"), *named]) == 0
