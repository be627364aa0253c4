"""The user's own model and augmentation, and the search for settings, through the command line."""

import json
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

COUNTS = {"train": {"cats": 24, "dogs": 24}, "val": {"cats": 8, "dogs": 8}}
MODEL = """
import keras

from blocks import block


def build(image_shape, num_classes, width=3):
    images = keras.Input(image_shape)
    x = block(keras.layers.Rescaling(1 / 255)(images), width)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(num_classes, activation="softmax")(x))
"""
BLOCKS = """
import keras


@keras.saving.register_keras_serializable(package="mine")
class Mine(keras.layers.Conv2D):
    pass


def block(x, width):
    return Mine(width, 3, activation="relu", name="mine")(x)
"""
LAYERS = """
import keras


class Sepia(keras.layers.Layer):
    def __init__(self, strength=1.0, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength

    def call(self, images):
        return images * (1 - self.strength)
"""
SETTINGS = """
[model]
builder = "code/my_model.py:build"

[augmentation]
layers = [{layer = "code/my_layers.py:Sepia", strength = 0.1}]

[train]
epochs = 1

[evaluation]
min_accuracy = 0
"""
SEARCH = """
[tuner]
max_trials = 3
epochs = 1

[tuner.space]
model.arguments.width = {min = 4, max = 9}
train.learning_rate = {min = 1e-3, max = 1e-1, sampling = "log"}
"""
ROW = re.compile(r"^(\w+) +[\d.]+  (cached|ran|-) +(.*)$", re.MULTILINE)


@pytest.fixture
def place(make_image_folder, tmp_path):
    make_image_folder(COUNTS)
    (tmp_path / "code").mkdir()
    for name, text in {"my_model": MODEL, "blocks": BLOCKS, "my_layers": LAYERS}.items():
        (tmp_path / "code" / f"{name}.py").write_text(text)
    (tmp_path / "settings.toml").write_text(SETTINGS)
    return tmp_path


def run(place, *options):
    command = [sys.executable, "-m", "pipelines.cli", "run", "images", "--output", "out", "--config", "settings.toml"]
    result = subprocess.run([*command, *options], cwd=place, capture_output=True, text=True, check=False, timeout=1800)
    print(result.stdout, result.stderr)
    return result, {name: (cache, produced) for name, cache, produced in ROW.findall(result.stdout)}


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def widths(place):
    """The width of the newest pushed model, read where the code is gone."""
    code = """if True:
        import pathlib, sys
        import tensorflow as tf
        newest = max(pathlib.Path("out/serving").iterdir())
        model = tf.saved_model.load(str(newest))
        files = [file.read_bytes() for file in sorted(pathlib.Path("images/val").rglob("*.png"))]
        outputs = model.signatures["serving_default"](tf.constant(files))
        assert outputs["probabilities"].shape == (len(files), 2)
        print([variable.shape[-1] for variable in model.variables if len(variable.shape) == 4])
    """
    (place / "code").rename(place / "gone")
    result = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False)
    (place / "gone").rename(place / "code")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_an_edit_of_the_code_and_nothing_else_trains_again(place):
    result, rows = run(place)
    assert result.returncode == 0, result.stderr
    assert "Tuner" not in rows
    assert widths(place) == [3]

    (place / "code" / "notes.py").write_text("# not imported")
    _, rows = run(place)
    assert rows["Trainer"][0] == rows["Transform"][0] == "cached"

    edit(place / "code" / "blocks.py", "Mine(width,", "Mine(width + 2,")
    _, rows = run(place)
    assert (rows["Transform"][0], rows["Trainer"][0]) == ("cached", "ran")
    assert widths(place) == [5]

    edit(place / "code" / "my_model.py", "num_classes, activation", "num_classes + 1, activation")
    result, _ = run(place, "--dry-run")
    assert result.returncode == 1
    [message] = result.stderr.splitlines()
    assert "must have one output of shape ('batch', 2)" in message


def test_the_best_of_a_search_reaches_training_and_a_failed_trial_ends_the_run(place):
    (place / "settings.toml").write_text(SETTINGS + SEARCH)
    result, rows = run(place)
    assert result.returncode == 0, result.stderr
    [file] = place.glob("out/artifacts/Tuner/best_hyperparameters/*/*.txt")
    best = json.loads(file.read_text())["values"]
    assert 4 <= best["model.arguments.width"] <= 9
    assert widths(place) == [best["model.arguments.width"]]
    assert rows["Tuner"][1] == (
        f"best of 3 trials, with score {rows['Tuner'][1].split('score ')[1].split(':')[0]}: "
        f"model.arguments.width = {best['model.arguments.width']}, "
        f"train.learning_rate = {best['train.learning_rate']:.4g}"
    )
    assert not [path for path in place.glob("out/artifacts/Tuner/.system/**/*") if path.is_file()]

    # How long Trainer trains is none of the search's business; its seed is.
    _, rows = run(place, "--set", "train.epochs=2")
    assert (rows["Tuner"][0], rows["Trainer"][0]) == ("cached", "ran")

    result, rows = run(place, "--set", "tuner.space.train.learning_rate=[1e-3, 1e30]")
    assert result.returncode == 1
    assert "Trainer" not in rows
    assert re.search(r"Tuner failed: the trial of .*train.learning_rate = 1e\+30 failed: ", result.stderr)
