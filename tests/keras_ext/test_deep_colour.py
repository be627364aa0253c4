"""16 bits of colour become PNG in full: each sample is compared with what was written."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from keras_ext.image_file import ImageFileError, decodable_image

HEIGHT, WIDTH = 5, 7
UNSPECIFIED, PREMULTIPLIED, STRAIGHT = 0, 1, 2


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1 << 16, (HEIGHT, WIDTH, 4), np.uint16)


def tiff(samples: np.ndarray, order="<", extra=None, deflate=False, orientation=1, planes_apart=False) -> bytes:
    """A TIFF file of one strip, 16 bits a channel."""
    height, width, channels = samples.shape
    pixels = (samples.transpose(2, 0, 1) if planes_apart else samples).astype(f"{order}u2").tobytes()
    strip = zlib.compress(pixels) if deflate else pixels
    strips = len(strip) // channels if planes_apart else len(strip)
    offsets = [8 + index * strips for index in range(channels if planes_apart else 1)]
    tags = {
        256: [width], 257: [height], 258: [16] * channels, 259: [8 if deflate else 1], 262: [2], 273: offsets,
        274: [orientation], 277: [channels], 278: [height], 279: [strips] * len(offsets),
        284: [2 if planes_apart else 1],
    }  # fmt: skip
    if extra is not None:
        tags[338] = [extra]
    end = 8 + len(strip) + len(strip) % 2
    entries, long_values = b"", b""
    for tag, values in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}H", *values)
        if len(content) > 4:
            position = end + 2 + 12 * len(tags) + 4 + len(long_values)
            long_values += content
            content = struct.pack(f"{order}I", position)
        entries += struct.pack(f"{order}HHI", tag, 3, len(values)) + content.ljust(4, b"\0")
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", end)
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return start + strip.ljust(end - 8, b"\0") + directory + long_values


def decoded(data: bytes) -> np.ndarray:
    image = decodable_image(data)
    assert decodable_image(image.data).data == image.data  # a sound PNG
    return tf.io.decode_png(image.data, dtype=tf.uint16).numpy()


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_tiff_keeps_sixteen_bits_of_colour(samples, order, deflate):
    np.testing.assert_array_equal(decoded(tiff(samples[..., :3], order, deflate=deflate)), samples[..., :3])
    np.testing.assert_array_equal(decoded(tiff(samples, order, STRAIGHT, deflate)), samples)
    # Pillow leaves out what a file does not explain.
    np.testing.assert_array_equal(decoded(tiff(samples, order, UNSPECIFIED, deflate)), samples[..., :3])


def test_colours_multiplied_by_alpha_are_divided_by_it(samples):
    samples[0, 0, 3], samples[0, 1, 3] = 0, 0xFFFF
    alpha = samples[..., 3:].astype(np.float64)
    multiplied = np.concatenate([np.round(samples[..., :3] * alpha / 0xFFFF), alpha], axis=-1).astype(np.uint16)
    got = decoded(tiff(multiplied, extra=PREMULTIPLIED))
    np.testing.assert_array_equal(got[..., 3], samples[..., 3])
    np.testing.assert_array_equal(got[0, 1], samples[0, 1])
    np.testing.assert_array_equal(got[0, 0], [0, 0, 0, 0])
    seen = alpha[..., 0] > 0x0FFF  # where alpha left enough to see
    assert np.abs(got[seen].astype(int) - samples[seen]).max() <= 8


def test_tiff_is_turned_upright(samples):
    got = decoded(tiff(samples[..., :3], orientation=6))
    np.testing.assert_array_equal(got, np.rot90(samples[..., :3], -1))


def test_planes_apart_are_refused(samples):
    with pytest.raises(ImageFileError, match=r"^unsupported \(16 bits of colour in separate planes\) TIFF$"):
        decodable_image(tiff(samples[..., :3], planes_apart=True))


@pytest.mark.parametrize("greatest", [1023, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_ppm_keeps_sixteen_bits_of_colour(samples, greatest, plain):
    values = (samples[..., :3].astype(np.int64) * greatest) // 0xFFFF
    header = b"%s\n# a comment\n%d %d\n%d\n" % (b"P3" if plain else b"P6", WIDTH, HEIGHT, greatest)
    content = b" ".join(b"%d" % value for value in values.ravel()) if plain else values.astype(">u2").tobytes()
    # Each of the values that can be has a value of its own among the 65,536.
    np.testing.assert_array_equal(decoded(header + content), np.round(values / greatest * 0xFFFF))


def test_damage_is_named(samples):
    with pytest.raises(ImageFileError, match="^damaged TIFF$|^truncated TIFF$"):
        decodable_image(tiff(samples[..., :3])[:60])
    with pytest.raises(ImageFileError, match="^truncated PPM$"):
        decodable_image(b"P6 7 5 65535\n" + bytes(7))
