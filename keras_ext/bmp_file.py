"""BMP files: which of them TensorFlow decodes as they are, and whether they are whole."""

import io
import struct
from typing import Final, NamedTuple

from PIL import BmpImagePlugin, Image

MAGIC: Final = b"BM"

_DECODABLE: Final = (8, 24, 32)  # bits of a pixel


class BmpHeader(NamedTuple):
    """What the headers of a BMP file say.

    Attributes:
      width: In pixels.
      height: In pixels.
      channels: 3 also for 8 bits, which choose from a palette.
      decodable: Whether TensorFlow decodes the file as it is: 8, 24 or 32 bits a pixel, no compression, nothing after.
      end: Where the last row ends, in bytes.
    """

    width: int
    height: int
    channels: int
    decodable: bool
    end: int


def read_header(data: bytes) -> BmpHeader:
    """Reads the size of the image.

    Raises:
      ValueError: It is not a valid header; the message says 'truncated' or 'damaged'.
    """
    if len(data) < 30:
        raise ValueError("truncated")
    start, header_size = struct.unpack_from("<II", data, 10)
    if header_size < 40:  # OS/2
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = -1
    else:
        if len(data) < 54:
            raise ValueError("truncated")
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if width <= 0 or height == 0:
        raise ValueError("damaged")
    row_bytes = (width * bits + 31) // 32 * 4
    end = start + abs(height) * row_bytes
    # It refuses a single byte more than it needs, which many writers append.
    decodable = compression == 0 and bits in _DECODABLE and start >= 14 + header_size and end >= len(data)
    return BmpHeader(width, abs(height), 4 if bits == 32 else 3, decodable, end)


def check(data: bytes, side: int = 1) -> Image.Image:  # noqa: ARG001 - there is no reduced decoding of BMP
    """Decodes the whole image.

    Raises:
      ValueError: It cannot be decoded; the message says 'truncated' or 'damaged'.
    """
    header = read_header(data)
    if header.decodable and header.end > len(data):
        raise ValueError("truncated")
    try:
        image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
        image.load()
    except MemoryError:
        raise
    # Pillow reports damage by many types: OSError, SyntaxError, struct.error ...
    except Exception as error:
        raise ValueError("truncated" if "truncated" in str(error) else "damaged") from error
    return image
