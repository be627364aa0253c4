"""Colour of 16 bits a channel in TIFF and PPM files, of which Pillow reads the upper 8: all of it, as PNG."""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, TypeGuard

import numpy as np
from PIL import Image
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

from keras_ext import png_file

# Tags of TIFF: bits of each channel, and how channels lie.
_BITS: Final = 258
_PLANES: Final = 284
_APART: Final = 2
_COLOUR: Final = {3: 2, 4: 6}  # PNG's colour types, by the number of channels
_QUICK: Final = 3


class UnsupportedPixels(ValueError):
    """Pixels that PNG cannot hold, or that Pillow cannot read in full; the message says which."""


def is_deep(image: Image.Image) -> TypeGuard[PpmImageFile | TiffImageFile]:
    """Whether an image that was opened, and not yet loaded, holds 16 bits a channel of which loading drops 8."""
    if isinstance(image, PpmImageFile):
        return image.mode == "RGB" and _greatest_value(image) > 0xFF
    return isinstance(image, TiffImageFile) and image.mode in ("RGB", "RGBA") and image.tag_v2[_BITS][0] == 16


def to_png(image: PpmImageFile | TiffImageFile, data: bytes, upright: Callable[[Image.Image], Image.Image]) -> bytes:
    """Returns a PNG of the same pixels, 16 bits a channel.

    Args:
      image: An image that `is_deep`.
      data: The bytes of its file.
      upright: Turns an image of 8 bits a channel.

    Raises:
      UnsupportedPixels: The channels lie apart, each in a plane of its own, which Pillow cannot read in full.
    """
    if isinstance(image, PpmImageFile):
        return _png(_ppm_samples(image, data))
    if image.tag_v2.get(_PLANES) == _APART:
        raise UnsupportedPixels("unsupported (16 bits of colour in separate planes)")
    return _png(_tiff_samples(image, data, upright))


def _greatest_value(image: PpmImageFile) -> int:
    arguments: Any = image.tile[0].args
    return int(arguments[-1]) if isinstance(arguments, tuple) else 0xFF


def _ppm_samples(image: PpmImageFile, data: bytes) -> np.ndarray:
    """The same numbers as a grey image of three times the width, which Pillow reads in full."""
    magic = {b"P6": b"P5", b"P3": b"P2"}[data[:2]]
    header = b"%s %d %d %d\n" % (magic, 3 * image.width, image.height, _greatest_value(image))
    with PpmImageFile(io.BytesIO(header + data[image.tile[0].offset :])) as grey:
        return np.asarray(grey).astype(np.uint16).reshape(image.height, image.width, 3)


def _tiff_samples(image: TiffImageFile, data: bytes, upright: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """Pillow takes the upper byte of each sample; told the other byte order, it takes the lower one."""
    arguments: Any = image.tile[0].args  # first of all the mode of the samples in the file
    bands, order = arguments[0].split(";16")
    order = {"N": "L" if sys.byteorder == "little" else "B"}.get(order, order)
    upper, lower = (
        _tiff_bytes(data, f"{bands.upper()};16{half}", upright) for half in (order, "L" if order == "B" else "B")
    )
    samples = upper.astype(np.uint16) << 8 | lower
    return _undo_alpha(samples) if bands == "RGBa" else samples


def _tiff_bytes(data: bytes, raw_mode: str, upright: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    with TiffImageFile(io.BytesIO(data)) as image:
        tiles: Any = image.tile
        image.tile = [tile._replace(args=(raw_mode, *tile.args[1:])) for tile in tiles]
        return np.asarray(upright(image))


def _undo_alpha(samples: np.ndarray) -> np.ndarray:
    """Colours that were multiplied by alpha, as PNG wants them."""
    colours, alpha = np.split(samples.astype(np.uint64), [3], axis=-1)
    colours = np.minimum(0xFFFF, (colours * 0xFFFF + alpha // 2) // np.maximum(alpha, 1))
    return np.concatenate([colours, alpha], axis=-1).astype(np.uint16)


def _png(samples: np.ndarray) -> bytes:
    height, width, channels = samples.shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    # Each byte less that of the pixel to the left (filter 1), which makes smooth colours small.
    rows[:, 2 * channels :] -= rows[:, : -2 * channels].copy()
    filtered = np.insert(rows, 0, 1, axis=1)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR[channels], 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), _QUICK)), (b"IEND", b"")
    return png_file.MAGIC + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
