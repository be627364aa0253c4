"""Image files to arrays of one size: by TensorFlow where it does what Pillow does, by Pillow everywhere else."""

import functools
import io
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from keras_ext import converted_file
from keras_ext.choices import check_choice
from keras_ext.image_file import ImageFileError
from keras_ext.layers import DecodeImage
from keras_ext.local_folder import read_file

CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")

_PARALLEL_READS = 16
# Whatever a file is called: for others Pillow might start a program, such as Ghostscript for EPS.
_FORMATS = ("JPEG", "MPO", "PNG", "DIB", "ICO", "TGA", *map(str.upper, converted_file.FORMATS))
_MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
# Grey PNGs may have 16 bits, which TensorFlow's layer reduces to 8.
_BY_TENSORFLOW = {"rgb": (*_JPEG, ".png", ".bmp"), "rgba": (*_JPEG, ".png", ".bmp"), "grayscale": _JPEG}
# What Pillow's many readers raise for damaged files.
_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, MemoryError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)


class ReadImages(NamedTuple):
    """What came of reading some files.

    Attributes:
      images: `(images, height, width, channels)` of those that can be read, in order; uint8, or float32 where grey
        values do not fit. It may be read-only.
      read: The positions of these among the files.
      problems: Position to reason, of the others.
    """

    images: np.ndarray
    read: list[int]
    problems: dict[int, str]


class ImageFiles:
    """Reads image files of any size, in parallel, as images of one size.

    Args:
      target_size: Height and width in pixels.
      color_mode: `"rgb"`, `"rgba"` or `"grayscale"`, which keeps the values of images of more than 8 bits.
      interpolation: A filter of Pillow's: `"nearest"` takes single pixels, the others average over what they shrink.
      keep_aspect_ratio: Whether to cut away what does not fit the aspect ratio, from the centre.

    Raises:
      ValueError: An unknown name, or a size that is not two positive integers.
    """

    def __init__(
        self,
        target_size: Sequence[int],
        color_mode: str = "rgb",
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> None:
        self.target_size = _checked_size(target_size)
        self.color_mode = check_choice("color_mode", color_mode, CHANNELS)
        self.interpolation = check_choice("interpolation", interpolation, INTERPOLATIONS)
        self.keep_aspect_ratio = keep_aspect_ratio
        # TensorFlow's other filters are not Pillow's, or cost several times as much.
        self._extensions = _BY_TENSORFLOW[color_mode] if interpolation == "nearest" else ()
        self._only_by_pillow: set[str] = set()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return (*self.target_size, CHANNELS[self.color_mode])

    def read(self, paths: Sequence[str]) -> ReadImages:
        """Reads the files; those that cannot be read are left out, with the reason."""
        quick = [i for i, path in enumerate(paths) if self._suits_tensorflow(path)]
        decoded = self._decoded([paths[i] for i in quick])
        if len(decoded) == len(paths):
            return ReadImages(decoded, list(range(len(paths))), {})
        results: dict[int, np.ndarray | str] = dict(zip(quick, decoded, strict=False))
        rest = [i for i in range(len(paths)) if i not in results]
        results.update(zip(rest, _threads().map(self._read_one, [paths[i] for i in rest]), strict=True))
        images = {i: image for i, image in sorted(results.items()) if not isinstance(image, str)}
        problems = {i: reason for i, reason in sorted(results.items()) if isinstance(reason, str)}
        return ReadImages(self._stacked(list(images.values())), list(images), problems)

    def _suits_tensorflow(self, path: str) -> bool:
        return path.lower().endswith(self._extensions) and path not in self._only_by_pillow

    def _decoded(self, paths: Sequence[str]) -> np.ndarray:
        """Returns all images, or none if one of them cannot be decoded."""
        if paths:
            try:
                with tf.device("CPU:0"):
                    decoded = self._decoder(tf.constant([os.fsencode(path) for path in paths]))
                return np.asarray(memoryview(decoded))
            except tf.errors.OpError:
                pass
        return self._stacked([])

    @functools.cached_property
    def _decoder(self) -> Callable[[tf.Tensor], tf.Tensor]:
        return _decoder(self.target_size, self.color_mode, self.keep_aspect_ratio)

    def _read_one(self, path: str) -> np.ndarray | str:
        """Returns an image, or why there is none."""
        quick = self._suits_tensorflow(path)
        decoded = self._decoded([path] if quick else [])
        if len(decoded):
            return decoded[0]
        result = self._read_by_pillow(path)
        if quick and not isinstance(result, str):
            self._only_by_pillow.add(path)
        return result

    def _read_by_pillow(self, path: str) -> np.ndarray | str:
        try:
            data = read_file(path)
        except ImageFileError as error:
            return str(error) if os.path.lexists(path) else "no such file"
        if not data:
            return "empty file"
        try:
            with Image.open(io.BytesIO(data), formats=_formats()) as image:
                return self._as_array(self._resized(self._converted(image)))
        except UnidentifiedImageError:
            return "not an image"
        except _UNREADABLE as error:
            return str(error) or type(error).__name__

    def _converted(self, image: Image.Image) -> Image.Image:
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
            image = image.convert("I")
            if self.color_mode != "grayscale":  # Pillow would clip what is above 255
                image = image.point(lambda value: value * (1 / 256))
        if self.color_mode == "grayscale" and image.mode in ("I", "F"):
            return image
        return image if image.mode == _MODES[self.color_mode] else image.convert(_MODES[self.color_mode])

    def _resized(self, image: Image.Image) -> Image.Image:
        height, width = self.target_size
        if image.size == (width, height):
            return image
        box = _central_box(image.size, (width, height)) if self.keep_aspect_ratio else None
        return image.resize((width, height), Image.Resampling[self.interpolation.upper()], box)

    def _as_array(self, image: Image.Image) -> np.ndarray:
        values = np.asarray(image)
        return (values if values.dtype == np.uint8 else values.astype(np.float32)).reshape(self.image_shape)

    def _stacked(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(images) if images else np.zeros((0, *self.image_shape), np.uint8)


@functools.cache
def _decoder(target_size: tuple[int, int], color_mode: str, crop: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    decode = DecodeImage(
        *target_size, color_mode, interpolation="nearest", crop_to_aspect_ratio=crop, exif_orientation=False
    )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def read(paths: tf.Tensor) -> tf.Tensor:
        string = tf.TensorSpec([], tf.string)
        contents = tf.map_fn(tf.io.read_file, paths, fn_output_signature=string, parallel_iterations=_PARALLEL_READS)
        return decode(contents)

    return read


@functools.cache
def _formats() -> list[str]:
    """Returns those that this build of Pillow has."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="read_images")


def _central_box(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest window, at least a pixel, of the target's aspect ratio: left, top, right, bottom."""
    width, height = (
        min(own, max(1, other * aim // other_aim))
        for own, other, aim, other_aim in zip(size, reversed(size), target, reversed(target), strict=True)
    )
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def _checked_size(size: Sequence[int]) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, Sequence) and not isinstance(size, str) else ()
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side > 0 for side in sides):
        raise ValueError(
            f"target_size must be two positive integers, height and width. Received: target_size={size!r}."
        )
    return int(sides[0]), int(sides[1])
