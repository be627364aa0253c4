"""examples/own_tfx_pipeline, as its README says."""

import shutil
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_trains_pushes_and_comes_from_the_cache(digits, run, accuracy, tmp_path):
    pipeline = shutil.copytree(EXAMPLES / "own_tfx_pipeline", tmp_path / "example") / "pipeline.py"
    command = (sys.executable, pipeline, digits)
    printed = run(*command)
    assert "'3': " in printed  # the weights that run_fn got
    [pushed] = (tmp_path / "serving").iterdir()
    assert accuracy(pushed) >= 0.8
    trained = sorted(tmp_path.glob("artifacts/Trainer/model/*"))
    pipeline.write_text(pipeline.read_text() + "# An edit of the pipeline is none of the training.\n")
    again = run(*command)
    assert f"Pushed: serving/{pushed.name}" in again
    assert "Epoch" not in again
    assert sorted(tmp_path.glob("artifacts/Trainer/model/*")) == trained
