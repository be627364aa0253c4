"""Batches of images that are in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_ext.generators.image_iterator import FlowOptions, ImageIterator, Images
from keras_ext.generators.image_processing import ImageProcessing


class ArrayIterator(ImageIterator):
    """What `ImageDataGenerator.flow` returns: batches of `x`, `(x, y)` or `(x, y, sample_weight)`.

    With other inputs beside the images, `x` is a list: the batch of images and one of each.

    Attributes:
      x: The images.
      y: The labels, or None.
      sample_weight: One for each image, or None.
    """

    def __init__(
        self,
        generator: ImageProcessing,
        x: Any,
        y: Any,
        sample_weight: Any,
        ignore_class_split: bool,
        options: FlowOptions,
    ) -> None:
        images, others = _inputs(x)
        images = generator.checked_images(images)
        _check_lengths(images, others, y, sample_weight)
        start, stop = generator.part(options.subset, len(images))
        if options.subset is not None and y is not None and not ignore_class_split:
            _check_classes(np.asarray(y), np.arange(start, stop))
        self.x = images[start:stop]
        self.x_misc = [other[start:stop] for other in others]
        self.y = None if y is None else np.asarray(y)[start:stop]
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)[start:stop]
        self._black_and_white = generator.color_range(self.x)
        super().__init__(generator, len(self.x), options)

    def _read(self, positions: np.ndarray) -> Images:
        return Images(self.x[positions], positions)

    def _color_range(self, images: np.ndarray) -> tuple[float, float]:
        return self._black_and_white

    def _batch(self, images: np.ndarray, positions: np.ndarray) -> Any:
        inputs = [images, *(other[positions] for other in self.x_misc)] if self.x_misc else images
        targets = [values[positions] for values in (self.y, self.sample_weight) if values is not None]
        return inputs if self.y is None else (inputs, *targets)


def _inputs(x: Any) -> tuple[Any, list[np.ndarray]]:
    """Returns the images, and what else the model is given."""
    if not isinstance(x, tuple | list):
        return x, []
    if len(x) != 2:
        raise ValueError(
            "x must be an array of images, or a pair of it and other inputs. "
            f"Received: a {type(x).__name__} of {len(x)}. Pass numpy.stack(x)."
        )
    others = x[1] if isinstance(x[1], list) else [x[1]]
    return x[0], [np.asarray(other) for other in others]


def _check_lengths(images: np.ndarray, others: Sequence[np.ndarray], y: Any, sample_weight: Any) -> None:
    for other in others:
        if len(other) != len(images):
            raise ValueError(
                "All of the arrays in `x` should have the same length. "
                f"Received: {len(images)} images and an array of {len(other)}."
            )
    for name, values in (("`y` (labels)", y), ("`sample_weight`", sample_weight)):
        if values is not None and len(values) != len(images):
            raise ValueError(
                f"`x` (images tensor) and {name} should have the same length. "
                f"Received: {len(images)} images and {len(values)}."
            )


def _check_classes(labels: np.ndarray, chosen: np.ndarray) -> None:
    if not np.array_equal(np.unique(labels[chosen]), np.unique(np.delete(labels, chosen, axis=0))):
        raise ValueError(
            "Training and validation subsets have different number of classes after the split: the images seem to be "
            "sorted by label. Shuffle them, or pass ignore_class_split=True."
        )
