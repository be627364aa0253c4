"""The command line as a user meets it, as a subprocess."""

import subprocess
import sys

import pytest


def keras_ext(*arguments, **options):
    command = [sys.executable, "-m", "pipelines.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help():
    result = keras_ext("--help")
    assert result.returncode == 0
    assert "run the whole pipeline" in result.stdout


def test_no_command_is_a_usage_error():
    result = keras_ext()
    assert result.returncode == 2
    assert "COMMAND" in result.stderr


@pytest.mark.parametrize("command", [["run", "--output", "out"], ["inspect"]])
def test_no_such_directory(command, tmp_path):
    result = keras_ext(command[0], tmp_path / "nowhere", *command[1:], cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("keras-ext: ")
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_mistyped_setting(tmp_path):
    result = keras_ext("run", tmp_path, "--output", tmp_path / "out", "--set", "train.epoch=3")
    assert result.returncode == 1
    assert result.stderr == "keras-ext: 'train.epoch' is not a setting. Did you mean 'train.epochs'?\n"
