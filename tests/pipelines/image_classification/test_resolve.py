"""What "auto" becomes."""

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
