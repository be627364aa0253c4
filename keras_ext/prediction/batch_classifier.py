"""Batches of image files to predictions: what cannot be read becomes an error, and the others pass."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_ext.image_file import ImageFileError, decodable_image
from keras_ext.image_listing import Record
from keras_ext.image_source import ImageSource
from keras_ext.prediction_table import Prediction


@dataclass(frozen=True)
class BatchClassifier:
    """Classifies batches, in several threads at the same time.

    Args:
      run: Image files that TensorFlow decodes to probabilities, float32 `(batch, classes)`; raises
        `InvalidArgumentError` where one cannot be decoded.
      class_names: The classes.
      source: Where the images lie.
      max_pixels: Images of more pixels are errors, before they are decoded.
    """

    run: Callable[[Sequence[bytes]], np.ndarray]
    class_names: Sequence[str]
    source: ImageSource
    max_pixels: int

    def read(self, records: Iterable[Record]) -> list[bytes | str]:
        """Returns the files of records, or the reasons why they cannot be read."""
        return [self._file(record.path) for record in records]

    def classify(self, records: Sequence[Record], files: Sequence[bytes | str] | None = None) -> list[Prediction]:
        """Returns the predictions of records; `files` is what `read` returned, where that was done before."""
        contents = [self._decodable(file) for file in files or self.read(records)]
        outcomes = iter(self._probabilities([content for content in contents if isinstance(content, bytes)]))
        return [
            self._prediction(record, content if isinstance(content, str) else next(outcomes))
            for record, content in zip(records, contents, strict=True)
        ]

    def _file(self, path: str) -> bytes | str:
        try:
            return self.source.read(path)
        except ImageFileError as error:
            return str(error)

    def _decodable(self, file: bytes | str) -> bytes | str:
        try:
            return file if isinstance(file, str) else decodable_image(file, "header", self.max_pixels).data
        except ImageFileError as error:
            return str(error)

    def _prediction(self, record: Record, outcome: np.ndarray | str) -> Prediction:
        if isinstance(outcome, str):
            return Prediction(record.path, true_label=record.label, error=outcome)
        return Prediction.of(record.path, outcome, self.class_names, record.label)

    def _probabilities(self, files: Sequence[bytes]) -> Sequence[np.ndarray | str]:
        """Probabilities, or the reason why there are none, of each file."""
        if not files:
            return []
        try:
            return list(self.run(files))
        except tf.errors.InvalidArgumentError:
            if len(files) == 1:
                return [self._alone(files[0])]
        # One that cannot be decoded ends the batch at once, so that halving finds it at little cost.
        half = len(files) // 2
        return [*self._probabilities(files[:half]), *self._probabilities(files[half:])]

    def _alone(self, file: bytes) -> np.ndarray | str:
        try:
            # The rarest kinds of GIF and BMP must be converted; anything else is damaged, and this says how.
            return self.run([decodable_image(file, max_pixels=self.max_pixels).data])[0]
        except ImageFileError as error:
            return str(error)
        except tf.errors.InvalidArgumentError:
            return "the model cannot decode it"
