"""What "auto" becomes."""

import shutil

import pytest

from pipelines.config import read_config
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import resolve


def resolved(directory, *overrides):
    return resolve(read_config(Config, None, overrides, images=str(directory), output="out"))


def write_images(directory, make_image, size, count=3):
    for label in ("cats", "dogs"):
        (directory / label).mkdir(parents=True)
        for number in range(count):
            (directory / label / f"{number}.png").write_bytes(make_image(label, number, "png", size))
    return directory


@pytest.mark.parametrize(
    "size, side", [((8, 8), 32), ((32, 32), 32), ((60, 100), 64), ((100, 130), 96), ((300, 400), 224)]
)
def test_size_is_the_median_shorter_side_in_steps_of_32(tmp_path, make_image, size, side):
    assert resolved(write_images(tmp_path / "images", make_image, size)).image.size == (side, side)


def test_unreadable_files_do_not_count(tmp_path, make_image):
    directory = write_images(tmp_path / "images", make_image, (60, 60))
    (directory / "cats" / "0.png").write_text("no image")
    assert resolved(directory).image.size == (64, 64)


def test_what_is_given_stays(tmp_path, make_image):
    directory = write_images(tmp_path / "images", make_image, (8, 8))
    config = resolved(directory, "image.size=[20, 30]", "evaluation.split=eval")
    assert (config.image.size, config.evaluation.split) == ((20, 30), "eval")


@pytest.mark.parametrize(
    "splits, scored", [(("train", "test"), "test"), (("train", "val"), "eval"), (("train",), "eval"), ((), "test")]
)
def test_test_is_scored_where_there_is_one(tmp_path, make_image, splits, scored):
    for split in splits or ("",):
        write_images(tmp_path / "images" / split, make_image, (8, 8))
    assert resolved(tmp_path / "images").evaluation.split == scored


def test_no_test_ratio_leaves_judging_to_eval(tmp_path, make_image):
    directory = write_images(tmp_path / "images", make_image, (8, 8))
    assert resolved(directory, "ingest.ratios.test=0").evaluation.split == "eval"


def test_paths_become_absolute(tmp_path, make_image, monkeypatch):
    write_images(tmp_path / "images", make_image, (8, 8))
    monkeypatch.chdir(tmp_path)
    config = resolved("images/")
    assert (config.images, config.output) == (str(tmp_path / "images"), str(tmp_path / "out"))


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_archive(tmp_path, make_image, kind, monkeypatch):
    write_images(tmp_path / "images", make_image, (60, 60), count=5)
    packed = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "images")
    config = resolved(packed)
    assert (config.image.size, config.images) == ((64, 64), packed)


def test_manifest_and_its_path(tmp_path, make_image, monkeypatch):
    write_images(tmp_path / "images", make_image, (60, 60))
    (tmp_path / "labels.csv").write_text("path,label\ncats/0.png,a\ndogs/0.png,b\n")
    monkeypatch.chdir(tmp_path)
    config = resolved("images", "ingest.manifest=labels.csv")
    assert config.ingest.manifest == str(tmp_path / "labels.csv")
    assert config.image.size == (64, 64)


def test_manifest_that_lies_in_an_archive(tmp_path, make_image, monkeypatch):
    write_images(tmp_path / "images", make_image, (60, 60))
    (tmp_path / "images" / "labels.csv").write_text("path,label\ncats/0.png,a\ndogs/0.png,b\n")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "images")
    config = resolved(packed, "ingest.manifest=labels.csv")
    assert (config.ingest.manifest, config.image.size) == ("labels.csv", (64, 64))


def test_several_folders(tmp_path, make_image, monkeypatch):
    for name in ("one", "two"):
        write_images(tmp_path / name, make_image, (60, 60))
    monkeypatch.chdir(tmp_path)
    config = resolve(read_config(Config, images=("one", "two"), output="out"))
    assert config.images == (str(tmp_path / "one"), str(tmp_path / "two"))
    assert resolve(read_config(Config, images=["one"], output="out")).images == str(tmp_path / "one")


def test_address_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_ext.download._PAUSES", (0, 0, 0, 0, 0))
    with pytest.raises(ValueError, match=r"^http://127.0.0.1:9/a.zip cannot be fetched"):
        resolved("http://127.0.0.1:9/a.zip", f"ingest.cache_dir={tmp_path}")


def test_a_split_that_will_not_be_is_refused(tmp_path, make_image):
    for split in ("train", "val"):
        write_images(tmp_path / "images" / split, make_image, (8, 8))
    with pytest.raises(ValueError, match=r"evaluation.split must be among train, eval. Received: 'test'"):
        resolved(tmp_path / "images", "evaluation.split=test")


def test_weights_that_do_not_exist_are_refused(tmp_path, make_image):
    directory = write_images(tmp_path / "images", make_image, (8, 8))
    with pytest.raises(ValueError, match=r"model.weights must be a local file.*'nowhere.h5', which does not exist"):
        resolved(directory, "model.weights=nowhere.h5")


def test_a_missing_folder_is_refused_whatever_is_given(tmp_path):
    with pytest.raises(ValueError, match="No such directory"):
        resolved(tmp_path / "nowhere", "image.size=[32, 32]", "evaluation.split=test")


def test_given_splits_must_hold_what_training_needs(tmp_path, make_image):
    for split in ("train", "test"):
        write_images(tmp_path / "images" / split, make_image, (8, 8))
    assert resolved(tmp_path / "images").evaluation.split == "test"
    with pytest.raises(ValueError, match="ingest.split='given' leaves no eval split.*only train, test"):
        resolved(tmp_path / "images", "ingest.split=given")
    write_images(tmp_path / "images" / "val", make_image, (8, 8))
    assert resolved(tmp_path / "images", "ingest.split=given").evaluation.split == "test"


def test_given_splits_must_be_there(tmp_path, make_image):
    with pytest.raises(ValueError, match="split='given' needs an input that gives splits"):
        resolved(write_images(tmp_path / "images", make_image, (8, 8)), "ingest.split=given")
