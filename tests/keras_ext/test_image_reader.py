import hashlib
import io
import threading

import pytest
from PIL import Image

from keras_ext.image_file import ImageFileError
from keras_ext.image_listing import Record
from keras_ext.image_reader import ImageReader
from keras_ext.local_folder import LocalFolder


@pytest.fixture
def folder(tmp_path, make_image):
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(make_image("cats", number))
    (tmp_path / "7.png").write_bytes(b"")
    (tmp_path / "9.png").unlink()
    return tmp_path


RECORDS = [Record(f"{number}.png", "cats") for number in (3, 7, 1, 9, *range(10, 20))]


def test_image(folder):
    data = (folder / "0.png").read_bytes()
    image = ImageReader(LocalFolder(str(folder))).read("0.png")
    assert (image.data, image.digest, image.size) == (data, hashlib.sha256(data).hexdigest(), len(data))
    assert (image.info.format, image.original_format) == ("png", None)


def test_converted_image_has_the_digest_of_its_file(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "WEBP")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    image = ImageReader(LocalFolder(str(tmp_path))).read("a.jpg")
    assert (image.original_format, image.info.format, image.info.width) == ("webp", "png", 30)
    assert image.digest == hashlib.sha256(buffer.getvalue()).hexdigest()
    assert image.data.startswith(b"\x89PNG")


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("threaded", [False, True])
def test_all_in_their_order_with_images_or_reasons(folder, threaded, sequential):
    class Source(LocalFolder):
        def read(self, path):
            readers.append(threading.get_ident())
            return super().read(path)

    readers = []
    source = Source(str(folder))
    source.sequential = sequential
    read = list(ImageReader(source, threaded=threaded).read_all(RECORDS))
    assert [record for record, _ in read] == RECORDS
    reasons = {record.path: str(image) for record, image in read if isinstance(image, ImageFileError)}
    assert reasons == {"7.png": "empty file", "9.png": "vanished while reading"}
    for record, image in read:
        if record.path not in reasons:
            assert image.data == (folder / record.path).read_bytes()
    # A stream is read by one alone, in order.
    assert (set(readers) == {threading.get_ident()}) == (sequential or not threaded)


def test_limit_of_pixels(folder):
    with pytest.raises(ImageFileError, match="more than 0.0001 megapixels"):
        ImageReader(LocalFolder(str(folder)), max_pixels=100).read("0.png")


def test_only_a_few_are_read_ahead(folder):
    class Source(LocalFolder):
        def read(self, path):
            nonlocal count
            count += 1
            return super().read(path)

    count = 0
    images = ImageReader(Source(str(folder)), threaded=True).read_all(Record("0.png", "cats") for _ in range(10_000))
    next(images)
    assert count < 1000
    images.close()
