import io
import random
import struct
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from keras_ext.image_file import ImageFileError, ImageInfo, read_image_info

WIDTH, HEIGHT = 37, 29


def png(depth: int, colour: int, rows: bytes, *, width=WIDTH, height=HEIGHT, interlaced=0, extra=b"") -> bytes:
    """A PNG file from rows as they are stored, each with its filter byte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks(data: bytes) -> list[tuple[int, int]]:
    """(position, length of the body) of each chunk of a sound PNG file."""
    found, position = [], 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        found.append((position, length))
        position += 12 + length
    return found


def sound_images() -> dict[str, bytes]:
    """Name to bytes: JPEG and PNG in every variant."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.stack([columns * 6, rows * 8, rows * columns], axis=-1).astype(np.uint8)
    colour = Image.fromarray(pixels)
    grey, palette = colour.convert("L"), colour.quantize(17)
    alpha = colour.convert("RGBA")
    alpha.putalpha(grey)
    orientation = Image.Exif()
    orientation[0x0112] = 6
    wide = np.repeat(pixels.reshape(HEIGHT, -1), 2, axis=1)
    interlaced = b"".join(
        b"\0" + row.tobytes()
        for left, top, right, down in (
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        )
        for row in pixels[top::down, left::right]
    )
    return {
        "jpeg": _saved(colour, "JPEG", quality=90),
        "jpeg, subsampled": _saved(colour, "JPEG", quality=50, subsampling=2),
        "jpeg, progressive": _saved(colour, "JPEG", progressive=True),
        "jpeg, grey": _saved(grey, "JPEG"),
        "jpeg, grey progressive": _saved(grey, "JPEG", progressive=True),
        "jpeg, CMYK": _saved(colour.convert("CMYK"), "JPEG"),
        "jpeg, RGB": _saved(colour, "JPEG", keep_rgb=True),
        "jpeg, restarts": _saved(colour, "JPEG", restart_marker_blocks=2),
        "jpeg, EXIF": _saved(colour, "JPEG", exif=orientation),
        "jpeg, comment": _saved(colour, "JPEG", comment=b"\xff\xd9 is not the end"),
        "jpeg, larger": _saved(colour.resize((400, 300)), "JPEG"),
        "jpeg, two pictures": _saved(colour, "MPO", save_all=True, append_images=[colour.rotate(90)]),
        "png": _saved(colour, "PNG"),
        "png, grey": _saved(grey, "PNG"),
        "png, grey alpha": _saved(colour.convert("LA"), "PNG"),
        "png, alpha": _saved(alpha, "PNG"),
        "png, palette": _saved(palette, "PNG"),
        "png, palette with transparency": _saved(palette, "PNG", transparency=3),
        "png, 1 bit": _saved(colour.convert("1"), "PNG"),
        "png, 16 bit grey": _saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG"),
        "png, 16 bit colour": png(16, 2, b"".join(b"\0" + row.tobytes() for row in wide)),
        "png, 4 bit": png(4, 0, b"".join(b"\0" + row.tobytes()[: (WIDTH + 1) // 2] for row in wide)),
        "png, interlaced": png(8, 2, interlaced, interlaced=1),
        "png, animated": _saved(colour, "PNG", save_all=True, append_images=[colour.rotate(90)]),
        "png, text": _saved(colour, "PNG", dpi=(72, 72)),
    }


def _saved(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def damaged_images(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields (what was done, bytes): truncated, bit-flipped, concatenated and otherwise mistreated images."""
    draw = random.Random(seed)
    sound = sound_images()
    for _ in range(count):
        name = draw.choice(list(sound))
        damage = draw.choice(_DAMAGES)
        yield f"{name}: {damage.__name__}", damage(sound[name], draw)


def _truncated(data, draw):
    return data[: draw.randrange(len(data))]


def _end_cut_off(data, draw):
    return data[: -draw.randrange(1, 16)]


def _bits_flipped(data, draw):
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 10)):
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _header_changed(data, draw):
    changed = bytearray(data)
    changed[draw.randrange(min(len(data), 700))] = draw.choice([0, 1, 2, 3, 4, 8, 16, 255])
    return bytes(changed)


def _overwritten(data, draw):
    start = draw.randrange(len(data))
    return data[:start] + draw.randbytes(min(draw.randrange(1, 20), len(data) - start)) + data[start + 20 :]


def _inserted(data, draw):
    start = draw.randrange(len(data))
    return data[:start] + draw.randbytes(draw.randrange(1, 9)) + data[start:]


def _deleted(data, draw):
    start = draw.randrange(len(data))
    return data[:start] + data[start + draw.randrange(1, 30) :]


def _zeroed(data, draw):
    start = draw.randrange(len(data))
    return data[:start] + bytes(len(data) - start)


def _concatenated(data, draw):
    other = draw.choice(list(sound_images().values()))
    return data[: draw.randrange(1, len(data) + 1)] + other


def _marker_inserted(data, draw):
    start = draw.randrange(len(data))
    return data[:start] + bytes([255, draw.choice(b"\xd9\xd8\xda\xc0\xc2\xc4\xdb\xd0\xe0\xdd\xfe\x00")]) + data[start:]


def _chunk_rewritten(data, draw):
    """Damages a chunk of a PNG file and gives it a checksum that holds."""
    if not data.startswith(b"\x89PNG"):
        return _bits_flipped(data, draw)
    position, length = draw.choice(chunks(data))
    kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
    if draw.random() < 0.2:
        kind = draw.choice([b"IDAT", b"tEXt", b"IEND", b"PLTE", b"tRNS", b"abcd", b"ABCD", b"IHDR"])
    elif body:
        body = draw.choice([_bits_flipped, _deleted, _header_changed])(body, draw)
    return data[:position] + chunk(kind, body) + data[position + 12 + length :]


def _rows_changed(data, draw):
    """Changes the rows of a PNG file before they are compressed."""
    if not data.startswith(b"\x89PNG"):
        return _truncated(data, draw)
    [(position, length), *_] = [found for found in chunks(data) if data[found[0] + 4 : found[0] + 8] == b"IDAT"]
    rows = zlib.decompress(data[position + 8 : position + 8 + length])
    rows = draw.choice([_truncated, _header_changed, lambda rows, draw: rows + bytes(90)])(rows, draw)
    return data[:position] + chunk(b"IDAT", zlib.compress(rows)) + data[position + 12 + length :]


_DAMAGES = (
    _truncated, _end_cut_off, _bits_flipped, _header_changed, _overwritten, _inserted, _deleted, _zeroed,
    _concatenated, _marker_inserted, _chunk_rewritten, _rows_changed,
)  # fmt: skip


SOUND = sound_images()
PNG = SOUND["png"]


def outcome(data, **options) -> ImageInfo | str:
    try:
        return read_image_info(data, **options)
    except ImageFileError as error:
        return str(error)


def reason(data, **options) -> str:
    with pytest.raises(ImageFileError) as refusal:
        read_image_info(data, **options)
    return str(refusal.value)


@pytest.mark.parametrize("verify", ["decode", "header"])
@pytest.mark.parametrize("name", SOUND)
def test_sound_image(name, verify):
    info = read_image_info(SOUND[name], verify=verify)
    size = (400, 300) if "larger" in name else (WIDTH, HEIGHT)
    assert (info.width, info.height) == size
    assert info.format == name.split(",", maxsplit=1)[0]


@pytest.mark.parametrize(
    "name, channels",
    [
        ("jpeg", 3), ("jpeg, grey", 1), ("jpeg, CMYK", 4), ("png", 3), ("png, grey", 1), ("png, grey alpha", 2),
        ("png, alpha", 4), ("png, palette", 3), ("png, 1 bit", 1), ("png, 16 bit colour", 3),
    ],
)  # fmt: skip
def test_channels(name, channels):
    assert read_image_info(SOUND[name]).channels == channels


def test_info():
    assert read_image_info(PNG) == ImageInfo("png", width=37, height=29, channels=3)


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", "empty file"),
        (b"just some text\n", "not an image"),
        (b"\0" * 100, "not an image"),
        (b"GIF89a" + bytes(50), "GIF is not supported yet: expected JPEG or PNG"),
        (b"BM" + bytes(50), "BMP is not supported yet: expected JPEG or PNG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP is not supported yet: expected JPEG or PNG"),
        (b"II*\0" + bytes(50), "TIFF is not supported yet: expected JPEG or PNG"),
        (SOUND["jpeg"][:-2], "truncated JPEG"),
        (SOUND["jpeg"][:400], "truncated JPEG"),
        (SOUND["jpeg"][:3], "truncated JPEG"),
        (b"\xff\xd8\xff\xd9", "damaged JPEG"),
        (PNG[:-1], "truncated PNG"),
        (PNG[:200], "truncated PNG"),
        (PNG[:8], "truncated PNG"),
        (PNG[:100] + b"\x99" + PNG[101:], "damaged PNG"),
    ],
)
def test_reason(data, expected):
    assert reason(data) == expected


def test_header_alone_lets_damaged_data_pass():
    data = SOUND["jpeg, larger"]
    assert read_image_info(data[: len(data) // 2], verify="header").width == 400


def test_arithmetic_coding_is_refused():
    assert "unsupported" in reason(SOUND["jpeg"].replace(b"\xff\xc0", b"\xff\xc9", 1), verify="header")


def test_broken_metadata_neither_warns_nor_makes_an_image_unreadable():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\0\0"  # five entries are announced, and none is there
    data = SOUND["jpeg"][:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + SOUND["jpeg"][2:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image_info(data).width == WIDTH


def test_second_frame_is_refused():
    data = SOUND["jpeg"]
    start = data.index(b"\xff\xc0")
    frame = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]
    assert reason(data[:-2] + frame + data[-2:]) == "damaged JPEG"


def test_rows_of_a_large_png_are_found_in_every_slice():
    noise = np.random.default_rng(0).integers(0, 256, (300, 301, 3), np.uint8)
    assert read_image_info(_saved(Image.fromarray(noise), "PNG")).width == 301
    rows = [b"\0" + row.tobytes() for row in noise]
    rows[250] = b"\5" + rows[250][1:]  # there is no such filter
    assert reason(png(8, 2, b"".join(rows), width=301, height=300)) == "damaged PNG"


@pytest.mark.parametrize(
    "header", [(0, 1, 8, 0), (1, 0, 8, 0), (1, 1, 3, 0), (1, 1, 16, 3), (1, 1, 8, 5), (1_000_001, 1, 8, 0)]
)
def test_headers_that_libpng_refuses(header):
    width, height, depth, colour = header
    extra = chunk(b"PLTE", bytes(3))
    assert reason(png(depth, colour, bytes(2_000_000), width=width, height=height, extra=extra)) == "damaged PNG"


def test_image_data_in_pieces():
    body = zlib.compress(b"\0\1\2\3" * 2)
    parts = [chunk(b"IDAT", body[:5]), chunk(b"IDAT", body[5:])]
    start, end = png(8, 2, b"", width=1, height=2).split(chunk(b"IDAT", zlib.compress(b"")))
    assert read_image_info(start + b"".join(parts) + end).height == 2
    assert reason(start + chunk(b"tEXt", b"a\0b").join(parts) + end) == "damaged PNG"
    assert reason(start + parts[0] + end) == "truncated PNG"
    assert reason(start + chunk(b"IDAT", body[:-4]) + end) == "truncated PNG"  # all rows, but the stream does not end


@pytest.mark.parametrize("verify", ["decode", "header"])
def test_too_many_pixels_are_refused_by_the_header_alone(verify):
    huge = png(8, 2, b"", width=60_000, height=50_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reason(huge, verify=verify) == "more than 100 megapixels"
        assert reason(PNG, verify=verify, max_pixels=WIDTH * HEIGHT - 1) == "more than 0.001072 megapixels"
        assert read_image_info(PNG, verify=verify, max_pixels=WIDTH * HEIGHT)


def test_size_beyond_pillows_own_limit_neither_warns_nor_fails():
    rows = (b"\0" + bytes(10_000 // 8)) * 9_500
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image_info(png(1, 0, rows, width=10_000, height=9_500)).width == 10_000


def test_rows_without_end_are_refused():
    bomb = png(8, 0, bytes(50_000_000), width=2, height=2)
    assert len(bomb) < 100_000
    assert reason(bomb) == "damaged PNG"


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"ABCD", b"unknown and critical"),
        chunk(b"a\0\0\0", b"not a name"),
        chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        chunk(b"PLTE", bytes(3)) * 2,
    ],
)
def test_chunks_that_libpng_refuses(extra):
    assert reason(png(8, 2, b"\0\1\2\3", width=1, height=1, extra=extra)) == "damaged PNG"


@pytest.mark.parametrize("palette", [b"", bytes(4), bytes(771)])
def test_palettes_that_libpng_refuses(palette):
    extra = chunk(b"PLTE", palette) if palette else b""
    assert reason(png(8, 3, b"\0\0", width=1, height=1, extra=extra)) == "damaged PNG"


@given(
    magic=st.sampled_from([b"\xff\xd8\xff", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n", PNG[:16], PNG[:33], b""]),
    rest=st.binary(max_size=60),
    verify=st.sampled_from(["decode", "header"]),
)
@example(magic=b"\xff\xd8\xff\xc0", rest=b"\0\2", verify="header")
def test_any_bytes_are_an_image_or_have_a_reason(magic, rest, verify):
    found = outcome(magic + rest, verify=verify)
    assert found.width > 0 if isinstance(found, ImageInfo) else 0 < len(found) < 60


def test_verify_is_checked():
    with pytest.raises(ValueError, match="verify must be 'decode' or 'header'"):
        read_image_info(PNG, verify="full")


def test_threads_do_not_disturb_each_other():
    damaged = [data for _, data in damaged_images(200, seed=1)]
    expected = [outcome(data) for data in damaged]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, damaged * 3)) == expected * 3


@pytest.mark.parametrize("seed", range(4))
def test_what_passes_can_be_decoded_by_tensorflow(seed):
    # Otherwise one file would bring down Transform, long after ingest.
    import tensorflow as tf

    passed = 0
    for what, data in [*SOUND.items(), *damaged_images(250, seed)]:
        try:
            info = read_image_info(data)
        except ImageFileError:
            continue
        passed += 1
        try:
            decoded = tf.io.decode_image(data, channels=3, expand_animations=False)
        except tf.errors.InvalidArgumentError as error:
            pytest.fail(f"{what} passed, but TensorFlow says: {error}")
        assert decoded.shape == (info.height, info.width, 3), what
    assert passed >= 60  # the law would hold for a check that refuses everything


def test_checksums_are_those_of_the_standard():
    # A check of the samples themselves: a wrong checksum would make every test of chunks pass.
    position, length = chunks(PNG)[0]
    stored = PNG[position + 8 + length : position + 12 + length]
    assert zlib.crc32(PNG[position + 4 : position + 8 + length]).to_bytes(4, "big") == stored
