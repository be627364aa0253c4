"""Batches of images with whatever goes with them."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Batch:
    """The parts of an element of a dataset.

    Attributes:
      images: `(batch, height, width, channels)`.
      names: File names or keys, strings `(batch,)`, or None.
      labels: Class indices `(batch,)` or `(batch, 1)`, or one-hot `(batch, classes)`, or None.
    """

    images: Any
    names: Any = None
    labels: Any = None


def batch_of(element: Any) -> Batch:
    """Returns the parts of images, `(images, labels, ...)` or `(names, images, labels, ...)`.

    Tensors, arrays or their specs: names are what are strings.
    """
    parts = list(element) if isinstance(element, tuple | list) else [element]
    names = parts.pop(0) if tf.as_dtype(parts[0].dtype) == tf.string else None
    images, labels, *_ = [*parts, None, None]
    return Batch(images, names, labels)
