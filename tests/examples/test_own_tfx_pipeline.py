"""examples/own_tfx_pipeline, as its README says."""

import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_trains_pushes_and_comes_from_the_cache(digits, run, accuracy, tmp_path):
    command = (sys.executable, EXAMPLES / "own_tfx_pipeline" / "pipeline.py", digits)
    printed = run(*command)
    assert "'3': " in printed  # the weights that run_fn got
    [pushed] = (tmp_path / "serving").iterdir()
    assert accuracy(pushed) >= 0.8
    trained = sorted(tmp_path.glob("artifacts/Trainer/model/*"))
    again = run(*command)
    assert f"Pushed: serving/{pushed.name}" in again
    assert "Epoch" not in again
    assert sorted(tmp_path.glob("artifacts/Trainer/model/*")) == trained
