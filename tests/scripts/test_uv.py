"""uv asks the package index that pip is configured with, which it does not read by itself."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INDEX = "https://mirror.example/index"
CONFIGURED = f"global.index-url='{INDEX}'\nglobal.timeout='60'\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Returns `checkout(configured)`: the scripts beside an environment whose pip is configured so."""
    for name in ("VENV", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)

    def make(configured):
        root = tmp_path / "a checkout"
        shutil.copytree(ROOT / "scripts", root / "scripts")
        programs = root / ".venv" / "bin"
        programs.mkdir(parents=True)
        (root / "pip_config").write_text(configured)
        for name, says in {"python": "cat pip_config", "uv": 'echo "${UV_DEFAULT_INDEX-none} $*" >>calls'}.items():
            (programs / name).write_text(f"#!/bin/sh\n{says}\n")
            (programs / name).chmod(0o755)
        return root

    return make


def uv(root):
    subprocess.run(["scripts/uv.sh", "pip", "list"], cwd=root, check=True)
    return (root / "calls").read_text()


@pytest.mark.parametrize("configured, index", [
    (CONFIGURED, INDEX),
    (f":env:.index-url='{INDEX}'\nglobal.index-url='https://other.example'\n", INDEX),
    ("", "none"),
    ("global.extra-index-url='https://other.example'\n", "none"),
])  # fmt: skip
def test_the_index_of_pip(checkout, configured, index):
    assert uv(checkout(configured)) == f"{index} pip list\n"


def test_uv_s_own_index_comes_first(checkout, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example")
    assert uv(checkout(CONFIGURED)) == "https://own.example pip list\n"


def test_locking_asks_the_same_index(checkout):
    root = checkout(CONFIGURED)
    (root / "requirements").mkdir()
    (root / "requirements" / "classic-py311.txt").touch()
    subprocess.run(["scripts/lock.sh", "--upgrade"], cwd=root, check=True)
    [call] = (root / "calls").read_text().splitlines()
    assert call.startswith(f"{INDEX} --quiet pip compile setup.cfg")
    assert call.endswith("--upgrade --output-file requirements/classic-py311.txt")
