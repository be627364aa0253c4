"""An exported classifier, applied to image files in batches and in threads."""

import collections
import concurrent.futures
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ext.directory_index import DirectoryIndex
from keras_ext.export import read_class_names
from keras_ext.image_file import MAX_PIXELS
from keras_ext.image_input import InputSettings
from keras_ext.prediction.augmented_model import AugmentedModel
from keras_ext.prediction.batch_classifier import BatchClassifier
from keras_ext.prediction.model_path import find_model
from keras_ext.prediction_input import read_images_to_classify, with_labels_of
from keras_ext.prediction_table import Prediction

# Batches at work: one is decoded while another runs through the network, and they fit in memory on a big machine too.
_THREADS = min(4, max(2, os.cpu_count() or 1))


class Classifier:
    """A model that `export_classifier` wrote, ready to classify images, with TensorFlow alone.

    Every image goes as the bytes of its file through the model's own signature `serving_default`, so that predictions
    are what a model server would answer.

    Args:
      path: The SavedModel, a folder of numbered versions, the output folder of a run, or what its Trainer wrote; see
        `find_model`.

    Attributes:
      path: The SavedModel.
      class_names: The classes, in the order of the probabilities.

    Raises:
      ValueError: There is no such model there, or it is another kind of model.

    Example:

    >>> for prediction in Classifier("runs/first").predict("holidays"):
    ...     print(prediction.filename, prediction.label, prediction.probability, prediction.error)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = find_model(os.fspath(path))
        self.class_names = read_class_names(self.path)
        self._model = tf.saved_model.load(self.path)
        self._signature = _checked_signature(self._model, self.path)

    def predict(
        self,
        images: str | Sequence[str] | DirectoryIndex,
        settings: InputSettings | None = None,
        *,
        batch_size: int = 32,
        augmentation: Sequence[Mapping[str, Any]] = (),
        rounds: int = 0,
        seed: int = 0,
    ) -> Iterator[Prediction]:
        """Yields one prediction for each image that is found, in the order of their paths (or places in an archive).

        An image that cannot be read is one with an error. Files that the listing already knows to be unusable, such as
        broken links, come last. WebP, TIFF and others that TensorFlow does not decode are made PNG first, as in ingest.

        Args:
          images: A folder, an archive or its address, a manifest, image files, several folders; or what
            `keras_ext.prediction_input.read_images_to_classify` made of them.
          settings: How they are found and read.
          batch_size: Images that pass through the model together.
          augmentation: The layers of test-time augmentation; see `keras_ext.layers.Augmentation`. It needs a model that
            was exported with its `.keras` file; see `keras_ext.prediction.augmented_model`.
          rounds: How many augmented versions of an image there are; probabilities are the mean over these and the image
            as it is.
          seed: Of the augmentation.

        Raises:
          ValueError: There are no images, or an argument has no meaning.
        """
        _check_number("batch_size", batch_size, least=1)
        _check_number("rounds", rounds, least=0)
        if rounds and not augmentation:
            raise ValueError(f"rounds needs augmentation, the layers to augment by. Received: rounds={rounds} alone.")
        index = images if isinstance(images, DirectoryIndex) else read_images_to_classify(images, settings)
        batches = BatchClassifier(
            AugmentedModel(self.path, augmentation, rounds, seed) if rounds else self._probabilities,
            self.class_names,
            index.source,
            settings.max_pixels if settings else MAX_PIXELS,
        )
        return _in_threads(batches, with_labels_of(index, self.class_names), batch_size)

    def _probabilities(self, files: Sequence[bytes]) -> np.ndarray:
        return self._signature(image_bytes=tf.constant(files))["probabilities"].numpy()


def _in_threads(batches: BatchClassifier, index: DirectoryIndex, batch_size: int) -> Iterator[Prediction]:
    """Yields predictions in the order of the images; only a few batches are held at a time."""
    source = index.source
    records = sorted(index.records, key=lambda record: source.position(record.path))
    waiting: collections.deque[concurrent.futures.Future[list[Prediction]]] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(records), batch_size):
            some = records[start : start + batch_size]
            # Where only the way forward is short, one reads for all.
            files = batches.read(some) if source.sequential else None
            waiting.append(pool.submit(batches.classify, some, files))
            if len(waiting) > _THREADS:
                yield from waiting.popleft().result()
        for future in waiting:
            yield from future.result()
    yield from (Prediction(path, error=reason) for path, reason in index.rejected)


def _checked_signature(model: Any, path: str) -> Any:
    signature = model.signatures.get("serving_default")
    inputs = signature.structured_input_signature[1] if signature else {}
    if "image_bytes" not in inputs or "probabilities" not in signature.structured_outputs:
        raise ValueError(
            f"'{path}' must be a SavedModel that keras_ext.export.export_classifier wrote: its serving_default takes "
            f"image_bytes and returns probabilities. Received: one that takes {', '.join(inputs) or 'nothing'}."
        )
    return signature


def _check_number(argument: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{argument} must be an integer, {least} or more. Received: {argument}={value!r}.")
