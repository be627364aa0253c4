"""The making of the environment: once, again after a change, and never taken for whole when it broke off."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Stands for python and uv: notes how it was called; `sync` fails where a file named "fail" lies.
FAKE = """#!/bin/sh
case "$*" in
    *ensurepip*) echo "3.11 venv $0" ;;
    "-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && cp "$0" "$4/bin/uv" && echo venv >>calls ;;
    *sync*) echo sync >>calls && [ ! -e fail ] ;;
    *editable*) echo editable >>calls ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """Returns a copy of what makes the environment, with a fake interpreter."""
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    (root / "fake").write_text(FAKE)
    (root / "fake").chmod(0o755)
    return root


@pytest.fixture
def make(checkout, monkeypatch):
    """Returns a function that makes the environment; it returns whether that worked, and what was called."""
    for name in ("VENV", "STACK_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STACK_GLIBC", "2.36")
    monkeypatch.setenv("STACK_SYSTEM", "Linux x86_64")
    monkeypatch.setenv("PYTHON", str(checkout / "fake"))

    def run():
        (checkout / "calls").write_text("")
        script = checkout / "scripts" / "environment.sh"
        result = subprocess.run([script], capture_output=True, text=True, check=False)
        return result.returncode == 0, (checkout / "calls").read_text().split()

    return run


def test_made_once(make, checkout):
    assert make() == (True, ["venv", "sync", "editable"])
    assert (checkout / ".venv" / "stamp").read_text().startswith("classic-py311\n")
    assert make() == (True, [])


@pytest.mark.parametrize("name", ["setup.cfg", "requirements/classic-py311.txt"])
def test_updated_after_a_change(make, checkout, name):
    make()
    with (checkout / name).open("a") as file:
        file.write("\n")
    assert make() == (True, ["sync", "editable"])
    assert make() == (True, [])


def test_another_lock_changes_nothing(make, checkout):
    make()
    (checkout / "requirements" / "classic-py310.txt").write_text("")
    assert make() == (True, [])


def test_half_an_environment_is_made_anew(make, checkout):
    (checkout / "fail").touch()
    assert make() == (False, ["venv", "sync"])
    (checkout / "fail").unlink()
    assert make() == (True, ["venv", "sync", "editable"])


def test_half_an_update_is_made_anew(make, checkout):
    make()
    (checkout / "setup.cfg").write_text((checkout / "setup.cfg").read_text() + "\n")
    (checkout / "fail").touch()
    assert make() == (False, ["sync"])
    (checkout / "fail").unlink()
    assert make() == (True, ["venv", "sync", "editable"])


def test_made_anew_for_another_stack_or_place_or_interpreter(make, checkout, monkeypatch):
    make()
    monkeypatch.setenv("STACK_GLIBC", "2.41")
    assert make() == (True, ["venv", "sync", "editable"])
    monkeypatch.setenv("PYTHON", str(shutil.copy(checkout / "fake", checkout / "fake2")))
    assert make() == (True, ["venv", "sync", "editable"])


def test_an_interpreter_that_is_gone(make, checkout):
    make()
    (checkout / ".venv" / "bin" / "python").unlink()
    assert make() == (True, ["venv", "sync", "editable"])
