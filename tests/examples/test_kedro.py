"""examples/kedro, as its README says: in an environment of its own, made of its requirements by the index."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNREACHABLE = (
    "error sending request",
    "Failed to fetch",
    "dns error",
    "Network connectivity is disabled",
    "the network was disabled",
)


@pytest.fixture
def project(tmp_path):
    """The example in a copy of the checkout: what is installed from `../..` is built in its folder."""
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("keras_ext", "tfx_components", "pipelines", "examples/kedro"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".venv", "data"))
    return tmp_path / "examples" / "kedro"


@pytest.fixture
def environment(project, monkeypatch):
    """The folder of the programs of the environment that its requirements.txt declares."""
    monkeypatch.setenv("VENV", sys.prefix)
    monkeypatch.setenv("DO_NOT_TRACK", "1")  # Kedro reports its use otherwise
    monkeypatch.delenv("PYTHONPATH", raising=False)
    uv = str(ROOT / "scripts" / "uv.sh")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, ".venv"], cwd=project, check=True)
    install = [uv, "pip", "install", "--quiet", "--python", ".venv", "--requirement", "requirements.txt"]
    result = subprocess.run(install, cwd=project, capture_output=True, text=True, check=False)
    signs = [line.strip() for line in result.stderr.splitlines() if any(sign in line for sign in UNREACHABLE)]
    if result.returncode and signs:
        without_index(signs[0])
    assert result.returncode == 0, result.stderr
    return project / ".venv" / "bin"


def without_index(sign):
    """Skips a test that needs the package index, but not in CI: nobody would see there that it never runs."""
    reason = f"the package index cannot be reached ({sign})"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; a failure because CI is set, else a skip", pytrace=False)
    pytest.skip(reason)


@pytest.mark.slow
def test_prepares_trains_registers_and_goes_on_from_the_middle(project, environment, digits, run, accuracy):
    shutil.copytree(digits, project / "data" / "01_raw" / "digits")
    printed = run(environment / "kedro", "run", cwd=project)
    assert "Pipeline execution completed" in printed
    weights = json.loads((project / "data/05_model_input/class_weights.json").read_text())
    assert weights["3"] > 5 > 1 > weights["0"]
    [version] = (project / "data/06_models/classifier.keras").iterdir()
    [report] = (project / "data/08_reporting/report.json").glob("*/report.json")
    assert version.name == report.parent.name
    assert json.loads(report.read_text())["macro_recall"] > 0.8
    served = project / "data/07_model_output/serving"
    assert accuracy(served / "1") >= 0.8

    run(environment / "kedro", "run", "--from-nodes", "register", cwd=project)
    assert sorted(folder.name for folder in served.iterdir()) == ["1", "2"]

    refused = subprocess.run(
        [environment / "kedro", "run", "--from-nodes", "register", "--params", "register.min_macro_recall=1.1"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "is not registered" in refused.stdout + refused.stderr
    assert sorted(folder.name for folder in served.iterdir()) == ["1", "2"]


@pytest.mark.parametrize("ci, outcome", [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_an_index_out_of_reach_fails_where_ci_runs(monkeypatch, tmp_path, request, ci, outcome):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")  # where nothing answers
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(outcome, match=r"the package index cannot be reached .*http://127\.0\.0\.1:9/simple"):
        request.getfixturevalue("environment")
