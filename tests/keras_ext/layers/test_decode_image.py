import io
import re
import struct
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_ext.layers import DecodeImage

RGB = np.random.default_rng(1).integers(0, 256, (6, 9, 3), np.uint8)


def encode(image: np.ndarray | Image.Image, file_format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, file_format, **options)
    return file.getvalue()


def decode(contents: bytes, height: int, width: int, **arguments) -> np.ndarray:
    return DecodeImage(height, width, **arguments)(tf.constant(contents)).numpy()


def photo(orientation: int, byte_order: str = "<") -> bytes:
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x0112] = orientation
    return encode(RGB, "JPEG", quality=95, exif=exif.tobytes())


def png_of_16_bits(image: np.ndarray) -> bytes:  # Pillow writes grey ones alone
    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize("file_format", ["PNG", "BMP"])
def test_lossless_file_of_the_output_size_comes_back_bit_for_bit(file_format):
    np.testing.assert_array_equal(decode(encode(RGB, file_format), 6, 9), RGB)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_of_every_kind_is_what_pillow_reads(mode):
    contents = encode(Image.fromarray(RGB).convert(mode), "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(contents)).convert("RGB"), np.int32)
    assert np.abs(decode(contents, 6, 9) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_png_of_every_kind_is_what_pillow_reads(mode):
    image = Image.fromarray(RGB).convert(mode)
    np.testing.assert_array_equal(decode(encode(image), 6, 9), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["LA", "RGB", "RGBA"])
@pytest.mark.parametrize("color_mode", ["rgb", "rgba"])
def test_of_sixteen_bits_the_upper_eight_are_kept(mode, color_mode):
    contents = png_of_16_bits(np.random.default_rng(4).integers(0, 1 << 16, (6, 9, len(mode)), np.uint16))
    expected = np.asarray(Image.open(io.BytesIO(contents)).convert(color_mode.upper()))
    np.testing.assert_array_equal(decode(contents, 6, 9, color_mode=color_mode), expected)


def test_grey_of_sixteen_bits():  # which Pillow clips at 255
    levels = np.random.default_rng(5).integers(0, 1 << 16, (6, 9, 1), np.uint16)
    np.testing.assert_array_equal(decode(png_of_16_bits(levels), 6, 9, color_mode="grayscale"), levels >> 8)


@pytest.mark.parametrize("colors", [256, 7])
@pytest.mark.parametrize("color_mode", ["rgb", "rgba"])
def test_bmp_with_a_palette(colors, color_mode):
    image = Image.fromarray(RGB).quantize(colors)
    contents = encode(image, "BMP")
    expected = np.asarray(image.convert(color_mode.upper()))
    np.testing.assert_array_equal(decode(contents, 6, 9, color_mode=color_mode), expected)


def test_a_gif_that_has_a_bmp_s_bits_is_no_bmp():
    image = Image.fromarray(RGB[..., 0] % 8, "P")
    image.putpalette([8, 0, 99] * 256)
    contents = encode(image, "GIF", optimize=False)
    assert contents[28:30] == b"\x08\0"  # in a BMP: bits of a pixel
    np.testing.assert_array_equal(decode(contents, 6, 9), np.asarray(image.convert("RGB")))


def test_grey_bmp():
    levels = np.random.default_rng(6).integers(0, 256, (6, 9), np.uint8)
    np.testing.assert_array_equal(decode(encode(levels, "BMP"), 6, 9, color_mode="grayscale")[..., 0], levels)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_is_upright(orientation, byte_order):
    contents = photo(orientation, byte_order)
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(contents)))
    assert image.size == ((9, 6) if orientation < 5 else (6, 9))
    np.testing.assert_array_equal(decode(contents, image.height, image.width), np.asarray(image))
    grey = decode(contents, image.height, image.width, color_mode="grayscale")[..., 0].astype(np.int32)
    assert np.abs(grey - np.asarray(image.convert("L"))).max() <= 1


def test_upright_before_crop_and_pad():
    image = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(photo(6)))))  # 9 high, 6 wide
    np.testing.assert_array_equal(decode(photo(6), 6, 6, crop_to_aspect_ratio=True), image[1:7])
    np.testing.assert_array_equal(decode(photo(6), 9, 9, pad_to_aspect_ratio=True)[:, 1:7], image)


def test_upright_with_much_before_the_exif():
    contents = photo(6)
    profiles = 3 * (b"\xff\xe2" + struct.pack(">H", 60_002) + bytes(60_000))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(contents))))
    np.testing.assert_array_equal(decode(contents[:2] + profiles + contents[2:], 9, 6), expected)


def test_each_photo_of_a_batch_its_own_way():
    files = [photo(orientation) for orientation in (1, 6, 3)]
    together = DecodeImage(6, 6)(tf.constant(files)).numpy()
    np.testing.assert_array_equal(together, [decode(file, 6, 6) for file in files])
    assert (together[1] != together[0]).any()


def test_exif_can_be_ignored():
    stored = np.asarray(Image.open(io.BytesIO(photo(6))))
    np.testing.assert_array_equal(decode(photo(6), 6, 9, exif_orientation=False), stored)


@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
def test_in_a_graph_of_tensorflow_1(color_mode):
    files = [photo(6), encode(RGB), encode(Image.fromarray(RGB).convert("P"), "BMP")]
    with tf.Graph().as_default():
        placeholder = tf.compat.v1.placeholder(tf.string, [None])
        images = DecodeImage(6, 6, color_mode=color_mode)(placeholder)
        with tf.compat.v1.Session() as session:
            result = session.run(images, {placeholder: files})
    np.testing.assert_array_equal(result, [decode(file, 6, 6, color_mode=color_mode) for file in files])


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (9, 6), color) for color in ((255, 0, 0), (0, 0, 255))]
    contents = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(contents, 6, 9), np.full((6, 9, 3), (255, 0, 0)))


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF"])
def test_grayscale_is_luma(file_format):
    contents = encode(RGB, file_format)
    expected = np.asarray(Image.open(io.BytesIO(contents)).convert("RGB").convert("L"), np.int32)
    result = decode(contents, 6, 9, color_mode="grayscale")
    assert result.shape == (6, 9, 1)
    assert np.abs(result[..., 0] - expected).max() <= 1


def test_grayscale_leaves_every_grey_level_as_it_is():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(decode(encode(levels), 16, 16, color_mode="grayscale")[..., 0], levels)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_rgba_is_what_pillow_reads(mode):
    alpha = Image.fromarray(RGB[..., 0])
    image = Image.fromarray(RGB).convert(mode)
    if mode.endswith("A"):
        image.putalpha(alpha)
    np.testing.assert_array_equal(decode(encode(image), 6, 9, color_mode="rgba"), np.asarray(image.convert("RGBA")))


def test_bilinear_rounds_to_the_nearest_level():
    # Doubling a step from 0 to 3 gives 0, 0.75, 2.25, 3: truncation would give 0, 0, 2, 3.
    step = np.array([[0, 3]], np.uint8)
    assert decode(encode(step), 1, 4, color_mode="grayscale")[0, :, 0].tolist() == [0, 1, 2, 3]


def test_bicubic_overshoot_is_clipped_not_wrapped():
    edge = np.repeat(np.array([[0, 0, 255, 255]], np.uint8), 4, axis=0)
    floats = tf.image.resize(edge[..., None], (4, 16), "bicubic").numpy()
    assert floats.min() < -10
    assert floats.max() > 265
    result = decode(encode(edge), 4, 16, color_mode="grayscale", interpolation="bicubic")
    np.testing.assert_array_equal(result, floats.round().clip(0, 255))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_floats_are_the_same_whole_numbers(interpolation):
    contents = tf.constant([encode(RGB), encode(RGB[::-1], "JPEG")])
    layer = DecodeImage(4, 5, interpolation=interpolation)
    floats = layer.decode(contents, tf.float32)
    assert floats.dtype == tf.float32
    np.testing.assert_array_equal(floats, layer(contents))


def test_area_is_the_mean_and_nearest_repeats():
    blocks = np.array([[10, 20, 200, 100], [30, 40, 0, 100]], np.uint8)
    assert decode(encode(blocks), 1, 2, color_mode="grayscale", interpolation="area")[0, :, 0].tolist() == [25, 100]
    doubled = decode(encode(blocks), 4, 8, color_mode="grayscale", interpolation="nearest")[..., 0]
    np.testing.assert_array_equal(doubled, blocks.repeat(2, axis=0).repeat(2, axis=1))


def test_crop_to_aspect_ratio_takes_the_centre():
    np.testing.assert_array_equal(decode(encode(RGB), 6, 6, crop_to_aspect_ratio=True), RGB[:, 1:7])
    np.testing.assert_array_equal(decode(encode(RGB), 2, 9, crop_to_aspect_ratio=True), RGB[2:4])


def test_pad_to_aspect_ratio_puts_the_image_in_the_centre():
    padded = decode(encode(RGB), 9, 9, pad_to_aspect_ratio=True, fill_value=7)
    np.testing.assert_array_equal(padded[1:7], RGB)
    np.testing.assert_array_equal(padded[[0, 7, 8]], np.full((3, 9, 3), 7))
    padded = decode(encode(RGB), 6, 12, pad_to_aspect_ratio=True)
    np.testing.assert_array_equal(padded[:, 1:10], RGB)
    assert not padded[:, [0, 10, 11]].any()


@pytest.mark.parametrize("arguments", [{"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}])
def test_aspect_ratio_means_what_it_means_in_keras(arguments):
    image = RGB[:, :8]
    ours = decode(encode(image), 12, 12, interpolation="nearest", **arguments)
    theirs = keras.layers.Resizing(12, 12, interpolation="nearest", **arguments)(image.astype(np.float32))
    np.testing.assert_array_equal(ours, theirs)


def test_extreme_aspect_ratio_still_has_a_pixel():
    line = np.full((1, 50, 3), 77, np.uint8)
    np.testing.assert_array_equal(decode(encode(line), 50, 1, crop_to_aspect_ratio=True), np.full((50, 1, 3), 77))


def test_broken_file_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(b"no image", 4, 4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"height": 0}, "height must be a positive integer, in pixels. Received: height=0"),
        ({"width": 4.0}, "width must be a positive integer, in pixels. Received: width=4.0"),
        ({"height": True}, "height must be a positive integer"),
        ({"color_mode": "RGB"}, "Received: color_mode='RGB'. Did you mean 'rgb'?"),
        ({"interpolation": "linear"}, "Did you mean 'bilinear'?"),
        ({"fill_value": 256}, "fill_value must be an integer from 0 to 255. Received: fill_value=256"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "exclude each other"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DecodeImage(**{"height": 4, "width": 4, **arguments})


@pytest.mark.parametrize("inputs", [np.zeros((2, 4, 4, 3), np.uint8), np.array([[b"a"], [b"b"]])])
def test_what_is_not_a_batch_of_strings_is_refused(inputs):
    with pytest.raises(ValueError, match=r"strings of shape \(batch,\) or \(\)"):
        DecodeImage(4, 4)(inputs)
