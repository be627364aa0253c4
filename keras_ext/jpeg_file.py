"""JPEG files, checked as strictly as libjpeg reads them in TensorFlow: structure by hand, pixels by Pillow."""

import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from PIL import Image

MAGIC: Final = b"\xff\xd8\xff"

_END, _SCAN = 0xD9, 0xDA
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DECODABLE: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive, Huffman-coded
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDD})
_SKIPPED: Final = frozenset({0xDC, 0xFE, *range(0xE0, 0xF0)})  # comments and application data
_WITH_LENGTH: Final = _FRAMES | _TABLES | _SKIPPED | {_SCAN}
_SCALES: Final = (8, 4, 2, 1)
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD8)})
# A marker; a stuffed zero byte means that the 0xff before it is image data.
# It starts with a plain byte, which is searched for much faster than a repeated one.
_MARKER: Final = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)


class JpegHeader(NamedTuple):
    """What the frame of a JPEG file says."""

    width: int
    height: int
    channels: int


def read_header(data: bytes) -> JpegHeader:
    """Reads the size of the image.

    Raises:
      ValueError: There is none; the message says what is wrong, such as 'truncated'.
    """
    for marker, start, end in _segments(data):
        if marker in _FRAMES:
            return _read_frame(marker, data[start + 4 : end])
    raise ValueError("damaged")


def _read_frame(marker: int, body: bytes) -> JpegHeader:
    if len(body) < 9:
        raise ValueError("damaged")
    depth, height, width, channels = struct.unpack_from(">BHHB", body)
    if marker not in _DECODABLE or depth != 8:
        raise ValueError("unsupported (arithmetic-coded, lossless or 12-bit)")
    if channels not in (1, 3, 4) or not width or not height:
        raise ValueError("damaged")
    return JpegHeader(width, height, channels)


def check(data: bytes, side: int = 1) -> Image.Image:
    """Decodes the whole image, in grey, reduced as far as DCT scaling can with no side below `side` pixels.

    Raises:
      ValueError: It cannot be decoded; the message says 'truncated' or 'damaged'.
    """
    segments = list(_segments(data))
    if all(marker != _SCAN for marker, _, _ in segments):
        raise ValueError("damaged")
    header = read_header(data)
    # Grey at the reduced size still reads every byte, and saves most of the arithmetic.
    scale = next(scale for scale in _SCALES if scale == 1 or min(header.width, header.height) >= scale * side)
    size = -(-header.width // scale), -(-header.height // scale)
    mode, stored = ("CMYK", "CMYK;I") if header.channels == 4 else ("L", "L")
    try:
        # The decoder itself: Pillow's reader of JPEG files takes twice as long with small ones, and stumbles over
        # application data.
        return Image.frombytes(mode, size, data, "jpeg", (stored, "", scale, 0))
    except ValueError as error:
        raise ValueError("truncated" if "not enough" in str(error) else "damaged") from error


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields (marker, start, end) of each segment up to the end of the image, as libjpeg walks through them."""
    position = 2
    while found := _MARKER.search(data, position):
        marker, start, position = found[1][0], found.end() - 2, found.end()
        if marker in _WITHOUT_LENGTH:
            continue
        if marker == _END:
            yield marker, start, position
            return
        if marker not in _WITH_LENGTH:
            raise ValueError("damaged")
        length = int.from_bytes(data[position : position + 2], "big")
        position += length
        if length < 2 or position > len(data):
            raise ValueError("truncated" if position > len(data) else "damaged")
        yield marker, start, position
    raise ValueError("truncated")
