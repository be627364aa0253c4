import errno
import hashlib
import os

import pytest

from keras_ext.image_file import ImageFileError
from tfx_components.directory_example_gen import image_reader


def test_image(tmp_path, make_image):
    data = make_image("cats", 1)
    (tmp_path / "a.png").write_bytes(data)
    image = image_reader.read_image(str(tmp_path / "a.png"), "decode")
    assert (image.data, image.digest) == (data, hashlib.sha256(data).hexdigest())
    assert image.info.format == "png"


def refuse_with(monkeypatch, number):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("builtins.open", refuse)


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
        image_reader.read_image("a.png", "decode")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ENOSPC])
def test_trouble_of_the_machine_is_an_error(monkeypatch, number):
    refuse_with(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        image_reader.read_image("a.png", "decode")


def test_vanished_file(tmp_path):
    with pytest.raises(ImageFileError, match="vanished while reading"):
        image_reader.read_image(str(tmp_path / "a.png"), "decode")


def test_file_too_large_for_an_example(tmp_path, monkeypatch):
    monkeypatch.setattr(image_reader, "_MAX_BYTES", 1 << 20)
    (tmp_path / "a.png").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(ImageFileError, match="larger than 1 MiB"):
        image_reader.read_image(str(tmp_path / "a.png"), "decode")
