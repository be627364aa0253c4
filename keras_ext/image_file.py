"""The bytes of an image file: what they hold, and whether they can be decoded."""

from dataclasses import dataclass
from typing import Final

from keras_ext import jpeg_file, png_file

# More pixels are refused by the header, before any is decoded, so that a decompression bomb costs nothing.
MAX_PIXELS: Final = 100_000_000

VERIFY: Final = ("decode", "header")

_FORMATS: Final = {"jpeg": jpeg_file, "png": png_file}
# Formats that are known only to be named in a reason: (name, offset, bytes there).
_UNSUPPORTED: Final = (
    ("GIF", 0, b"GIF8"),
    ("BMP", 0, b"BM"),
    ("WebP", 8, b"WEBP"),
    ("TIFF", 0, b"II*\0"),
    ("TIFF", 0, b"MM\0*"),
    ("JPEG 2000", 0, b"\0\0\0\x0cjP  "),
    ("AVIF", 4, b"ftypavif"),
    ("HEIC", 4, b"ftyp"),
    ("PPM", 0, b"P6"),
    ("PGM", 0, b"P5"),
)


class ImageFileError(ValueError):
    """The bytes are not an image that can be used; the message is a short reason."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image file holds.

    Attributes:
      format: 'jpeg' or 'png'.
      width: In pixels, as stored.
      height: In pixels, as stored.
      channels: As stored: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha or CMYK.
    """

    format: str
    width: int
    height: int
    channels: int


def read_image_info(data: bytes, verify: str = "decode", max_pixels: int = MAX_PIXELS) -> ImageInfo:
    """Says what image `data` holds; the content decides, not the name of the file.

    What passes with `verify="decode"` can be decoded by `tf.io.decode_image(data, channels=3)` too. Safe to call from
    several threads.

    Args:
      data: The bytes of a file.
      verify: 'decode' decodes the whole image; 'header' reads its size only and lets damaged image data pass.
      max_pixels: More pixels than this are refused.

    Raises:
      ImageFileError: The bytes are not such an image. The message is a short reason, such as 'truncated JPEG'.
    """
    if verify not in VERIFY:
        raise ValueError(f"verify must be 'decode' or 'header'. Received: verify={verify!r}.")
    name = _format_of(data)
    try:
        header = _FORMATS[name].read_header(data)
        if header.width * header.height > max_pixels:
            raise ImageFileError(f"more than {max_pixels / 1e6:g} megapixels")
        if verify == "decode":
            _FORMATS[name].check(data)
    except ImageFileError:
        raise
    except ValueError as error:
        raise ImageFileError(f"{error} {name.upper()}") from error
    return ImageInfo(name, header.width, header.height, header.channels)


def _format_of(data: bytes) -> str:
    if not data:
        raise ImageFileError("empty file")
    for name, module in _FORMATS.items():
        if data.startswith(module.MAGIC):
            return name
    for name, offset, magic in _UNSUPPORTED:
        if data.startswith(magic, offset):
            raise ImageFileError(f"{name} is not supported yet: expected JPEG or PNG")
    raise ImageFileError("not an image")
