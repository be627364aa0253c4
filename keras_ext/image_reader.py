"""Images, read from wherever they lie, checked, and made decodable."""

import collections
import concurrent.futures
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from keras_ext.image_checks import SIDES, thumbnail_of
from keras_ext.image_file import MAX_PIXELS, ImageFileError, ImageInfo, decodable_image
from keras_ext.image_listing import Record
from keras_ext.image_source import ImageSource

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Below this mean size a file is decoded faster than it is handed to a thread.
_THREADED_BYTES = 16_384
_AHEAD = 2  # files read ahead for each thread: enough to keep them busy, few enough to fit in memory


@dataclass(frozen=True, slots=True)
class Image:
    """The content of an image file.

    Attributes:
      data: What every version of TensorFlow decodes: the bytes of the file, or a PNG of the same pixels.
      info: What they hold.
      digest: The SHA-256 of the file itself, in hexadecimal.
      original_format: The format of the file, where it is another one now; otherwise None.
      size: Bytes of the file.
      thumbnail: The small picture that is measured, where it was asked for; see `image_checks.thumbnail_of`.
    """

    data: bytes
    info: ImageInfo
    digest: str
    original_format: str | None = None
    size: int = 0
    thumbnail: np.ndarray | None = None


def pays_in_threads(size_bytes: int, files: int) -> bool:
    """Whether files of this size in all are decoded faster in threads."""
    return size_bytes > _THREADED_BYTES * files


_Outcome: TypeAlias = Image | ImageFileError


@dataclass(frozen=True)
class ImageReader:
    """Reads the images of records.

    Args:
      source: Where they lie.
      verify: 'decode' or 'header'; see `keras_ext.image_file.decodable_image`.
      max_pixels: More pixels are refused by the header.
      threaded: Whether to use threads, which pays where decoding outweighs the rest.
      thumbnails: Whether to make a small picture of each image that is decoded.
    """

    source: ImageSource
    verify: str = "decode"
    max_pixels: int = MAX_PIXELS
    threaded: bool = False
    thumbnails: bool = False

    def read(self, path: str) -> Image:
        """Reads and checks one image.

        Raises:
          ImageFileError: The file cannot be used; the message is a short reason.
        """
        return self._checked(self.source.read(path))

    def read_all(self, records: Iterable[Record]) -> Iterator[tuple[Record, _Outcome]]:
        """Yields the records in their order, each with its image or the reason why there is none."""
        if not self.threaded:
            yield from ((record, _outcome(self.read, record.path)) for record in records)
        elif self.source.sequential:
            # Only the way forward is short there: one reads, and the threads decode.
            contents = ((record, _outcome(self.source.read, record.path)) for record in records)
            yield from _in_threads(self._outcome_of, contents)
        else:
            yield from _in_threads(lambda path: _outcome(self.read, path), ((one, one.path) for one in records))

    def _outcome_of(self, content: bytes | ImageFileError) -> _Outcome:
        return content if isinstance(content, ImageFileError) else _outcome(self._checked, content)

    def _checked(self, data: bytes) -> Image:
        wanted = self.thumbnails and self.verify == "decode"
        image = decodable_image(data, self.verify, self.max_pixels, SIDES[0] if wanted else 1)
        # The file's own digest, as the PNG that is made of it may change with the version of Pillow.
        digest = hashlib.sha256(data).hexdigest()
        original = image.original_format if image.original_format != image.info.format else None
        return Image(image.data, image.info, digest, original, len(data), thumbnail_of(image) if wanted else None)


def _outcome(do: Callable[[_Item], _Result], item: _Item) -> _Result | ImageFileError:
    try:
        return do(item)
    except ImageFileError as error:
        return error


def _in_threads(
    do: Callable[[_Item], _Result], items: Iterable[tuple[Record, _Item]]
) -> Iterator[tuple[Record, _Result]]:
    """Yields what `do` makes of each item, in their order; only a few are held at a time."""
    threads = os.cpu_count() or 1
    waiting: collections.deque[tuple[Record, concurrent.futures.Future[_Result]]] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for record, item in items:
            waiting.append((record, pool.submit(do, item)))
            if len(waiting) > threads * _AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
