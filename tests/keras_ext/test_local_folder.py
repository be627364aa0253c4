import errno
import os

import pytest

from keras_ext.image_file import ImageFileError
from keras_ext.local_folder import LocalFolder, read_file


def refuse_with(monkeypatch, number):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("keras_ext.local_folder.os.open", refuse)


@pytest.mark.parametrize(
    "number, reason",
    [
        (errno.EACCES, "permission denied"),
        (errno.EIO, "cannot be read from disk"),
        (errno.ENOENT, "vanished while reading"),
    ],
)
def test_trouble_with_one_file_is_a_reason(monkeypatch, number, reason):
    refuse_with(monkeypatch, number)
    with pytest.raises(ImageFileError, match=reason):
        read_file("a.png")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ENOSPC])
def test_trouble_of_the_machine_is_an_error(monkeypatch, number):
    refuse_with(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        read_file("a.png")


def test_vanished_file(tmp_path):
    with pytest.raises(ImageFileError, match="vanished while reading"):
        LocalFolder(str(tmp_path)).read("a.png")


def test_file_that_is_too_large(tmp_path):
    (tmp_path / "a.png").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(ImageFileError, match="larger than 1 MiB"):
        LocalFolder(str(tmp_path), max_bytes=1 << 20).read("a.png")
    assert len(LocalFolder(str(tmp_path)).read("a.png")) == (1 << 20) + 1


def test_reads_that_fall_short_are_continued(tmp_path, monkeypatch):
    contents = bytes(range(256)) * 3
    (tmp_path / "a.png").write_bytes(contents)
    read = os.read
    monkeypatch.setattr("keras_ext.local_folder.os.read", lambda file, size: read(file, min(size, 100)))
    assert read_file(str(tmp_path / "a.png")) == contents


def test_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("/a"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("keras_ext.local_folder.os.scandir", refuse)
    with pytest.raises(ValueError, match=r"Folder '.*/a' cannot be listed: Permission denied. Make it readable, or"):
        LocalFolder(str(tmp_path)).scan()


def test_folder_that_vanishes_while_the_input_is_listed(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    scandir = os.scandir

    def vanish(path):
        if str(path).endswith("/a") and os.path.isdir(path):
            os.rmdir(path)
        return scandir(path)

    monkeypatch.setattr("keras_ext.local_folder.os.scandir", vanish)
    with pytest.raises(ValueError, match=r"Folder '.*/a' cannot be listed: No such file or directory"):
        LocalFolder(str(tmp_path)).scan()
