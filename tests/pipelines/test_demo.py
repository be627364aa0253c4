"""What `make demo` promises."""

import re
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_demo(tmp_path):
    command = [sys.executable, "-m", "pipelines.demo"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    [accuracy] = re.findall(r"Accuracy on test ([\d.]+)", result.stdout)
    assert float(accuracy) >= 0.97
    classified = re.findall(r"runs/digits/(\d)/\d+\.png  ->  (\d)  \([\d.]+\)", result.stdout)
    assert len(classified) == 5
    assert sum(folder == label for folder, label in classified) >= 4
