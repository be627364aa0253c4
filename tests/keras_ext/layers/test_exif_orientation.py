import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_ext.layers.exif_orientation import exif_orientation, may_have_exif, upright

ORIENTATION, SHORT, LONG = 0x0112, 3, 4
ORIENTATIONS = pytest.mark.parametrize("orientation", range(1, 9))
BYTE_ORDERS = pytest.mark.parametrize("byte_order", ["<", ">"])
PIXELS = np.random.default_rng(2).integers(0, 256, (6, 9, 3), np.uint8)


def tiff(byte_order: str, entries: list[tuple[int, int, int, int]], start: int = 8) -> bytes:
    """A TIFF header and a directory of (tag, type, count, value) at `start`."""
    header = {"<": b"II*\0", ">": b"MM\0*"}[byte_order] + struct.pack(f"{byte_order}I", start)
    directory = struct.pack(f"{byte_order}H", len(entries))
    for tag, kind, count, value in entries:
        stored = struct.pack(f"{byte_order}HH", value, 0) if kind == SHORT else struct.pack(f"{byte_order}I", value)
        directory += struct.pack(f"{byte_order}HHI", tag, kind, count) + stored
    return header.ljust(start, b"\0") + directory


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data


def exif(byte_order: str = "<", orientation: int = 6, kind: int = SHORT, count: int = 1, start: int = 8) -> bytes:
    entry = (ORIENTATION, kind, count, orientation)
    return segment(0xE1, b"Exif\0\0" + tiff(byte_order, [entry], start))


def jpeg(*segments: bytes) -> bytes:
    """A JPEG file up to its tables, with these segments first."""
    return b"\xff\xd8" + b"".join(segments) + segment(0xDB, bytes(65)) + segment(0xDA, bytes(10)) + bytes(20)


def read(*files: bytes) -> list[int]:
    return exif_orientation(tf.constant(files, tf.string)).numpy().tolist()


def pillow_jpeg(orientation: int, byte_order: str = "<", **options) -> bytes:
    tags = Image.Exif()
    tags.endian = byte_order
    tags[0x010F] = "a maker of cameras"
    tags[ORIENTATION] = orientation
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", exif=tags.tobytes(), **options)
    return file.getvalue()


@ORIENTATIONS
@BYTE_ORDERS
def test_reads_what_pillow_writes(orientation, byte_order):
    contents = pillow_jpeg(orientation, byte_order)
    assert Image.open(io.BytesIO(contents)).getexif()[ORIENTATION] == orientation
    assert read(contents) == [orientation]


@ORIENTATIONS
def test_upright_is_what_pillow_shows(orientation):
    contents = pillow_jpeg(orientation)
    stored = tf.io.decode_jpeg(contents, dct_method="INTEGER_ACCURATE")
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(contents))))
    np.testing.assert_array_equal(upright(stored, tf.constant(orientation)), expected)


def test_a_batch_is_read_file_by_file():
    files = [pillow_jpeg(3), b"", jpeg(exif(orientation=8)), jpeg(), pillow_jpeg(5, ">"), b"\x89PNG\r\n\x1a\n"]
    assert read(*files) == [3, 1, 8, 1, 5, 1]
    assert read() == []


@BYTE_ORDERS
@pytest.mark.parametrize("kind", [SHORT, LONG])
@pytest.mark.parametrize("start", [8, 700, 50_001])
def test_directory_anywhere_with_either_type(byte_order, kind, start):
    assert read(jpeg(exif(byte_order, 7, kind, start=start))) == [7]


def test_segments_before_exif_are_passed_over():
    thumbnail = segment(0xE0, b"JFXX\0" + b"\xff\xd8\xff\xe1" + bytes(60_000))
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
    profile = segment(0xE2, b"ICC_PROFILE\0" + bytes(60_000))
    comment = segment(0xFE, b"Exif\0\0 in a comment")
    assert read(jpeg(thumbnail, xmp, profile, comment, b"\xff\xff\xff", exif(orientation=4))) == [4]


def test_the_first_of_two_counts():
    assert read(jpeg(exif(orientation=3), exif(orientation=6))) == [3]


def test_the_thumbnail_s_own_orientation_does_not_count():
    main, thumbnail = [(0x0100, SHORT, 1, 9)], [(ORIENTATION, SHORT, 1, 6)]
    both = tiff("<", main) + struct.pack("<I", 26) + tiff("<", thumbnail)[8:]
    assert read(jpeg(segment(0xE1, b"Exif\0\0" + both))) == [1]


@pytest.mark.parametrize(
    "contents",
    [
        jpeg(exif(orientation=0)),
        jpeg(exif(orientation=9)),
        jpeg(exif(orientation=65_542, kind=LONG)),  # 6 in its lower half
        jpeg(exif(count=0)),
        jpeg(exif(count=2)),
        jpeg(exif(kind=2)),
        jpeg(exif())[:30],  # within the entry
        jpeg(exif())[:24],  # within the directory's place
        jpeg(exif())[:9],  # within "Exif"
        jpeg(exif().replace(b"II*\0", b"II\0*")),
        jpeg(exif().replace(b"II*\0", b"MM*\0")),
        jpeg(exif(">").replace(b"MM\0*", b"MM\0+")),  # BigTIFF
        jpeg(exif(">").replace(b"\0\x08\0\x01", b"\0\x08\0\0")),  # behind a directory of no entries
        jpeg(exif().replace(b"Exif\0\0", b"exif\0\0")),
        jpeg(segment(0xE1, b"Exif\0\0")),
        jpeg(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),  # a directory behind the end
        jpeg(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff")),  # that should hold more entries than there are
        jpeg(segment(0xE1, b"Exif\0\0II*\0\x20\0\0\0") + tiff("<", [(ORIENTATION, SHORT, 1, 6)])[8:].rjust(50)),
        jpeg(segment(0xE1, b"")[:2] + b"\0\0"),  # a size that is too small to hold itself
        jpeg() + exif(),  # among the pixels
        b"\xff\xd8" + segment(0xDB, b"") + exif(),  # behind a table, where nobody writes it
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 5000 + exif(),
        b"\xff\xd8" + segment(0xE0, b"") * 5000 + exif(),
        b"\x89PNG" + exif(),
    ],
)
def test_nonsense_is_upright(contents):
    assert read(contents) == [1]


def test_broken_files_neither_fail_nor_hang():
    random = np.random.default_rng(3)
    files = []
    for number in range(4000):
        file = bytearray(pillow_jpeg(1 + number % 8, "<>"[number % 2])[:120])
        for _ in range(random.integers(1, 6)):
            at = random.integers(2, len(file))
            file[at : at + random.integers(0, 3)] = random.bytes(random.integers(0, 3))
        files.append(bytes(file[: random.integers(0, 200)]))
    orientations = read(*files)
    assert set(orientations) == set(range(1, 9))
    assert orientations == [read(file)[0] for file in files[:40]] + orientations[40:]


JFIF = segment(0xE0, b"JFIF\0\1\1" + bytes(7))


@pytest.mark.parametrize(
    "contents, expected",
    [
        (jpeg(JFIF), False),
        (jpeg(JFIF) + exif(), False),  # among the pixels, which are not searched behind a usual beginning
        (jpeg(JFIF, exif()), True),
        (jpeg(exif()), True),
        (jpeg(segment(0xE0, b"JFIF\0\1\1" + bytes(8)), exif()), True),
        (jpeg(JFIF)[:21], False),
        (jpeg(JFIF)[:3], False),
        (b"", False),
        (b"\x89PNG", False),
    ],
)
def test_where_exif_may_be(contents, expected):
    assert bool(may_have_exif(tf.constant([contents]))) is expected
    assert bool(may_have_exif(tf.constant([jpeg(JFIF), contents, jpeg()]))) is expected


def test_in_a_dataset_and_in_a_graph_of_tensorflow_1():
    files = [pillow_jpeg(6), b"none"]
    dataset = tf.data.Dataset.from_tensor_slices(files).batch(2).map(exif_orientation)
    assert next(iter(dataset)).numpy().tolist() == [6, 1]
    with tf.Graph().as_default():
        placeholder = tf.compat.v1.placeholder(tf.string, [None])
        orientation = exif_orientation(placeholder)
        with tf.compat.v1.Session() as session:
            assert session.run(orientation, {placeholder: files}).tolist() == [6, 1]
