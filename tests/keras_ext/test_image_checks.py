import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from keras_ext.image_checks import ImageChecks, measured, thumbnail_of
from keras_ext.image_file import decodable_image

SIZES = np.array([[64, 64]])


def encoded(image, image_format="png", **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def thumbnail(image, image_format="png", **options):
    return thumbnail_of(decodable_image(encoded(image, image_format, **options), least_side=64))


def picture(size=256, low=0, high=255, seed=0):
    """Rectangles of random greys: sharp edges, all levels between `low` and `high`."""
    generator = np.random.default_rng(seed)
    pixels = np.zeros((size, size), np.uint8)
    for _ in range(40):
        top, left, height, width = generator.integers(0, size, 4)
        pixels[top : top + height // 2 + 4, left : left + width // 2 + 4] = generator.integers(low, high + 1)
    return Image.fromarray(pixels.clip(low, high).astype(np.uint8)).convert("RGB")


def flags(image, checks=None, **encoding):
    measures = measured([thumbnail(image, **encoding)])
    found = (checks or ImageChecks()).flagged(measures, np.array([image.size]))
    return {name for name, flag in found.items() if flag[0]}


@pytest.mark.parametrize("encoding", [{"image_format": "png"}, {"image_format": "jpeg", "quality": 90}])
class TestFlags:
    def test_ordinary_image_is_not_flagged(self, encoding):
        assert flags(picture(), **encoding) == set()

    def test_dark(self, encoding):
        assert flags(picture(high=40), **encoding) == {"dark"}

    def test_bright(self, encoding):
        assert flags(picture(low=220), **encoding) == {"bright"}

    def test_blurry(self, encoding):
        assert flags(picture().filter(ImageFilter.GaussianBlur(8)), **encoding) == {"blurry"}
        assert flags(picture().filter(ImageFilter.GaussianBlur(1)), **encoding) == set()

    def test_blank(self, encoding):
        assert flags(Image.new("RGB", (100, 100), (90, 120, 100)), **encoding) == {"low_information"}

    def test_odd_aspect(self, encoding):
        assert flags(picture().resize((400, 100)), **encoding) == {"odd_aspect"}
        assert flags(picture().resize((100, 400)), **encoding) == {"odd_aspect"}
        assert flags(picture().resize((300, 100)), **encoding) == set()

    def test_small_images_are_judged_at_their_own_size(self, encoding):
        sharp = picture().resize((32, 32), Image.Resampling.NEAREST)
        assert flags(sharp, **encoding) == set()
        assert flags(sharp.filter(ImageFilter.GaussianBlur(2)), **encoding) == {"blurry"}


def test_thin_strokes_on_black_are_not_dark():
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, 30] = 255
    assert "dark" not in flags(Image.fromarray(pixels))
    assert "bright" not in flags(Image.fromarray(255 - pixels))


def test_thresholds_turn_checks_on_and_off():
    off = ImageChecks(dark=0, bright=1, blurry=0, low_information=0, odd_aspect=0)
    for image in (picture(high=10), picture(low=250), Image.new("L", (500, 50)), Image.new("L", (50, 50), 255)):
        assert flags(image, off) == set()
    assert flags(picture(), ImageChecks(dark=1.1)) == {"dark"}
    assert flags(picture(), ImageChecks(odd_aspect=0.9)) == {"odd_aspect"}


def test_images_without_measures_are_only_judged_by_their_sizes():
    found = ImageChecks(dark=2, bright=-1).flagged(np.full((1, 4), np.nan), np.array([[400, 100]]))
    assert {name for name, flag in found.items() if flag[0]} == {"odd_aspect"}


def test_measures_by_hand():
    pixels = np.full((32, 32), 51, np.uint8)
    pixels[:, 16:] = 204
    darkest, brightest, contrast, sharpness = measured([pixels])[0]
    assert (darkest, brightest) == pytest.approx((0.2, 0.8))
    assert contrast == pytest.approx(0.3)
    # One step: it bends as much as it rises.
    assert sharpness == pytest.approx(1)


def test_flat_image_has_no_sharpness():
    assert np.isnan(measured([np.full((32, 32), 7, np.uint8)])[0, 3])


def test_many_are_measured_as_one_by_one():
    pictures = [thumbnail(picture(size=size, seed=size)) for size in (20, 32, 50, 64, 100, 300)]
    assert {len(one) for one in pictures} == {32, 64}
    assert np.array_equal(measured(pictures), np.concatenate([measured([one]) for one in pictures]))
    assert measured([]).shape == (0, 4)


class TestThumbnail:
    def test_jpeg_is_decoded_once_and_in_grey(self):
        image = decodable_image(encoded(picture(400), "jpeg"), least_side=64)
        assert image.decoded.mode == "L"
        assert min(image.decoded.size) >= 64
        assert max(image.decoded.size) < 400
        exact = np.asarray(picture(400).convert("L").resize((64, 64), Image.Resampling.BOX), np.float32)
        assert np.abs(thumbnail_of(image) - exact).mean() < 3

    @pytest.mark.parametrize("size, side", [((9, 9), 32), ((63, 200), 32), ((64, 64), 64), ((500, 300), 64)])
    def test_size(self, size, side):
        assert thumbnail(Image.new("L", size)).shape == (side, side)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
    def test_png_of_any_mode(self, mode):
        image = picture(100).convert(mode)
        expected = np.asarray(image.convert("L").resize((64, 64), Image.Resampling.BOX))
        assert np.array_equal(thumbnail(image), expected)

    def test_sixteen_bits_are_not_clipped(self):
        grey = np.asarray(picture(64).convert("L"))
        image = Image.fromarray((grey.astype(np.uint16) << 8) + 99)
        assert np.array_equal(thumbnail(image), grey)

    def test_cmyk_is_as_bright_as_it_looks(self):
        white = Image.new("RGB", (80, 80), "white").convert("CMYK")
        assert thumbnail(white, "jpeg").min() > 250

    @pytest.mark.parametrize("image_format", ["gif", "bmp", "webp", "tiff"])
    def test_other_formats(self, image_format):
        image = picture(100).convert("L")
        expected = np.asarray(image.resize((64, 64), Image.Resampling.BOX)).astype(int)
        # WebP is lossy.
        assert np.abs(thumbnail(image, image_format) - expected).mean() < 4

    def test_png_over_which_pillow_stumbles_is_not_measured(self, monkeypatch):
        def stumble(self):
            raise SyntaxError("broken PNG file")

        monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile._open", stumble)
        assert thumbnail_of(decodable_image(encoded(Image.new("RGB", (9, 9))))) is None


@pytest.mark.parametrize(
    "thresholds, message",
    [
        ({"dark": float("nan")}, "dark must be a finite number"),
        ({"bright": "0.5"}, "bright must be a finite number"),
        ({"blurry": True}, "blurry must be a finite number"),
        ({"near_duplicates": 17}, "whole number of bits, from 0 to 16, or -1"),
        ({"near_duplicates": 2.5}, "whole number of bits"),
    ],
)
def test_thresholds_are_checked(thresholds, message):
    with pytest.raises(ValueError, match=message):
        ImageChecks(**thresholds)
