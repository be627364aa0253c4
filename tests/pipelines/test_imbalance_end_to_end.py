"""Strategies against imbalance through the command line: the components that run, and the summary."""

import json
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

COUNTS = {"train": {"cats": 60, "dogs": 12}, "val": {"cats": 10, "dogs": 6}, "test": {"cats": 8, "dogs": 8}}


def run(folder, *settings):
    command = [sys.executable, "-m", "pipelines.cli", "run", str(folder), "--output", "out"]
    chosen = [f"--set={one}" for one in ("train.epochs=2", "evaluation.min_accuracy=0", *settings) if "=" in one]
    flags = [one for one in settings if one.startswith("--")]
    return subprocess.run(
        [*command, *chosen, *flags], cwd=folder.parent, capture_output=True, text=True, check=False, timeout=600
    )


def table(result):
    """The rows of the table of classes."""
    rows = [line.split() for line in result.stdout.splitlines()]
    return {row[0]: row[1:] for row in rows if row and row[0] in ("class", "cats", "dogs")}


@pytest.mark.parametrize(
    "settings, weights, column, of_dogs",
    [
        (
            ["imbalance.strategy=balanced", "imbalance.max_ratio=4"],
            {"0": 72 / 108, "1": 4 * 72 / 108},
            ["weight"],
            ["2.67"],
        ),
        (["imbalance.strategy=logit_adjustment"], {"0": 1, "1": 1}, [], []),
        (["imbalance.strategy=oversample"], {"0": 1, "1": 1}, ["times", "an", "epoch"], ["5"]),
    ],
)
def test_counts_reach_training_and_the_summary(make_image_folder, settings, weights, column, of_dogs):
    folder = make_image_folder(COUNTS)
    result = run(folder, *settings)
    assert result.returncode == 0, result.stderr
    [file] = (folder.parent / "out" / "artifacts" / "ClassWeights").rglob("class_weights.json")
    content = json.loads(file.read_text())
    assert content["counts"] == {"0": 60, "1": 12}
    assert content["weights"] == pytest.approx(weights)
    rows = table(result)
    assert rows["class"] == ["train", "images", *column, "test", "images", "recall"]
    assert rows["dogs"][:-1] == ["12", *of_dogs, "8"]
    assert re.fullmatch(r"[01]\.\d{4}", rows["dogs"][-1])
    assert re.search(r"^ClassWeights .* 12 to 60 images a class", result.stdout, re.MULTILINE)
    assert set(rows) == {"class", "cats", "dogs"}


def test_dry_run_refuses_weights_for_mixed_labels(make_image_folder):
    folder = make_image_folder({"a": 3, "b": 3})
    mixing = 'augmentation.layers=[{layer="CutMix"}]'
    result = run(folder, "imbalance.strategy=balanced", mixing, "--dry-run")
    assert result.returncode == 1
    assert (
        "'balanced' weighs each image by its class, and an image that MixUp or CutMix blended has no single class"
        in (result.stderr)
    )
    assert len(result.stderr.splitlines()) == 1
    assert not (folder.parent / "out").exists()
