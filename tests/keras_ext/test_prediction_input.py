"""Which images are classified, and what is known of them."""

import os
import shutil

import pytest

from keras_ext.image_input import InputSettings
from keras_ext.prediction_input import read_images_to_classify, with_labels_of


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 3, "dogs": {"indoors": 1, "outdoors": 1}})


def labels(index):
    return {record.path: record.label for record in index.records}


def test_class_folders_are_labels(photos):
    index = read_images_to_classify(str(photos))
    assert labels(index) == {
        "cats/0000.png": "cats",
        "cats/0001.jpg": "cats",
        "cats/0002.png": "cats",
        "dogs/indoors/0000.png": "dogs",
        "dogs/outdoors/0000.png": "dogs",
    }
    assert index.class_names == ("cats", "dogs")
    assert index.warnings == ()


def test_one_class_is_enough_and_no_image_is_left_out(photos):
    shutil.rmtree(photos / "dogs")
    shutil.copy(photos / "cats" / "0000.png", photos / "loose.png")
    assert labels(read_images_to_classify(str(photos))) == {
        "cats/0000.png": "cats", "cats/0001.jpg": "cats", "cats/0002.png": "cats", "loose.png": None
    }  # fmt: skip


def test_split_folders_have_classes_below(make_image_folder):
    images = make_image_folder({"train": {"a": 1, "b": 1}, "test": {"a": 1, "c": 1}})
    assert set(labels(read_images_to_classify(str(images))).values()) == {"a", "b", "c"}


def test_folders_that_are_no_classes_leave_labels_unknown_and_say_so(make_image_folder):
    images = make_image_folder({"test": {"a": 2}, "val": {"b": 1}})
    index = read_images_to_classify(str(images))
    assert set(labels(index).values()) == {None}
    assert index.class_names == ()
    [warning] = index.warnings
    assert warning.startswith("Labels are not known: The input holds split folders (test, val) but no 'train'.")


def test_a_flat_folder_has_no_labels(photos):
    index = read_images_to_classify(str(photos / "cats"))
    assert labels(index) == dict.fromkeys(("0000.png", "0001.jpg", "0002.png"))
    assert index.warnings == ()


def test_labels_may_be_left_alone(photos):
    index = read_images_to_classify(str(photos), InputSettings(labelled=False))
    assert set(labels(index).values()) == {None}


def test_image_files(photos, monkeypatch):
    monkeypatch.chdir(photos)
    index = read_images_to_classify(["dogs/indoors/0000.png", "cats/0001.jpg", "cats/0001.jpg", "gone.png"])
    assert labels(index) == {"cats/0001.jpg": None, "dogs/indoors/0000.png": None}
    assert index.rejected == (("gone.png", "no such file"),)
    assert index.source.read("cats/0001.jpg") == (photos / "cats" / "0001.jpg").read_bytes()
    assert labels(read_images_to_classify(str(photos / "cats" / "0000.png"))) == {
        str(photos / "cats" / "0000.png"): None
    }


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_archives(photos, tmp_path, kind):
    archive = shutil.make_archive(str(tmp_path / "photos"), kind, tmp_path, "images")
    assert labels(read_images_to_classify(archive)) == {
        f"images/{path}": label for path, label in labels(read_images_to_classify(str(photos))).items()
    }


def test_several_folders(photos, make_image_folder):
    others = make_image_folder({"birds": 1}, name="others")
    assert labels(read_images_to_classify([str(photos), str(others)])) == {
        **{f"images/{path}": label for path, label in labels(read_images_to_classify(str(photos))).items()},
        "others/birds/0000.png": "birds",
    }


@pytest.mark.parametrize("inside", [False, True])
def test_a_manifest_with_a_missing_label_and_a_missing_file(photos, tmp_path, inside):
    rows = "file,kind\ncats/0000.png,cat\ncats/0001.jpg,\ngone.png,cat\n"
    (photos / "rows.csv").write_text(rows)
    settings = InputSettings(columns={"path": "file", "label": "kind"}, manifest="rows.csv" if inside else None)
    images = shutil.make_archive(str(tmp_path / "photos"), "zip", photos) if inside else str(photos / "rows.csv")
    index = read_images_to_classify(images, settings)
    assert labels(index) == {"cats/0000.png": "cat", "cats/0001.jpg": None}
    assert index.rejected == (("gone.png", "no such file"),)


def test_a_manifest_without_labels(photos):
    (photos / "rows.csv").write_text("path\ncats/0000.png\n")
    index = read_images_to_classify(str(photos / "rows.csv"))
    assert labels(index) == {"cats/0000.png": None}
    assert "Labels are not known: rows.csv has no column 'label'" in index.warnings[0]


def test_a_pattern_gives_labels_to_what_it_matches(photos):
    settings = InputSettings(pattern=r"dogs/(?P<label>[a-z]+)/(?P<number>.*)[.].*", extra_columns=["number"])
    assert sorted(map(str, labels(read_images_to_classify(str(photos), settings)).values())) == [
        "None", "None", "None", "indoors", "outdoors",
    ]  # fmt: skip


def test_labels_of_another_world_are_not_used(photos):
    index = read_images_to_classify(str(photos))
    assert with_labels_of(index, ["dogs", "birds"]) is index
    other = with_labels_of(index, ["7", "8"])
    assert set(labels(other).values()) == {None}
    assert other.class_names == ()
    assert other.warnings == ("Labels are not used: none of them (cats, dogs) is a class of the model (7, 8).",)


@pytest.mark.parametrize("images, message", [
    ("nowhere", "No such directory"),
    ("empty", "No images found in .*empty"),
    ("notes.txt", "is no archive of images"),
    (["images", "nowhere"], "Several inputs must be folders"),
    (["images/cats/0000.png", "images"], "Several inputs must be folders"),
])  # fmt: skip
def test_what_holds_no_images_is_refused(photos, monkeypatch, images, message):
    monkeypatch.chdir(photos.parent)
    os.mkdir("empty")
    (photos.parent / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=message):
        read_images_to_classify(images)
