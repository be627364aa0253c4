"""Image files that TensorFlow does not decode, or not on every version: made into PNG once, without loss."""

import importlib
import io
import re
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from keras_ext import deep_colour
from keras_ext.deep_colour import UnsupportedPixels

# Format to the module and class of Pillow that reads it. A build of Pillow may lack one of them.
_READERS: Final = {
    "avif": ("AvifImagePlugin", "AvifImageFile"),
    "bmp": ("BmpImagePlugin", "BmpImageFile"),
    "gif": ("GifImagePlugin", "GifImageFile"),
    "jpeg2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "ppm": ("PpmImagePlugin", "PpmImageFile"),
    "tiff": ("TiffImagePlugin", "TiffImageFile"),
    "webp": ("WebPImagePlugin", "WebPImageFile"),
}
FORMATS: Final = tuple(_READERS)
_MAGIC: Final = (
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("tiff", re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+")),
    ("ppm", re.compile(rb"P[1-6]\s")),
    ("avif", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
    ("jpeg2000", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", re.DOTALL)),
)
# What PNG holds as it is, and what has an equal there.
_KEPT: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_EQUAL: Final = {
    "PA": "RGBA", "RGBX": "RGB", "RGBa": "RGBA", "La": "LA", "CMYK": "RGB", "YCbCr": "RGB", "I;16B": "I;16",
    "I;16L": "I;16", "I;16N": "I;16",
}  # fmt: skip
_QUICK: Final = 3  # half the time of zlib's default level, and hardly more bytes


def format_of(data: bytes) -> str | None:
    """Returns the format by the first bytes, or None where it is none of these."""
    return next((name for name, magic in _MAGIC if magic.match(data)), None)


def to_png(name: str, data: bytes, max_pixels: int) -> bytes:
    """Decodes an image, or its first frame, turns it upright as its EXIF orientation says, and returns it as PNG.

    Palette, alpha and 16 bits a channel are kept. CMYK, which PNG does not know, becomes RGB; AVIF and JPEG 2000 keep 8
    bits a channel.

    Args:
      name: A format that `format_of` returned, 'gif' or 'bmp'.
      data: The bytes of the file.
      max_pixels: More pixels are refused by the header.

    Raises:
      ValueError: It cannot be decoded; the message says 'truncated', 'damaged' or what is not supported.
    """
    module, kind = _READERS[name]
    try:
        reader = getattr(importlib.import_module(f"PIL.{module}"), kind)
    except ImportError:
        raise ValueError("unsupported (by this version of Pillow)") from None
    try:
        with reader(io.BytesIO(data)) as image:
            if image.width * image.height > max_pixels:
                raise TooManyPixels
            if deep_colour.is_deep(image):
                return deep_colour.to_png(image, data, _upright)
            image.load()
            return _png(_upright(image))
    except (MemoryError, TooManyPixels, UnsupportedPixels):
        raise
    # Pillow reports damage by many types: OSError, SyntaxError, EOFError, struct.error ...
    except Exception as error:
        raise ValueError("truncated" if "truncated" in str(error).lower() else "damaged") from error


class TooManyPixels(ValueError):
    """The header says that there are more pixels than are wanted."""


def _upright(image: Image.Image) -> Image.Image:
    """Turns an image as its EXIF orientation says; where EXIF is broken it stays as it is."""
    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - Pillow reports damage by many types
        return image


def _png(image: Image.Image) -> bytes:
    if image.mode == "I":
        image = _sixteen_bits(image)
    elif image.mode in _EQUAL:
        image = image.convert(_EQUAL[image.mode])
    if image.mode not in _KEPT:
        raise UnsupportedPixels(f"unsupported (pixels of mode {image.mode})")
    # Colour profiles and texts stay behind; which colour is transparent belongs to the pixels.
    image.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_QUICK)
    return buffer.getvalue()


def _sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
        raise UnsupportedPixels("unsupported (32 bits a pixel)")
    return Image.fromarray(values.astype(np.uint16))
