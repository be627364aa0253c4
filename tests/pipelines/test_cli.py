"""The command line as a user meets it, as a subprocess."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from pipelines import cli
from pipelines.config import read_config
from pipelines.image_classification.config import Config


def keras_ext(*arguments, **options):
    command = [sys.executable, "-m", "pipelines.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help():
    result = keras_ext("--help")
    assert result.returncode == 0
    assert "run the whole pipeline" in result.stdout


def test_version():
    assert keras_ext("--version").stdout == f"keras-ext {version('keras-ext')}\n"


@pytest.mark.parametrize(
    "module, message",
    [
        ("tfx.orchestration", "'run' needs TFX, which is not installed here (no module 'tfx.orchestration')"),
        ("tensorflow_transform", "'run' needs TFX, which is not installed here (no module 'tensorflow_transform')"),
        ("pyarrow.parquet", "'run' needs 'pyarrow', which is not installed here: pip install pyarrow"),
    ],
)
def test_what_is_not_installed_is_said_in_one_line(monkeypatch, tmp_path, capsys, module, message):
    def fail(_):
        raise ModuleNotFoundError(name=module)

    monkeypatch.setattr("pipelines.commands.run.main", fail)
    assert cli.main(["run", str(tmp_path), "--output", "out"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"keras-ext: {message}")


def test_without_tfx_nothing_begins(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["run", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith(
        "keras-ext: 'run' needs TFX, which is not installed here (no module 'tfx')"
    )
    assert not (tmp_path / "out").exists()


def test_no_command_is_a_usage_error():
    result = keras_ext()
    assert result.returncode == 2
    assert "COMMAND" in result.stderr


@pytest.mark.parametrize("command", [["run", "--output", "out"], ["inspect"]])
def test_no_such_directory(command, tmp_path):
    result = keras_ext(command[0], tmp_path / "nowhere", *command[1:], cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("keras-ext: ")
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_mistyped_setting(tmp_path):
    result = keras_ext("run", tmp_path, "--output", tmp_path / "out", "--set", "train.epoch=3")
    assert result.returncode == 2
    assert result.stderr == "keras-ext: 'train.epoch' is not a setting. Did you mean 'train.epochs'?\n"


def test_a_mistyped_key_in_a_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[train]\nepoch = 3\n")
    result = keras_ext("run", tmp_path, "--output", tmp_path / "out", "--config", file)
    assert result.returncode == 2
    assert result.stderr == f"keras-ext: {file}: 'train.epoch' is not a setting. Did you mean 'train.epochs'?\n"


@pytest.mark.parametrize("command", ["run", "inspect", "split", "preview", "predict"])
def test_images_that_are_not_there(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "first.jpg").touch()
    before = ["model"] if command == "predict" else []
    wrong = ["photos/frist.jpg", *([] if command in ("inspect", "predict") else ["--output", "out"])]
    assert cli.main([command, *before, *wrong]) == 2
    message = "IMAGES must be there. Received: 'photos/frist.jpg', which is not. Did you mean 'photos/first.jpg'?"
    assert capsys.readouterr().err == f"keras-ext: {message}\n"
    assert cli.main([command, *before, "photso/", *wrong[1:]]) == 2
    assert capsys.readouterr().err.endswith("'photso/', which is not. Did you mean 'photos'?\n")
    assert cli.main([command, *before, "nowhere/x", *wrong[1:]]) == 2
    assert capsys.readouterr().err.endswith("'nowhere/x', which is not.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


@pytest.mark.parametrize("arguments, message", [
    (["--set", "train.epochs", "3"], "unrecognized arguments: 3. Settings are written --set NAME=VALUE; quote "),
    (["--top", "3"], "unrecognized arguments: --top 3\n"),
])  # fmt: skip
def test_what_a_command_does_not_take_prints_its_usage(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "photos", "--output", "out", *arguments])
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("usage: keras-ext run ")
    assert f"keras-ext run: error: {message}" in printed


@pytest.mark.slow
def test_dry_run_prints_settings_and_components_and_makes_nothing(make_image_folder, tmp_path):
    directory = make_image_folder({"train": {"a": 3, "b": 3}, "val": {"a": 1, "b": 1}})
    result = keras_ext("run", directory, "--output", tmp_path / "out", "--set", "train.epochs=3", "--dry-run")
    assert result.returncode == 0
    assert not result.stderr
    file = tmp_path / "printed.toml"
    file.write_text(result.stdout)
    config = read_config(Config, file, images=str(directory), output="out")
    assert (config.train.epochs, config.image.size, config.evaluation.split) == (3, (32, 32), "eval")
    graph = dict(re.findall(r"^# (\w+) +<- (.*)$", result.stdout, re.MULTILINE))
    assert graph["StatisticsGen"] == "DirectoryExampleGen"
    assert graph["Trainer"] == "DirectoryExampleGen, ImageSchema, Transform"
    assert "SkewValidator" in graph["Evaluator"].split(", ")
    assert graph["Pusher"] == "Evaluator, SkewValidator, Trainer"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting, message",
    [
        ("model.architecture=MobileNetV3Smal", "Did you mean 'MobileNetV3Small'"),
        ('augmentation.layers=[{layer="RandomFlipp"}]', "Did you mean 'RandomFlip'"),
    ],
)
def test_dry_run_refuses_what_training_would_refuse(make_image_folder, tmp_path, setting, message):
    directory = make_image_folder({"a": 3, "b": 3})
    result = keras_ext("run", directory, "--output", tmp_path / "out", "--set", setting, "--dry-run")
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
