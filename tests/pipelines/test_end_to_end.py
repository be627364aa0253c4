"""The life of a folder: interrupted, run, run again, changed, refused. Real parts, real scans of digits."""

import csv
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipelines.image_classification import Config, create_pipeline

pytestmark = pytest.mark.slow

_SETTINGS = ("train.epochs=10", "train.batch_size=16", "image.color_mode=grayscale", 'export.formats=["keras"]')
QUICK = tuple(part for setting in _SETTINGS for part in ("--set", setting))
ROW = re.compile(r"^(\w+) +[\d.]+  (cached|ran|-) +(.*)$", re.MULTILINE)


@pytest.fixture
def digits(tmp_path):
    """Sixty scans of each of four digits, as PNG files in class folders."""
    data = load_digits()
    directory = tmp_path / "vier Ziffern (ü)"
    for label in range(4):
        folder = directory / f"digit {label}"
        folder.mkdir(parents=True)
        for number, scan in enumerate(data.images[data.target == label][:60]):
            Image.fromarray((scan * 15).astype(np.uint8)).save(folder / f"{number:02}.png")
    return directory


def command(digits, *settings):
    return [sys.executable, "-m", "pipelines.cli", "run", str(digits), "--output", "out", *QUICK, *settings]


def run(digits, *settings):
    result = subprocess.run(
        command(digits, *settings), cwd=digits.parent, capture_output=True, text=True, check=False, timeout=600
    )
    print(result.stdout, result.stderr)
    rows = {name: (cache, produced) for name, cache, produced in ROW.findall(result.stdout)}
    return result, rows


def caches(rows):
    return {name: cache for name, (cache, _) in rows.items()}


def component_names(digits):
    """What the pipeline is composed of, in its order."""
    pipeline = create_pipeline(Config(images=str(digits), output=str(digits.parent / "composed only")))
    return [component.id for component in pipeline.components]


def interrupt_after_ingest(digits):
    """Starts a run, tries a second one beside it, and presses Ctrl-C once ingest is done."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command(digits), cwd=digits.parent, text=True, **pipes) as process:
        for line in process.stdout:
            if line.startswith("DirectoryExampleGen"):
                break
        beside = subprocess.run(command(digits), cwd=digits.parent, capture_output=True, text=True, check=False)
        process.send_signal(signal.SIGINT)
        rest = process.communicate()[1]
    return beside, process.returncode, rest


def classify(digits, files):
    code = """if True:
        import json, pathlib, sys
        import tensorflow as tf
        [model] = pathlib.Path("out/serving").iterdir()
        classify = tf.saved_model.load(str(model)).signatures["serving_default"]
        result = classify(tf.constant([open(file, "rb").read() for file in sys.argv[1:]]))
        assert not {"tfx", "keras_ext"} & set(sys.modules)
        labels = [label.decode() for label in result["label"].numpy()]
        print(json.dumps([labels, result["probability"].numpy().tolist(), result["probabilities"].numpy().tolist()]))
    """
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, files)], cwd=digits.parent, capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def predicted_alike(digits):
    """Classifies new images at the end of a run and by the command, and compares the tables."""
    images = digits.parent / "new"
    images.mkdir()
    for number, file in enumerate(sorted(digits.glob("*/*.png"))[::9]):
        Image.open(file).save(images / f"=no formula, {number}.{('png', 'webp', 'tif')[number % 3]}")
    (images / "broken.jpg").write_bytes(b"")
    result, rows = run(digits, "--set", "predict.images=new")
    assert result.returncode == 0
    assert rows["PredictionExampleGen"] == ("ran", "found 28 = written 27 + rejected 1")
    assert rows["BulkPredictions"] == ("ran", "classified 27 images, 1 cannot be read")
    assert {name for name, cache in caches(rows).items() if cache == "ran"} == {
        "PredictionExampleGen", "BulkInferrer", "BulkPredictions"
    }  # fmt: skip
    assert "Predictions: out/predictions.csv" in result.stdout
    arguments = [sys.executable, "-m", "pipelines.cli", "predict", "out", "new", "--output", "new.csv"]
    subprocess.run(arguments, cwd=digits.parent, check=True)
    tables = []
    for path in (digits.parent / "out" / "predictions.csv", digits.parent / "new.csv"):
        with open(path, newline="", encoding="utf-8") as file:
            tables.append(sorted(csv.DictReader(file), key=lambda row: row["filename"]))
    for bulk, command_line in zip(*tables, strict=True):
        assert list(bulk) == list(command_line) == ["filename", "label", "probability", "error"]
        assert float(bulk.pop("probability") or 0) == pytest.approx(
            float(command_line.pop("probability") or 0), abs=1e-6
        )
        assert bulk == command_line
    assert sum(row["label"] != "" for row in tables[0]) == 27


def test_the_life_of_a_folder(digits):
    out = digits.parent / "out"

    beside, code, rest = interrupt_after_ingest(digits)
    assert beside.returncode == 1
    assert "Another run is alive in" in beside.stderr
    assert code == 130
    assert "Run the same command again" in rest

    # What was finished is served from the cache, the rest runs.
    result, rows = run(digits)
    assert result.returncode == 0
    assert list(rows) == component_names(digits)
    assert caches(rows)["DirectoryExampleGen"] == "cached"
    assert caches(rows)["Trainer"] == "ran"
    assert "found 240 = written 240 + rejected 0" in rows["DirectoryExampleGen"][1]
    assert rows["ExampleValidator"][1] == "no anomalies"
    accuracy, _ = re.search(
        r"Accuracy on test ([\d.]+) \[[\d., ]+\], macro recall [^(]+ \((\d+) images\)", result.stdout
    ).groups()
    assert float(accuracy) >= 0.7
    assert re.search(r"serving equals training to \d\.\de[-+]\d+ on 2\d images \(2\d png\)", rows["SkewValidator"][1])
    [version] = (out / "serving").iterdir()
    assert f"Model: out/serving/{version.name}" in result.stdout
    assert (version / "assets.extra" / "model.keras").exists()
    assert {path.name for path in out.iterdir()} >= {"metadata.sqlite", "artifacts", "rejected.csv", "run.log"}

    # Nothing changed: nothing runs. Beam's options are no change.
    result, rows = run(digits, "--set", "beam.workers=2")
    assert result.returncode == 0
    assert set(caches(rows).values()) == {"cached", "-"}
    assert caches(rows)["Baseline"] == "-"
    assert list((out / "serving").iterdir()) == [version]

    # The pushed model needs TensorFlow alone, and classifies raw bytes.
    files = sorted(digits.glob("*/*.png"))
    labels, probability, probabilities = classify(digits, files)
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(np.max(probabilities, axis=1), probability)
    assert np.mean([label == file.parent.name for label, file in zip(labels, files, strict=True)]) >= 0.7

    # It classifies other images by BulkInferrer as by `keras-ext predict`, files that cannot be read among them.
    predicted_alike(digits)

    # A model below the threshold is not pushed, and the run says by how much it failed.
    untrained = ("--set", "train.epochs=1", "--set", "train.learning_rate=1e-9", "--set", "evaluation.tolerance=1")
    result, rows = run(digits, *untrained, "--set", "evaluation.min_accuracy=0.99")
    assert result.returncode == 3
    assert re.search(r"Not blessed: accuracy [\d.]+ is below its threshold 0.99 by [\d.]+\.", result.stdout)
    assert caches(rows)["Transform"] == "cached"
    assert caches(rows)["Trainer"] == caches(rows)["Evaluator"] == "ran"
    assert list((out / "serving").iterdir()) == [version]

    # One that is worse than the last blessed one is not pushed either.
    result, rows = run(digits, *untrained[:4], "--set", "evaluation.min_accuracy=0")
    assert result.returncode == 3
    assert re.search(
        r"Not blessed: accuracy is [\d.]+ \[[\d., -]+\] lower than the last blessed model's; ", result.stdout
    )
    assert caches(rows)["Trainer"] == "cached"
    assert rows["Baseline"][1].startswith("compare with out/artifacts/Trainer/model/")

    # A file moved between classes and a broken one are noticed; the new model is compared with the old.
    (digits / "digit 0" / "00.png").rename(digits / "digit 1" / "moved.png")
    (digits / "digit 2" / "broken.png").write_text("no image")
    result, rows = run(digits)
    assert "found 241 = written 240 + rejected 1" in rows["DirectoryExampleGen"][1]
    assert caches(rows)["DirectoryExampleGen"] == caches(rows)["Trainer"] == "ran"
    assert rows["Baseline"][1].startswith("compare with out/artifacts/Trainer/model/")
    with open(out / "rejected.csv", newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert row["path"] == "digit 2/broken.png"
    assert result.returncode == (0 if "Model: out/serving/" in result.stdout else 3)


def test_too_many_rejected_files_stop_the_run(digits):
    for file in sorted(digits.glob("digit 3/*.png"))[:30]:
        file.write_bytes(file.read_bytes()[:20])
    result, rows = run(digits)
    assert result.returncode == 1
    assert not rows
    error, log = result.stderr.splitlines()
    assert error.startswith("keras-ext: DirectoryExampleGen failed: ")
    assert "30 of 240" in error
    assert "digit 3/00.png" in error
    assert error.endswith("All of them: out/rejected.csv")
    with open(digits.parent / "out" / "rejected.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 30
    assert log == "Log: out/run.log"
    assert "Traceback" in (digits.parent / "out" / "run.log").read_text()


def test_another_input_is_refused(digits, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "input.json").write_text(json.dumps({"images": "/elsewhere"}))
    result, _ = run(digits)
    assert result.returncode == 1
    assert "belongs to the images in '/elsewhere'" in result.stderr
