"""GIF files: their blocks by hand, the first frame by Pillow. TensorFlow, and so everything after, takes that frame."""

import io
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from PIL import GifImagePlugin, Image

MAGIC: Final = b"GIF8"

_FRAME, _EXTENSION, _END = 0x2C, 0x21, 0x3B
# TensorFlow unpacks all frames to take the first: more pixels than these in all are not handed to it.
_MAX_PIXELS_OF_FRAMES: Final = 1 << 26


class GifHeader(NamedTuple):
    """What the blocks of a GIF file say.

    Attributes:
      width: Of the canvas, in pixels.
      height: Of the canvas, in pixels.
      channels: Always 3, from a palette.
      decodable: Whether TensorFlow decodes the first frame as it is meant.
    """

    width: int
    height: int
    channels: int
    decodable: bool


class _Frame(NamedTuple):
    """Where a frame lies on the canvas, and how many colours it chooses from."""

    left: int
    top: int
    width: int
    height: int
    colours: int


def read_header(data: bytes) -> GifHeader:
    """Reads the size of the canvas and walks through the blocks.

    Raises:
      ValueError: There is no frame; the message says 'truncated' or 'damaged'.
    """
    if len(data) < 13:
        raise ValueError("truncated")
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        raise ValueError("damaged")
    width, height = struct.unpack_from("<HH", data, 6)
    frames = list(_frames(data))
    if not width or not height:
        raise ValueError("damaged")
    if not frames:
        raise ValueError("truncated")
    # It sizes the result by the largest frame, and shows black where the first one leaves the canvas free.
    fills = frames[0][:4] == (0, 0, width, height) and frames[0].colours > 0
    within = all(frame.width <= width and frame.height <= height for frame in frames)
    pixels = sum(frame.width * frame.height for frame in frames)
    return GifHeader(width, height, 3, fills and within and pixels <= _MAX_PIXELS_OF_FRAMES)


def check(data: bytes, side: int = 1) -> Image.Image:  # noqa: ARG001 - there is no reduced decoding of GIF
    """Decodes the first frame.

    Raises:
      ValueError: It cannot be decoded; the message says 'truncated' or 'damaged'.
    """
    header = read_header(data)
    try:
        image = GifImagePlugin.GifImageFile(io.BytesIO(data))
        image.load()
    except MemoryError:
        raise
    # Pillow reports damage by many types: OSError, EOFError, IndexError, struct.error ...
    except Exception as error:
        raise ValueError("truncated" if "truncated" in str(error) else "damaged") from error
    # Pillow takes a colour that is not there for black.
    if header.decodable and np.asarray(image).max() >= next(_frames(data)).colours:
        raise ValueError("damaged")
    return image


def _frames(data: bytes) -> Iterator[_Frame]:
    """Yields the frames up to the end of the file, which many writers leave without its last byte."""
    shared = _palette_bytes(data[10])
    position = 13 + shared
    while position < len(data) and data[position] != _END:
        if data[position] == _EXTENSION:
            position = _after_blocks(data, position + 2)
            continue
        if data[position] != _FRAME:
            raise ValueError("damaged")
        if position + 11 > len(data):
            raise ValueError("truncated")
        left, top, width, height, flags = struct.unpack_from("<HHHHB", data, position + 1)
        palette = _palette_bytes(flags)
        start = position + 10 + palette
        if not width or not height or not 1 <= (data[start] if start < len(data) else 1) <= 8:
            raise ValueError("damaged")
        position = _after_blocks(data, start + 1)
        yield _Frame(left, top, width, height, (palette or shared) // 3)


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    """Returns where the chain of blocks that begins at `position` ends."""
    while position < len(data):
        length = data[position]
        position += 1 + length
        if not length:
            return position
    raise ValueError("truncated")
