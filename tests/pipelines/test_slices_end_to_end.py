"""Columns of a manifest as slices, with thresholds, through the command line."""

import csv
import json
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SETTINGS = """
[ingest]
columns = {group = "scene"}
extra_columns = ["camera", "age"]
split = "group"
ratios = {train = 0.5, eval = 0.2, test = 0.3}
[image]
size = [32, 32]
[train]
epochs = 2
[evaluation]
slices = ["camera", "age", "group"]
[evaluation.slice_thresholds."camera=night"]
log_loss = 0.000001
"""


@pytest.fixture
def manifest(make_image_folder):
    """Eighty images of two classes, of forty scenes, by two cameras, some of unknown age."""
    folder = make_image_folder({"cats": 40, "dogs": 40})
    files = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
    rows = [
        f"{file},{file[:4]},scene {row // 2},{'night' if row % 4 < 2 else 'day'},{row if row % 5 else ''}"
        for row, file in enumerate(files)
    ]
    (folder / "labels.csv").write_text("\n".join(["path,label,scene,camera,age", *rows]))
    (folder / "settings.toml").write_text(SETTINGS)
    return folder / "labels.csv"


def run(manifest, *overrides):
    command = [sys.executable, "-m", "pipelines.cli", "run", str(manifest), "--output", "out", "--config"]
    chosen = [f"--set={override}" for override in overrides]
    result = subprocess.run(
        [*command, "settings.toml", *chosen],
        cwd=manifest.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    print(result.stdout, result.stderr)
    content = (manifest.parent / "out" / "evaluation.json").read_text(encoding="utf-8")
    return (
        result,
        json.loads(content),
        dict(re.findall(r"^(\w+) +[\d.]+  (cached|ran|-) ", result.stdout, re.MULTILINE)),
    )


def test_columns_are_slices_and_a_slice_has_its_threshold(manifest):
    result, evaluation, _ = run(manifest)
    assert result.returncode == 3
    night = evaluation["slices"]["camera"]["night"]
    assert f"Not blessed: log_loss of camera=night ({night['images']} images) " in result.stdout
    assert "is above its threshold 1e-06" in result.stdout
    assert "Worst slices: " in result.stdout
    assert set(evaluation["slices"]["camera"]) == {"day", "night"}
    assert list(evaluation["slices"]["age"])[-1] == "(empty)"
    assert all(name.startswith("[") for name in list(evaluation["slices"]["age"])[:-1])
    for rows in evaluation["slices"].values():
        assert sum(row["images"] for row in rows.values()) == evaluation["images"]
    assert evaluation["units"] == len(evaluation["slices"]["group"]) == evaluation["images"] / 2
    assert f"({evaluation['images']} images of {evaluation['units']} groups)" in result.stdout

    # Another threshold is another verdict; nothing else runs again.
    result, evaluation, caches = run(
        manifest, 'evaluation.slice_thresholds={"camera=night" = {log_loss = 1000.0}, class = {recall = 0.0}}'
    )
    assert result.returncode == 0
    assert evaluation["blessed"] is True
    assert {name for name, cache in caches.items() if cache == "ran"} == {"Evaluator", "Pusher"}
    assert accuracy_of_predict(manifest, evaluation["slices"]["group"]) == evaluation["figures"]["accuracy"]["value"]


def accuracy_of_predict(manifest, scenes):
    """Classifies all images by the command, and counts those of the scored scenes."""
    command = [sys.executable, "-m", "pipelines.cli", "predict", "out", "labels.csv", "--output", "predictions.csv"]
    subprocess.run(command, cwd=manifest.parent, check=True, timeout=300)
    with open(manifest, newline="") as file:
        scene_of = {row["path"]: row["scene"] for row in csv.DictReader(file)}
    with open(manifest.parent / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["filename"] for row in rows) == sorted(scene_of)
    right = [row["label"] == row["true_label"] for row in rows if scene_of[row["filename"]] in scenes]
    assert len(right) == sum(scene["images"] for scene in scenes.values())
    return sum(right) / len(right)
