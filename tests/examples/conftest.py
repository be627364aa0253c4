"""The images of the examples, and running what a README says to run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The folder that `digits.py` writes."""
    folder = tmp_path_factory.mktemp("examples") / "digits"
    subprocess.run([sys.executable, str(EXAMPLES / "digits.py"), str(folder)], check=True)
    return folder


@pytest.fixture
def run(tmp_path):
    """Returns `run(*command)`, which runs it in an empty folder and returns what it prints."""

    def run_in_a_folder(*command, cwd=tmp_path, **environment):
        result = subprocess.run(
            list(map(str, command)), cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        print(result.stdout, result.stderr)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_in_a_folder


@pytest.fixture
def accuracy(digits):
    """Returns `accuracy(path)`: how many of thirty digits a SavedModel names rightly, by the bytes of their files."""
    import tensorflow as tf

    def share(path):
        classify = tf.saved_model.load(str(path)).signatures["serving_default"]
        files = [digits / str(digit) / f"{number:03}.png" for digit in range(10) for number in range(3)]
        labels = classify(tf.constant([file.read_bytes() for file in files]))["label"].numpy()
        return sum(label.decode() == file.parent.name for label, file in zip(labels, files, strict=True)) / len(files)

    return share
