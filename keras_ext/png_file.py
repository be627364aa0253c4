"""PNG files, checked as strictly as libpng reads them: structure, checksums, compressed rows.

Pillow shows many damaged files that libpng, and TensorFlow with it, refuses; this module needs neither.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

MAGIC: Final = b"\x89PNG\r\n\x1a\n"

_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples of a stored pixel, by colour type
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PALETTE: Final = 3
_KNOWN: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
# Left, top, step right and step down of the seven passes of an interlaced image.
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_MAX_SIDE: Final = 1_000_000  # libpng's own limit
_MAX_EXCESS: Final = 1 << 24  # bytes beyond the last row, which a bomb would have without end
_SLICE: Final = 1 << 14  # bytes inflated at once: at most 16 MB of rows in memory


class PngHeader(NamedTuple):
    """The first chunk of a PNG file, as stored."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlaced: int

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 colour (also by palette), 4 colour and alpha."""
        return 3 if self.colour == _PALETTE else _CHANNELS[self.colour]

    def passes(self) -> Iterator[tuple[int, int]]:
        """Yields (rows, bytes of a row with its filter byte) of each part of the image data."""
        bits = _CHANNELS[self.colour] * self.depth
        for left, top, right, down in _PASSES if self.interlaced else ((0, 0, 1, 1),):
            columns, rows = -(-(self.width - left) // right), -(-(self.height - top) // down)
            if columns > 0 and rows > 0:
                yield rows, 1 + (columns * bits + 7) // 8


def read_header(data: bytes) -> PngHeader:
    """Reads the header.

    Raises:
      ValueError: It is not a valid header; the message says 'truncated' or 'damaged'.
    """
    if len(data) < 33:
        raise ValueError("truncated")
    header = PngHeader(*struct.unpack_from(">IIBBBBB", data, 16))
    valid = (
        data[8:16] == b"\0\0\0\rIHDR"
        and _checksum_holds(data, 8, 13)
        and 0 < header.width <= _MAX_SIDE
        and 0 < header.height <= _MAX_SIDE
        and header.depth in _DEPTHS.get(header.colour, ())
        and (header.compression, header.filtering) == (0, 0)
        and header.interlaced in (0, 1)
    )
    if not valid:
        raise ValueError("damaged")
    return header


def check(data: bytes, side: int = 1) -> None:  # noqa: ARG001 - no pixels are made here
    """Checks the whole file: that libpng can decode it.

    Raises:
      ValueError: It cannot; the message says 'truncated' or 'damaged'.
    """
    header = read_header(data)
    chunks = list(_chunks(data))
    kinds = [kind for kind, _, _ in chunks]
    blocks = [(start, length) for kind, start, length in chunks if kind == b"IDAT"]
    palettes = [length for kind, _, length in chunks if kind == b"PLTE"]
    first = kinds.index(b"IDAT") if blocks else 0
    sound = (
        all(_may_occur(kind) for kind in kinds)
        and kinds.count(b"IHDR") == 1
        and len(palettes) <= 1
        and blocks
        and kinds[first : first + len(blocks)].count(b"IDAT") == len(blocks)  # not broken up
    )
    if not sound or (header.colour == _PALETTE and not _is_palette(palettes, kinds[:first])):
        raise ValueError("damaged")
    _check_rows(data, header, blocks)


def _may_occur(kind: bytes) -> bool:
    """Whether libpng knows this kind of chunk, or may skip it as its first letter is small."""
    return kind.isalpha() and (kind in _KNOWN or kind[:1].islower())


def _is_palette(lengths: list[int], kinds_before_data: list[bytes]) -> bool:
    return b"PLTE" in kinds_before_data and lengths[0] % 3 == 0 and 0 < lengths[0] <= 3 * 256


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields (kind, start, length) of each chunk up to the last, after its checksum held."""
    position = len(MAGIC)
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise ValueError("truncated")
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            raise ValueError("truncated")
        if not _checksum_holds(data, position, length):
            raise ValueError("damaged")
        yield kind, position + 8, length
        position += 12 + length


def _checksum_holds(data: bytes, position: int, length: int) -> bool:
    end = position + 8 + length
    return zlib.crc32(memoryview(data)[position + 4 : end]) == int.from_bytes(data[end : end + 4], "big")


def _check_rows(data: bytes, header: PngHeader, blocks: list[tuple[int, int]]) -> None:
    """Inflates the image data and looks at the filter byte of each row."""
    spans, end = [], 0
    for rows, size in header.passes():
        spans.append((end, end + rows * size, size))
        end += rows * size
    position = 0
    for rows_data in _inflated(data, blocks):
        for first, last, size in spans:
            at = first if position <= first else position + (first - position) % size
            if max(rows_data[max(at - position, 0) : max(last - position, 0) : size], default=0) > 4:
                raise ValueError("damaged")
        position += len(rows_data)
        if position > end + _MAX_EXCESS:
            raise ValueError("damaged")
    if position < end:
        raise ValueError("truncated")


def _inflated(data: bytes, blocks: list[tuple[int, int]]) -> Iterator[bytes]:
    inflate = zlib.decompressobj()
    view = memoryview(data)
    try:
        for start, length in blocks:
            for position in range(start, start + length, _SLICE):
                yield inflate.decompress(view[position : min(position + _SLICE, start + length)])
    except zlib.error as error:
        raise ValueError("damaged") from error
    if not inflate.eof:
        raise ValueError("truncated")
