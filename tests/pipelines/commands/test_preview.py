"""`keras-ext preview`, as a user meets it."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from keras_ext.directory_index import DirectoryIndex
from pipelines.commands import preview

pytest.importorskip("matplotlib")


def keras_ext(*arguments, **options):
    command = [sys.executable, "-m", "pipelines.cli", "preview", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def grids(monkeypatch):
    """The arguments of each call of `image_grid`, which draws nothing."""
    calls = []
    monkeypatch.setattr(
        "keras_ext.plots.image_grid", lambda images, titles, **options: calls.append((images, titles, options))
    )
    return calls


def run(images, output, **options):
    from argparse import Namespace

    return preview.main(
        Namespace(
            images=str(images), output=str(output), **{"config": None, "set": [], "rows": 4, "seed": None, **options}
        )
    )


def test_a_picture_and_one_line(make_image_folder, tmp_path):
    output = tmp_path / "grid.png"
    result = keras_ext(make_image_folder({"cats": 3, "dogs": 3}), "--output", output)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{output}: 4 images, each as it is and as in the first 5 epochs of training\n"
    assert output.read_bytes().startswith(b"\x89PNG")


def test_neither_tfx_nor_keras_cv_is_loaded(make_image_folder, tmp_path):
    images, output = make_image_folder({"a": 2, "b": 2}), tmp_path / "grid.png"
    code = f"""
import sys
from pipelines import cli
cli.main(["preview", {str(images)!r}, "--output", {str(output)!r}])
print(sorted({{"tensorflow", "tfx", "apache_beam", "tensorflow_transform", "keras_cv"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "['tensorflow']"


def test_rows_hold_an_image_as_it_is_and_augmented(make_image_folder, tmp_path, grids):
    run(make_image_folder({"a": 3, "b": 3, "c": 3}), tmp_path / "grid.png", rows=3)
    [(images, titles, options)] = grids
    assert titles[::6] == ["a", "b", "c"]
    assert titles[1:6] == ["epoch 1", "epoch 2", "epoch 3", "epoch 4", "epoch 5"]
    assert set(titles[6:]) == {"b", "c", ""}
    assert options == {"columns": 6, "value_range": (0, 255), "path": str(tmp_path / "grid.png")}
    rows = np.reshape([image.astype(np.float32) for image in images], (3, 6, 32, 32, 3))
    changes = np.abs(rows[:, 1:] - rows[:, :1]).mean(axis=(2, 3, 4))
    assert changes.min() > 0.5
    assert images[0].dtype == np.uint8


def test_settings_and_seed(make_image_folder, tmp_path, grids):
    folder = make_image_folder({"a": 8, "b": 8})
    brighter = 'augmentation.layers=[{layer = "RandomBrightness", factor = [0.4, 0.5]}]'
    for seed in (1, 1, 2):
        run(folder, tmp_path / "grid.png", seed=seed, set=[brighter, "image.color_mode=grayscale", "image.size=[8, 9]"])
    first, again, other = (np.array([image.mean() for image in images]) for images, _, _ in grids)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1
    assert (first.reshape(4, 6)[:, 1:] > first.reshape(4, 6)[:, :1]).all()
    assert grids[0][0][0].shape == (8, 9, 1)


def test_seed_is_that_of_training_by_default(make_image_folder, tmp_path, grids):
    folder = make_image_folder({"a": 8, "b": 8})
    run(folder, tmp_path / "grid.png", set=["train.seed=5"])
    run(folder, tmp_path / "grid.png", seed=5)
    np.testing.assert_array_equal(grids[0][0], grids[1][0])


def test_layers_that_mix_labels(make_image_folder, tmp_path, grids):
    run(
        make_image_folder({"a": 2, "b": 2}),
        tmp_path / "x.png",
        set=['augmentation.layers=[{layer = "MixUp", alpha = 1.0}]'],
    )
    assert len(grids[0][0]) == 24


def chosen(folder, count, seed=0):
    files, labels = preview._choose(DirectoryIndex.from_directory(str(folder)), count, seed)
    return {hashlib.sha256(file).hexdigest() for file in files}, labels


def test_images_are_of_as_many_classes_as_there_are(make_image_folder):
    folder = make_image_folder({"a": 5, "b": 1, "c": 5})
    files, labels = chosen(folder, 6)
    assert len(files) == 6
    assert labels[:1] + labels[-1:] == ["a", "c"]
    assert labels.count("b") == 1
    assert labels == sorted(labels)
    assert len(set(chosen(folder, 2)[1])) == 2
    assert len(chosen(folder, 99)[1]) == 11


def test_training_images_alone_and_unreadable_ones_left_out(make_image_folder):
    folder = make_image_folder({"train": {"a": 3, "b": 1}, "test": {"a": 9, "b": 9}})
    (folder / "train" / "a" / "0000.png").write_bytes(b"no image")
    expected = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "train").glob("*/*")}
    files, labels = chosen(folder, 20)
    assert labels == ["a", "a", "b"]
    assert files < expected


def test_no_readable_image(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "x.png").write_bytes(b"no image")
    result = keras_ext(tmp_path / "images", "--output", tmp_path / "grid.png")
    assert result.returncode == 1
    assert "can be read. `keras-ext inspect` says why" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--images", "0"], "--images must be a positive number"),
        (["--set", 'augmentation.layers=[{layer = "RandomFlop"}]'], "Did you mean 'RandomFlip'"),
        (["--output", "grid.pgn"], "pgn"),
        (["--output", "nowhere/grid.png"], "nowhere"),
        (["--set", "train.sede=1"], "Did you mean 'train.seed'"),
    ],
)
def test_errors_are_one_line(make_image_folder, tmp_path, arguments, message):
    result = keras_ext(make_image_folder({"a": 2, "b": 2}), "--output", "grid.png", *arguments, cwd=tmp_path)
    assert result.returncode == (2 if "train.sede=1" in arguments else 1)
    assert result.stderr.startswith("keras-ext: ")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "grid.png").exists()
