"""The bytes of an image file: what they hold, and whether they can be decoded."""

from dataclasses import dataclass
from typing import Final

from PIL import Image

from keras_ext import bmp_file, converted_file, gif_file, jpeg_file, png_file
from keras_ext.choices import check_choice

# More pixels are refused by the header, before any is decoded, so that a decompression bomb costs nothing.
MAX_PIXELS: Final = 100_000_000

VERIFY: Final = ("decode", "header")

# What every version of TensorFlow decodes. Everything else becomes PNG.
_FORMATS: Final = {"jpeg": jpeg_file, "png": png_file, "gif": gif_file, "bmp": bmp_file}
_SPELLED: Final = {"webp": "WebP", "jpeg2000": "JPEG 2000"}
# Formats that are known only to be named in a reason: (name, offset, bytes there).
_UNSUPPORTED: Final = (("HEIC", 4, b"ftyp"), ("JPEG XL", 0, b"\xff\x0a"), ("JPEG XL", 4, b"JXL "))


class ImageFileError(ValueError):
    """The bytes are not an image that can be used; the message is a short reason."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image file holds.

    Attributes:
      format: 'jpeg', 'png', 'gif' or 'bmp'.
      width: In pixels, as stored.
      height: In pixels, as stored.
      channels: As stored: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha or CMYK.
    """

    format: str
    width: int
    height: int
    channels: int


@dataclass(frozen=True, slots=True)
class DecodableImage:
    """An image file that every version of TensorFlow decodes.

    Attributes:
      data: The bytes: as they were, or a PNG of the same pixels.
      info: What they hold.
      original_format: The format of the file: that of `info`, or one of `converted_file.FORMATS`.
      decoded: The pixels, where checking decoded them anyway; JPEG in grey and reduced, see `least_side` below.
    """

    data: bytes
    info: ImageInfo
    original_format: str
    decoded: Image.Image | None = None


def read_image_info(data: bytes, verify: str = "decode", max_pixels: int = MAX_PIXELS) -> ImageInfo:
    """Says what image `data` holds; the content decides, not the name of the file.

    What passes with `verify="decode"` can be decoded by `tf.io.decode_image(data, channels=3)` too; other images are
    `decodable_image`'s. Safe to call from several threads.

    Args:
      data: The bytes of a file.
      verify: 'decode' decodes the whole image; 'header' reads its size only and lets damaged image data pass.
      max_pixels: More pixels than this are refused.

    Raises:
      ImageFileError: The bytes are not such an image. The message is a short reason, such as 'truncated JPEG'.
    """
    name = _format_of(data, verify)
    info, _ = _passed(name, data, verify, max_pixels)
    if info is None:
        kind = " of this kind" if name in _FORMATS else ""
        raise ImageFileError(f"{_spelled(name)}{kind} must be converted: TensorFlow does not decode it")
    return info


def decodable_image(
    data: bytes, verify: str = "decode", max_pixels: int = MAX_PIXELS, least_side: int = 1
) -> DecodableImage:
    """Checks an image as `read_image_info` does, and makes PNG of what TensorFlow does not decode.

    JPEG, PNG, and GIF and BMP but for their rarest kinds, stay as they are, byte for byte. WebP, TIFF, PPM, AVIF and
    JPEG 2000 become PNG: the first frame, upright, with its palette, alpha and 16 bits a channel. CMYK becomes RGB, as
    decoding would have it.

    Args:
      data: The bytes of a file.
      verify: 'decode' or 'header'. What becomes PNG is decoded in any case.
      max_pixels: More pixels than this are refused by the header.
      least_side: No side of a JPEG is reduced to less than this, in pixels, while it is checked.

    Raises:
      ImageFileError: The bytes are not an image that can be used. The message is a short reason.

    Example:

    ```python
    image = decodable_image(Path("photo.webp").read_bytes())
    pixels = tf.io.decode_image(image.data)  # image.info.format is 'png', image.original_format 'webp'
    ```
    """
    name = _format_of(data, verify)
    info, decoded = _passed(name, data, verify, max_pixels, least_side)
    if info is not None:
        return DecodableImage(data, info, name, decoded)
    try:
        data = converted_file.to_png(name, data, max_pixels)
        header = png_file.read_header(data)  # which refuses sides that libpng refuses
    except ValueError as error:
        raise _reason(name, error, max_pixels) from error
    return DecodableImage(data, ImageInfo("png", header.width, header.height, header.channels), name)


def _passed(
    name: str, data: bytes, verify: str, max_pixels: int, least_side: int = 1
) -> tuple[ImageInfo | None, Image.Image | None]:
    """Checks an image that may stay as it is; None where it must be converted. The other is `decoded`."""
    decoded = None
    if name not in _FORMATS:
        return None, None
    try:
        header = _FORMATS[name].read_header(data)
        if header.width * header.height > max_pixels:
            raise converted_file.TooManyPixels
        if not getattr(header, "decodable", True):
            return None, None
        if verify == "decode":
            decoded = _FORMATS[name].check(data, least_side)
    except ValueError as error:
        raise _reason(name, error, max_pixels) from error
    return ImageInfo(name, header.width, header.height, header.channels), decoded


def _reason(name: str, error: ValueError, max_pixels: int) -> ImageFileError:
    if isinstance(error, converted_file.TooManyPixels):
        return ImageFileError(f"more than {max_pixels / 1e6:g} megapixels")
    return ImageFileError(f"{error} {_spelled(name)}")


def _spelled(name: str) -> str:
    return _SPELLED.get(name, name.upper())


def _format_of(data: bytes, verify: str) -> str:
    check_choice("verify", verify, VERIFY)
    if not data:
        raise ImageFileError("empty file")
    for name, module in _FORMATS.items():
        if data.startswith(module.MAGIC):
            return name
    converted = converted_file.format_of(data)
    if converted is not None:
        return converted
    for name, offset, magic in _UNSUPPORTED:
        if data.startswith(magic, offset):
            raise ImageFileError(f"{name} is not supported: convert it to JPEG or PNG")
    raise ImageFileError("not an image")
