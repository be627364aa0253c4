"""examples/custom_model, as its README says."""

import re
import shutil
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_model"


@pytest.mark.slow
def test_trains_with_the_model_and_the_layer_of_the_file(digits, run, accuracy, tmp_path):
    for name in ("my_model.py", "settings.toml"):
        shutil.copy(EXAMPLE / name, tmp_path)
    keras_ext = (sys.executable, "-m", "pipelines.cli")
    settings = ("--config", "settings.toml")
    run(*keras_ext, "preview", digits, *settings, "--output", "ink.png")
    assert (tmp_path / "ink.png").stat().st_size > 10_000
    printed = run(*keras_ext, "run", digits, *settings, "--output", "runs/digits")
    assert float(re.search(r"macro recall ([\d.]+)", printed)[1]) > 0.8
    (tmp_path / "my_model.py").unlink()  # the exported model does without it
    [pushed] = (tmp_path / "runs/digits/serving").iterdir()
    assert accuracy(pushed) >= 0.8
