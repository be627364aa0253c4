"""Decoded images kept as uint8, in memory or in one file, so that they are decoded once."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from keras_ext.atomic_file import atomic_file
from keras_ext.datasets.image_reader import ImageReader
from keras_ext.datasets.python_reads import read_batches
from keras_ext.progress import progress_logger

_MAGIC = b"keras_ext image cache 1\n"
_HEADER_BYTES = 4096  # the pixels begin on a page of memory
_LENGTH_BYTES = 8
_BATCH = 32


@dataclass(frozen=True)
class ImageCache:
    """Images by position, as `ImageReader` has them.

    Attributes:
      pixels: uint8 `(images, height, width, channels)`.
      rows: Position to row in `pixels`, -1 where there is none.
      rejected: Position to reason, of the files that could not be decoded.
    """

    pixels: np.ndarray
    rows: np.ndarray
    rejected: Mapping[int, str]

    @property
    def spec(self) -> tf.TensorSpec:
        """What `read` returns."""
        return tf.TensorSpec((None, *self.pixels.shape[1:]), tf.uint8)

    def read(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images, and the positions again."""
        return self.pixels[self.rows[positions]], positions


def memory_cache(reader: ImageReader, positions: np.ndarray, count: int) -> ImageCache:
    """Returns a cache of the images at some of `count` positions."""
    pixels = np.empty((len(positions), *reader.spec.shape[1:]), np.uint8)
    kept: list[int] = []
    for images, at in _decoded(reader, positions):
        pixels[len(kept) : len(kept) + len(at)] = images
        kept += at.tolist()
    return ImageCache(pixels[: len(kept)], _rows(kept, count), reader.rejected)


def file_cache(path: str, settings: Mapping[str, Any], reader: ImageReader, count: int) -> ImageCache:
    """Returns the cache in a file; makes it where there is none, or one of other files or settings.

    The file appears when it is whole. It holds all images of the input, whatever split they belong to.

    Args:
      path: The file.
      settings: What the pixels depend on, as JSON has it.
      reader: Decodes the images at the positions 0 to `count - 1`.
      count: The number of files.

    Raises:
      ValueError: Something else is there.
    """
    notes = _read_notes(path)
    if notes is None or notes["settings"] != settings:
        progress_logger.info("Decoding %d images into %s", count, path)
        _write(path, settings, reader, count)
        notes = _read_notes(path)
    if notes is None:
        raise OSError(f"{path!r} vanished while it was read.")
    rejected = {int(position): reason for position, reason in notes["rejected"].items()}
    kept = [position for position in range(count) if position not in rejected]
    shape = (len(kept), *reader.spec.shape[1:])
    pixels = np.memmap(path, np.uint8, "r", _HEADER_BYTES, shape) if kept else np.empty(shape, np.uint8)
    return ImageCache(pixels, _rows(kept, count), rejected)


def _decoded(reader: ImageReader, positions: np.ndarray) -> Any:
    batches = tf.data.Dataset.from_tensor_slices(positions).batch(_BATCH)
    return read_batches(reader.read, reader.spec, batches).prefetch(1).as_numpy_iterator()


def _rows(kept: list[int], count: int) -> np.ndarray:
    rows = np.full(count, -1)
    rows[kept] = np.arange(len(kept))
    return rows


def _write(path: str, settings: Mapping[str, Any], reader: ImageReader, count: int) -> None:
    with atomic_file(path) as unfinished, open(unfinished, "wb") as file:
        _write_pixels(file, reader, count)
        notes = json.dumps({"settings": settings, "rejected": reader.rejected}).encode()
        file.write(notes + len(notes).to_bytes(_LENGTH_BYTES, "big"))


def _write_pixels(file: BinaryIO, reader: ImageReader, count: int) -> None:
    file.write(_MAGIC.ljust(_HEADER_BYTES, b"\0"))
    for images, _ in _decoded(reader, np.arange(count)):
        file.write(images.tobytes())


def _read_notes(path: str) -> dict[str, Any] | None:
    """Returns what a cache says of itself; None where there is no file."""
    try:
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(
                    f"cache must name a new file, or a cache. Received: {path!r}, which is something else."
                )
            end = file.seek(-_LENGTH_BYTES, os.SEEK_END)
            length = int.from_bytes(file.read(), "big")
            file.seek(end - length)
            return json.loads(file.read(length))
    except FileNotFoundError:
        return None
