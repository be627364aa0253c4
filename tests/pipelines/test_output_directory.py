"""One output folder: one input, one run at a time."""

import errno
import os
from pathlib import Path

import pytest

from pipelines.output_directory import OutputDirectoryError, check_apart, output_directory


def test_the_same_input_continues(tmp_path):
    for _ in range(2):
        with output_directory(tmp_path / "out", "photos") as output:
            (output / "metadata.sqlite").touch()


def test_another_input_is_refused(tmp_path):
    with output_directory(tmp_path / "out", "photos"):
        pass
    with (
        pytest.raises(OutputDirectoryError, match=r"belongs to the images in '.*photos'. Received: '.*digits'"),
        output_directory(tmp_path / "out", "digits"),
    ):
        pass


def test_several_inputs_in_any_order(tmp_path):
    for images in (("photos", "more"), ("more", "photos")):
        with output_directory(tmp_path / "out", images):
            pass
    with (
        pytest.raises(OutputDirectoryError, match=r"images in '.*more', '.*photos'. Received: '.*photos'. Choose"),
        output_directory(tmp_path / "out", "photos"),
    ):
        pass


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(OutputDirectoryError, match=r"not empty.*thesis.txt"), output_directory(tmp_path, "photos"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_address_is_recorded_as_it_is(tmp_path, monkeypatch):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        with output_directory(tmp_path / "out", "https://example.com/a.zip"):
            pass
    assert '"https://example.com/a.zip"' in (tmp_path / "out" / "input.json").read_text()


def test_a_link_to_the_same_input_continues(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    for images in ("photos", "link"):
        with output_directory(tmp_path / "out", tmp_path / images):
            pass


def test_a_run_killed_while_it_wrote_its_record(tmp_path):
    (tmp_path / "input.partial").write_text("{")
    with output_directory(tmp_path, "photos"):
        pass


@pytest.mark.parametrize("record", ["{", "{}", "[]"])
def test_a_broken_record_is_named(tmp_path, record):
    (tmp_path / "input.json").write_text(record)
    with (
        pytest.raises(OutputDirectoryError, match=r"input.json' does not say what the input was"),
        output_directory(tmp_path, "photos"),
    ):
        pass


def test_a_second_run_is_refused_while_one_is_alive(tmp_path):
    with (
        output_directory(tmp_path / "out", "photos"),
        pytest.raises(OutputDirectoryError, match="Another run is alive"),
        output_directory(tmp_path / "out", "photos"),
    ):
        pass


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputDirectoryError, match=r"Cannot write to output folder '.*file/out': Not a directory"),
        output_directory(tmp_path / "file" / "out", "photos"),
    ):
        pass


def test_a_read_only_place(tmp_path, monkeypatch):
    # Root may write everywhere, so the refusal is made.
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputDirectoryError, match="Permission denied"), output_directory(tmp_path / "out", "photos"):
        pass


def test_output_and_images_lie_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos/cats").mkdir(parents=True)
    Path("link").symlink_to("photos")
    for output, images in [("photos/out", "photos"), ("link/out", ("elsewhere", "photos")), ("photos", "link")]:
        with pytest.raises(OutputDirectoryError, match=r"^--output must not lie in the images, as .*Choose another"):
            check_apart(output, images)
    with pytest.raises(OutputDirectoryError, match=r"^The images must not lie in --output, .*'link', .*'photos/cats'"):
        check_apart("link", "photos/cats")
    for images in ("photos", "photos.zip", ("photos", "gs://photos-out/images")):
        check_apart("photos-out", images)
