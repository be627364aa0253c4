"""What `keras-ext predict` writes and prints."""

import csv
import io
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_ext.export import export_classifier
from keras_ext.layers import DecodeImage
from keras_ext.prediction import Classifier
from pipelines.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The output folder of a run, with a model of three classes."""
    out = tmp_path_factory.mktemp("out")
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 64)(images))
    network = keras.Model(images, keras.layers.Dense(3, activation="softmax")(x))
    export_classifier(network, str(out / "serving" / "7"), ["birds", "cats", "dogs"], DecodeImage(8, 8))
    return out


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 6, "dogs": 5})


def predict(model, *arguments):
    return main(["predict", str(model), *map(str, arguments)])


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_labelled_folder(model, photos, tmp_path, capsys):
    (photos / "cats" / "broken.jpg").write_bytes(b"text")
    assert predict(model, photos, "--output", tmp_path / "out.csv") == 0
    expected = list(Classifier(model).predict(str(photos)))
    found = rows(tmp_path / "out.csv")
    assert list(found[0]) == ["filename", "label", "probability", "true_label", "error"]
    assert [(row["filename"], row["label"] or None, row["true_label"], row["error"] or None) for row in found] == [
        (one.filename, one.label, one.true_label, one.error) for one in expected
    ]
    known = [
        (float(row["probability"]), one.probability) for row, one in zip(found, expected, strict=True) if row["label"]
    ]
    assert len(known) == 11
    np.testing.assert_allclose(*zip(*known, strict=True), atol=1e-6)

    printed = capsys.readouterr().out
    right = sum(one.label == one.true_label for one in expected)
    assert f"Accuracy {right / 11:.4f}, macro recall " in printed
    lines = [line.split() for line in printed.splitlines()]
    assert ["class", "predicted", "images", "precision", "recall"] in lines
    cats = sum(one.label == one.true_label == "cats" for one in expected)
    [row] = [line for line in lines if line[:1] == ["cats"]]
    assert row[1:3] == [str(sum(one.label == "cats" for one in expected)), "6"]
    assert row[4] == f"{cats / 6:.4f}"
    assert "1 cannot be read: not an image\n" in printed
    assert "Found 12 images: 11 classified, 1 cannot be read.\n" in printed
    assert printed.endswith("out.csv\n")


def test_without_an_output_the_table_alone_is_printed(model, photos, capsys):
    files = sorted((photos / "cats").glob("*.jpg"))
    assert predict(model, *files, "--top", "2", "--all", "--batch-size", "2") == 0
    printed = capsys.readouterr()
    header, *lines = printed.out.splitlines()
    assert header == (
        "filename,label,probability,label_2,probability_2,probability: birds,probability: cats,probability: dogs,error"
    )
    assert [line.split(",")[0] for line in lines] == list(map(str, files))
    assert "Found 3 images: 3 classified, 0 cannot be read." in printed.err
    assert "Accuracy" not in printed.err
    assert printed.err.startswith(f"Model: {model / 'serving' / '7'}\n")


def test_a_model_that_is_named_itself_is_not_told(model, photos, capsys):
    assert predict(model / "serving" / "7", photos / "cats" / "0000.png") == 0
    printed = capsys.readouterr().err
    assert "Model: " not in printed
    assert "Found 1 image: 1 classified" in printed


def test_a_reader_that_has_seen_enough_is_no_failure(model, photos, monkeypatch, capfd):
    class Closed(io.TextIOWrapper):  # as `| head` leaves it
        def writelines(self, lines):
            next(iter(lines))
            raise BrokenPipeError

    read, write = os.pipe()
    monkeypatch.setattr("sys.stdout", Closed(os.fdopen(write, "wb")))
    with pytest.raises(SystemExit) as ended:
        predict(model / "serving" / "7", photos)
    assert ended.value.code == 141
    assert capfd.readouterr().err == ""
    print("later", file=sys.stdout, flush=True)
    assert os.read(read, 100) == b""  # nothing can fail where Python ends


def test_json_lines_from_a_manifest(model, photos, tmp_path, capsys):
    manifest = photos / "list.csv"
    manifest.write_text("file,label\ncats/0000.png,cats\ndogs/0001.jpg,wolves\ngone.png,cats\n")
    columns = ("--set", "ingest.columns={path = 'file'}")
    assert predict(model, manifest, "--output", tmp_path / "out.jsonl", *columns) == 0
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["filename"], row["true_label"], row["error"]) for row in found] == [
        ("cats/0000.png", "cats", None),
        ("dogs/0001.jpg", "wolves", None),
        ("gone.png", None, "no such file"),
    ]
    printed = capsys.readouterr().out
    assert "1 images have a label that is no class of the model, and do not count for accuracy: wolves 1." in printed
    assert "(1 images with a class of the model)" in printed


def test_classes_that_the_model_does_not_know(model, make_image_folder, tmp_path, capsys):
    images = make_image_folder({"cars": 2, "trains": 2})
    assert predict(model, images, "--output", tmp_path / "out.csv") == 0
    printed = capsys.readouterr().out
    assert (
        "Warning: Labels are not used: none of them (cars, trains) is a class of the model (birds, cats, dogs).\n"
        in printed
    )
    assert "Accuracy" not in printed
    assert "true_label" not in rows(tmp_path / "out.csv")[0]


def test_every_file_unreadable_is_a_failure_with_a_table(model, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.jpg"):
        (tmp_path / "images" / name).write_bytes(b"")
    assert predict(model, tmp_path / "images", "--output", tmp_path / "out.csv") == 1
    assert [row["error"] for row in rows(tmp_path / "out.csv")] == ["empty file", "empty file"]
    assert "Found 2 images: 0 classified, 2 cannot be read." in capsys.readouterr().out


def test_an_output_is_replaced_only_where_that_is_said(model, photos, tmp_path, capsys):
    (tmp_path / "out.csv").write_text("earlier")
    assert predict(model, photos, "--output", tmp_path / "out.csv") == 1
    assert "out.csv', which exists. Choose another, or pass --overwrite." in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_text() == "earlier"
    assert predict(model, photos, "--output", tmp_path / "out.csv", "--overwrite") == 0
    assert len(rows(tmp_path / "out.csv")) == 11


def test_the_input_is_never_replaced(model, photos, capsys):
    manifest = photos / "list.csv"
    manifest.write_text("path\ncats/0000.png\n")
    assert predict(model, manifest, "--output", manifest, "--overwrite") == 1
    assert "The output must not be one of the inputs" in capsys.readouterr().err
    assert manifest.read_text() == "path\ncats/0000.png\n"


def test_a_killed_run_leaves_nothing(model, photos, tmp_path, monkeypatch, capsys):
    some = list(Classifier(model).predict(str(photos)))[:3]

    def killed(*_, **__):
        yield from some
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_ext.prediction.Classifier.predict", killed)
    assert predict(model, photos, "--output", tmp_path / "out.csv") == 130
    assert os.listdir(tmp_path) == ["images"]


@pytest.mark.parametrize("arguments, message", [
    (["MODEL", "empty"], "No images found in 'empty'"),
    (["nowhere", "images"], "The model must be a folder. Received: 'nowhere', which does not exist."),
    (["images", "images"], "There is no SavedModel in 'images'. Pass the output folder of a run that pushed a model"),
    (["MODEL", "images", "--output", "out.txt"], "The extension of the output must be one of '.csv', '.jsonl'"),
    (["MODEL", "images", "--output", "nowhere/out.csv"], "No such folder: "),
    (["MODEL", "images", "--top", "0"], "top must be a positive integer"),
    (["MODEL", "images", "--batch-size", "0"], "batch_size must be an integer, 1 or more"),
    (["MODEL", "images", "--rounds", "-1"], "rounds must be an integer, 0 or more"),
])  # fmt: skip
def test_bad_input(model, photos, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(photos.parent)
    os.mkdir("empty")
    assert main(["predict", *(str(model) if one == "MODEL" else one for one in arguments)]) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert sorted(os.listdir()) == ["empty", "images"]


def test_a_setting_that_is_none(model, photos, capsys):
    assert predict(model, photos, "--set", "ingest.max_pixel=3") == 2
    assert "'ingest.max_pixel' is not a setting" in capsys.readouterr().err


def test_what_is_wrong_with_images_is_said_before_tensorflow_is_loaded(tmp_path):
    code = (
        "import sys; from pipelines.cli import main; print(main(sys.argv[1:]));"
        "print(sorted({'tfx', 'tensorflow', 'keras', 'apache_beam'} & set(sys.modules)))"
    )
    arguments = [sys.executable, "-c", code, "predict", "nowhere", str(tmp_path)]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == ["1", "[]"]
