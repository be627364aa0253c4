import io
import random
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from keras_ext.image_file import ImageFileError, ImageInfo, decodable_image, read_image_info

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
    """Name to bytes: what stays as it is, in every variant."""
    pixels, colour, grey, palette, alpha, orientation = _pictures()
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
        "gif": _saved(palette, "GIF"),
        "gif, grey": _saved(grey, "GIF"),
        "gif, interlaced": _saved(palette, "GIF", interlace=1),
        "gif, transparent": _saved(palette, "GIF", transparency=3),
        "gif, animated": _saved(palette, "GIF", save_all=True, append_images=[palette.rotate(90), grey]),
        "gif, comment": _saved(palette, "GIF", comment=b"x" * 300),
        "gif, larger": _saved(palette.resize((400, 300)), "GIF"),
        "bmp": _saved(colour, "BMP"),
        "bmp, grey": _saved(grey, "BMP"),
        "bmp, palette": _saved(palette, "BMP"),
        "bmp, alpha": _saved(alpha, "BMP"),
        "bmp, top down": _top_down(_saved(colour, "BMP")),
    }


def other_images() -> dict[str, bytes]:
    """Name to bytes: what becomes PNG. Names begin with the format."""
    pixels, colour, grey, palette, alpha, orientation = _pictures()
    grey16 = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    more = {"save_all": True, "append_images": [colour.rotate(90)]}
    return {
        "webp": _saved(colour, "WEBP"),
        "webp, lossless": _saved(colour, "WEBP", lossless=True),
        "webp, alpha": _saved(alpha, "WEBP", lossless=True, exact=True),
        "webp, EXIF": _saved(colour, "WEBP", exif=orientation, lossless=True),
        "webp, animated": _saved(colour, "WEBP", lossless=True, **more),
        "tiff": _saved(colour, "TIFF"),
        "tiff, LZW": _saved(colour, "TIFF", compression="tiff_lzw"),
        "tiff, deflate": _saved(colour, "TIFF", compression="tiff_deflate"),
        "tiff, JPEG": _saved(colour, "TIFF", compression="jpeg"),
        "tiff, 1 bit": _saved(colour.convert("1"), "TIFF", compression="group4"),
        "tiff, grey": _saved(grey, "TIFF"),
        "tiff, 16 bit": _saved(grey16, "TIFF"),
        "tiff, alpha": _saved(alpha, "TIFF"),
        "tiff, palette": _saved(palette, "TIFF"),
        "tiff, CMYK": _saved(colour.convert("CMYK"), "TIFF"),
        "tiff, EXIF": _saved(colour, "TIFF", exif=orientation),
        "tiff, two pages": _saved(colour, "TIFF", **more),
        "ppm": _saved(colour, "PPM"),
        "ppm, grey": _saved(grey, "PPM"),
        "ppm, 1 bit": _saved(colour.convert("1"), "PPM"),
        "ppm, 16 bit": b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + np.asarray(grey16).astype(">u2").tobytes(),
        "ppm, 16 bits of colour": b"P6 %d %d 65535\n" % (WIDTH, HEIGHT)
        + (pixels * np.uint16(257)).astype(">u2").tobytes(),
        "ppm, plain": b"P2\n# a comment\n%d %d\n255\n" % (WIDTH, HEIGHT) + b" ".join(b"%d" % x for x in grey.tobytes()),
        "jpeg2000": _saved(colour, "JPEG2000"),
        "bmp, 1 bit": _saved(colour.convert("1"), "BMP"),
        "gif, small first frame": _small_first_frame(_saved(palette, "GIF")),
    }


def _pictures() -> tuple:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.stack([columns * 6, rows * 8, rows * columns], axis=-1).astype(np.uint8)
    colour = Image.fromarray(pixels)
    grey, palette = colour.convert("L"), colour.quantize(17)
    alpha = colour.convert("RGBA")
    alpha.putalpha(grey)
    orientation = Image.Exif()
    orientation[0x0112] = 6
    return pixels, colour, grey, palette, alpha, orientation


def _top_down(data: bytes) -> bytes:
    return data[:22] + struct.pack("<i", -HEIGHT) + data[26:]


def _small_first_frame(data: bytes) -> bytes:
    """The same frame on a larger canvas, of which TensorFlow would show the frame alone."""
    return data[:6] + struct.pack("<HH", WIDTH + 5, HEIGHT + 5) + data[10:]


def _saved(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def damaged_images(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields (what was done, bytes): truncated, bit-flipped, concatenated and otherwise mistreated images."""
    draw = random.Random(seed)
    sound = {**sound_images(), **other_images()}
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
    other = draw.choice(list(SOUND.values()))
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
OTHERS = other_images()
PNG = SOUND["png"]


def outcome(data, **options) -> ImageInfo | str:
    try:
        return decodable_image(data, **options).info
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


@pytest.mark.parametrize("name", SOUND)
def test_sound_image_stays_as_it_is(name):
    image = decodable_image(SOUND[name])
    assert image.data is SOUND[name]
    assert (image.info, image.original_format) == (read_image_info(SOUND[name]), image.info.format)


@pytest.mark.parametrize("verify", ["decode", "header"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_image_becomes_png_without_loss(name, verify):
    image = decodable_image(OTHERS[name], verify)
    assert image.original_format == name.split(",", maxsplit=1)[0]
    assert image.info == read_image_info(image.data)
    assert image.info.format == "png"
    with Image.open(io.BytesIO(image.data)) as made, Image.open(io.BytesIO(OTHERS[name])) as original:
        upright = ImageOps.exif_transpose(original)
        assert made.size == upright.size
        expected = upright.convert("RGB") if upright.mode == "CMYK" else upright
        mode = "I" if name.endswith("16 bit") else "RGBA"
        np.testing.assert_array_equal(np.asarray(made.convert(mode)), np.asarray(expected.convert(mode)))


@pytest.mark.parametrize("name", ["webp, EXIF", "tiff, EXIF"])
def test_other_image_is_turned_upright(name):
    # PNG readers do not look for an orientation.
    image = decodable_image(OTHERS[name])
    assert (image.info.width, image.info.height) == (HEIGHT, WIDTH)
    with Image.open(io.BytesIO(image.data)) as made:
        np.testing.assert_array_equal(np.asarray(made), np.rot90(_pictures()[0], -1))


def test_broken_orientation_leaves_the_image_as_it_is():
    for damage in (b"MM\0*\xff\xff\xff\xff", b"XX\0*\0\0\0\x08", b"MM\0*\0\0\0\x08\0\xff\x01\x12"):
        data = _saved(Image.fromarray(_pictures()[0]), "WEBP", exif=b"Exif\0\0" + damage, lossless=True)
        assert decodable_image(data).info.width == WIDTH


@pytest.mark.parametrize(
    "name, channels, mode",
    [
        ("tiff, 16 bit", 1, "I;16"), ("ppm, 16 bit", 1, "I;16"), ("tiff, palette", 3, "P"), ("webp, alpha", 4, "RGBA"),
        ("tiff, CMYK", 3, "RGB"), ("bmp, 1 bit", 1, "1"),
    ],
)  # fmt: skip
def test_depth_palette_and_alpha_are_kept(name, channels, mode):
    image = decodable_image(OTHERS[name])
    assert image.info.channels == channels
    assert Image.open(io.BytesIO(image.data)).mode == mode


@pytest.mark.parametrize(
    "data, expected",
    [
        (_saved(Image.new("F", (3, 3)), "TIFF"), "unsupported (pixels of mode F) TIFF"),
        (_saved(Image.new("I", (3, 3), 1 << 20), "TIFF"), "unsupported (32 bits a pixel) TIFF"),
        (OTHERS["webp"][:-40], "damaged WebP"),
        (b"P4 1000001 1\n" + bytes(125_001), "damaged PPM"),
        (OTHERS["ppm"][:-40], "truncated PPM"),
        (OTHERS["tiff"][:100], "damaged TIFF"),
        (OTHERS["bmp, 1 bit"][:-40], "truncated BMP"),
    ],
)
def test_reason_why_an_image_cannot_become_png(data, expected):
    with pytest.raises(ImageFileError) as refusal:
        decodable_image(data)
    assert str(refusal.value) == expected


@pytest.mark.parametrize("name", [*OTHERS, "gif", "bmp", "jpeg"])
def test_pixels_are_counted_before_any_is_decoded(name, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    data = {**SOUND, **OTHERS}[name]
    with pytest.raises(ImageFileError, match="more than 0.001072 megapixels"):
        decodable_image(data, max_pixels=WIDTH * HEIGHT - 1)


def test_frames_of_a_gif_that_would_fill_the_memory_are_left_out(monkeypatch):
    # TensorFlow decodes all frames to return the first.
    monkeypatch.setattr("keras_ext.gif_file._MAX_PIXELS_OF_FRAMES", 2 * WIDTH * HEIGHT)
    assert decodable_image(SOUND["gif"]).info.format == "gif"
    image = decodable_image(SOUND["gif, animated"])
    assert (image.info.format, image.original_format) == ("png", "gif")


def test_gif_without_its_last_byte_is_whole():
    assert SOUND["gif"].endswith(b";")
    assert read_image_info(SOUND["gif"][:-1]).format == "gif"


def test_format_without_a_reader_in_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.WebPImagePlugin", None)
    with pytest.raises(ImageFileError, match=r"unsupported \(by this version of Pillow\) WebP"):
        decodable_image(OTHERS["webp"])


def test_info():
    assert read_image_info(PNG) == ImageInfo("png", width=37, height=29, channels=3)


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", "empty file"),
        (b"just some text\n", "not an image"),
        (b"\0" * 100, "not an image"),
        (b"GIF89a" + bytes(7), "damaged GIF"),
        (b"GIF89", "truncated GIF"),
        (SOUND["gif"][:-20], "truncated GIF"),
        (SOUND["gif, animated"][:1000], "truncated GIF"),
        (b"BM" + bytes(52), "damaged BMP"),
        (SOUND["bmp"][:-1], "truncated BMP"),
        (SOUND["bmp"][:30], "truncated BMP"),
        (OTHERS["webp"], "WebP must be converted: TensorFlow does not decode it"),
        (OTHERS["bmp, 1 bit"], "BMP of this kind must be converted: TensorFlow does not decode it"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC is not supported: convert it to JPEG or PNG"),
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
    magic=st.sampled_from(
        [b"\xff\xd8\xff", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n", PNG[:16], PNG[:33], b"", b"BM", b"GIF89a"]
        + [data[:size] for data in {**SOUND, **OTHERS}.values() for size in (12, 30, 60)]
    ),
    rest=st.binary(max_size=60),
    verify=st.sampled_from(["decode", "header"]),
)
@settings(max_examples=400, deadline=1000)
@example(magic=b"\xff\xd8\xff\xc0", rest=b"\0\2", verify="header")
def test_any_bytes_are_an_image_or_have_a_reason(magic, rest, verify):
    found = outcome(magic + rest, verify=verify)
    assert found.width > 0 if isinstance(found, ImageInfo) else 0 < len(found) < 80


def test_verify_is_checked():
    with pytest.raises(ValueError, match="verify must be one of 'decode', 'header'"):
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
    for what, data in [*SOUND.items(), *OTHERS.items(), *damaged_images(250, seed)]:
        try:
            image = decodable_image(data)
        except ImageFileError:
            continue
        passed += 1
        try:
            decoded = tf.io.decode_image(image.data, channels=3, expand_animations=False)
        except tf.errors.InvalidArgumentError as error:
            pytest.fail(f"{what} passed, but TensorFlow says: {error}")
        assert decoded.shape == (image.info.height, image.info.width, 3), what
    assert passed >= 60  # the law would hold for a check that refuses everything


def test_checksums_are_those_of_the_standard():
    # A check of the samples themselves: a wrong checksum would make every test of chunks pass.
    position, length = chunks(PNG)[0]
    stored = PNG[position + 8 + length : position + 12 + length]
    assert zlib.crc32(PNG[position + 4 : position + 8 + length]).to_bytes(4, "big") == stored
