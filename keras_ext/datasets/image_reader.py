"""Image files to batches; files that cannot be decoded are left out and noted."""

import contextlib
import threading
import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_ext.converted_file import format_of
from keras_ext.image_file import ImageFileError, decodable_image
from keras_ext.image_source import ImageSource
from keras_ext.layers import DecodeImage


class ImageReader:
    """Reads and decodes images by their position in a list of files.

    It is written in Python, around one compiled graph for a batch: there an error can be caught, which a `tf.data`
    graph cannot, and the graph runs a fifth faster than within `Dataset.map`, which does not optimize its loops.

    Args:
      source: Where the files are.
      paths: Their paths within the source.
      decode: Decodes and resizes.
      dtype: Of the images: uint8, or float32 of the same whole numbers.

    Attributes:
      spec: What `read` returns: `(None, height, width, channels)` and the dtype.
      rejected: Position to reason, of the files that could not be decoded so far.
    """

    def __init__(
        self, source: ImageSource, paths: Sequence[str], decode: DecodeImage, dtype: tf.DType = tf.uint8
    ) -> None:
        self.spec = tf.TensorSpec((None, *decode.image_shape), dtype)
        self.rejected: dict[int, str] = {}
        self._source = source
        self._paths = paths
        # Traced here and now: the threads of `tf.data` flush denormal numbers, which NumPy then complains of.
        # Not a `functools.partial`, with which the graph is three times as slow.
        graph = tf.function(lambda contents: decode.decode(contents, dtype), autograph=False)
        self._decode = graph.get_concrete_function(tf.TensorSpec([None], tf.string))
        self._lock = threading.Lock()

    def read(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images `(kept, height, width, channels)`, and the positions that were kept, int64."""
        try:
            return self._decoded([self._contents(position) for position in positions]), positions
        except (ImageFileError, tf.errors.InvalidArgumentError):
            return self._one_by_one(positions)

    def _contents(self, position: int) -> bytes:
        contents = self._source.read(self._paths[position])
        return contents if format_of(contents) is None else decodable_image(contents, "header").data

    def _decoded(self, contents: list[bytes]) -> np.ndarray:
        with tf.device("CPU"):
            # Not `numpy()`, which copies.
            return np.asarray(memoryview(self._decode(tf.constant(contents))))

    def _one_by_one(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, kept = [], []
        for position in positions.tolist():
            image = self._image_or_reason(position)
            if isinstance(image, str):
                self._reject(position, image)
            else:
                images.append(image)
                kept.append(position)
        pixels = np.array(images, self.spec.dtype.as_numpy_dtype).reshape(-1, *self.spec.shape[1:])
        return pixels, np.array(kept, np.int64)

    def _image_or_reason(self, position: int) -> np.ndarray | str:
        try:
            contents = self._contents(position)
            with contextlib.suppress(tf.errors.InvalidArgumentError):
                return self._decoded([contents])[0]
            # The rarest kinds of GIF and BMP must be converted; anything else is damaged, and this says how.
            return self._decoded([decodable_image(contents).data])[0]
        except ImageFileError as error:
            return str(error)
        except tf.errors.InvalidArgumentError:
            return "TensorFlow cannot decode it"

    def _reject(self, position: int, reason: str) -> None:
        with self._lock:
            first = not self.rejected
            self.rejected[position] = reason
        if first:
            warnings.warn(
                f"{self._paths[position]} cannot be used ({reason}) and is left out, as all such files will be; "
                "`dataset.rejected` lists them.",
                stacklevel=2,
            )
