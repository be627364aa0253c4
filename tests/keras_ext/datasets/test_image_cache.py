"""Decoded images, kept in memory or in a file."""

import os
import warnings

import numpy as np
import pytest

from keras_ext.datasets import image_dataset_from_directory
from keras_ext.datasets.image_reader import ImageReader

OPTIONS = {"image_size": (8, 8), "batch_size": 4, "shuffle": False, "with_file_names": True, "verbose": False}


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 6, "dogs": 7})


@pytest.fixture
def decoded(monkeypatch):
    """The positions that were decoded."""
    positions = []
    read = ImageReader.read

    def recorded(self, wanted):
        positions.extend(wanted.tolist())
        return read(self, wanted)

    monkeypatch.setattr(ImageReader, "read", recorded)
    return positions


def elements(dataset):
    return [np.concatenate(part) for part in zip(*dataset.as_numpy_iterator(), strict=True)]


def assert_equal(dataset, expected):
    for part, other in zip(elements(dataset), expected, strict=True):
        np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_cached_images_are_the_same_and_decoded_once(photos, tmp_path, decoded, cache):
    expected = elements(image_dataset_from_directory(photos, **OPTIONS))
    decoded.clear()
    dataset = image_dataset_from_directory(photos, cache=tmp_path / "cache" if cache == "file" else cache, **OPTIONS)
    assert sorted(decoded) == list(range(13))
    assert_equal(dataset, expected)
    assert_equal(dataset, expected)
    assert len(decoded) == 13
    assert len(dataset) == 4


def test_a_file_serves_all_subsets_and_later_runs(photos, tmp_path, decoded):
    options = {**OPTIONS, "cache": tmp_path / "cache", "validation_split": 0.3, "shuffle": True, "seed": 1}
    train, validation = image_dataset_from_directory(photos, subset="both", **options)
    again = image_dataset_from_directory(photos, subset="validation", **options)
    assert len(decoded) == 13
    assert_equal(again, elements(validation))
    plain = image_dataset_from_directory(photos, subset="validation", **{**options, "cache": None})
    assert_equal(plain, elements(validation))
    assert sum(len(names) for names, *_ in train) == 10


def test_memory_holds_the_subset_alone(photos, decoded):
    image_dataset_from_directory(
        photos, cache="memory", validation_split=0.3, subset="validation", **{**OPTIONS, "shuffle": True}, seed=1
    )
    assert len(decoded) == 3


CHANGES = {
    "file": lambda photos, options: os.utime(photos / "cats" / "0000.png", ns=(0, 0)),
    "new file": lambda photos, options: (photos / "cats" / "new.png").write_bytes(
        (photos / "cats" / "0000.png").read_bytes()
    ),
    "size": lambda photos, options: options.update(image_size=(8, 9)),
    "interpolation": lambda photos, options: options.update(interpolation="area"),
    "classes": lambda photos, options: options.update(class_names=["dogs", "cats"]),
    "EXIF": lambda photos, options: options.update(exif_orientation=False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_input_or_setting_makes_the_file_anew(photos, tmp_path, decoded, change):
    options = {**OPTIONS, "cache": tmp_path / "cache"}
    image_dataset_from_directory(photos, **options)
    decoded.clear()
    CHANGES[change](photos, options)
    dataset = image_dataset_from_directory(photos, **options)
    assert len(decoded) == len(dataset.file_paths)
    assert_equal(dataset, elements(image_dataset_from_directory(photos, **{**options, "cache": None})))


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_corrupt_files_are_known_before_training(photos, tmp_path, cache):
    (photos / "cats" / "0001.jpg").write_bytes(b"text")
    (photos / "dogs" / "0006.png").write_bytes(b"")
    options = {**OPTIONS, "batch_size": 1, "cache": tmp_path / "cache" if cache == "file" else cache}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* cannot be used")
        dataset = image_dataset_from_directory(photos, **options)
        again = image_dataset_from_directory(photos, **{**options, "batch_size": 5})
    assert dataset.rejected == [("cats/0001.jpg", "not an image"), ("dogs/0006.png", "empty file")]
    assert len(dataset) == sum(1 for _ in dataset) == 11
    assert again.rejected == dataset.rejected
    assert len(again) == 3
    assert_equal(again, elements(dataset))


def test_a_cache_appears_whole_or_not_at_all(photos, tmp_path, monkeypatch):
    image_dataset_from_directory(photos, cache=tmp_path / "cache", **OPTIONS)
    before = (tmp_path / "cache").read_bytes()
    read = ImageReader.read

    def fails(self, positions):
        if positions[-1] == 12:
            raise OSError("disk full")
        return read(self, positions)

    monkeypatch.setattr(ImageReader, "read", fails)
    monkeypatch.setattr("keras_ext.datasets.image_cache._BATCH", 4)
    with pytest.raises(Exception, match="disk full"):
        image_dataset_from_directory(photos, cache=tmp_path / "cache", **{**OPTIONS, "image_size": (9, 9)})
    assert sorted(os.listdir(tmp_path)) == ["cache", "images"]
    assert (tmp_path / "cache").read_bytes() == before


def test_other_files_are_never_overwritten(photos, tmp_path):
    mine = tmp_path / "thesis.txt"
    mine.write_text("words")
    with pytest.raises(ValueError, match="cache must name a new file, or a cache.*thesis.txt"):
        image_dataset_from_directory(photos, cache=mine, **OPTIONS)
    assert mine.read_text() == "words"
    with pytest.raises(OSError, match="directory"):
        image_dataset_from_directory(photos, cache=tmp_path, **OPTIONS)
    with pytest.raises(OSError, match="No such file or directory"):
        image_dataset_from_directory(photos, cache=tmp_path / "nowhere" / "cache", **OPTIONS)
