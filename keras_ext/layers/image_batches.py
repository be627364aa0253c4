"""What a layer's `adapt` may be given, as batches of images."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

# In float64 four million values take 32 MB.
_VALUES_AT_A_TIME = 1 << 22


def image_batches(data: Any) -> Iterator[Any]:
    """Yields all images once, in batches of at most some four million values, so that they can be copied freely.

    Args:
      data: One array or tensor of images; or a `tf.data.Dataset`, `keras.utils.PyDataset` or another iterable of
        batches: images alone, or tuples with the images first, such as `(images, labels)`.

    Raises:
      ValueError: A dataset without end.
      TypeError: A batch that is neither array nor tensor.
    """
    for batch in _batches(data):
        if not hasattr(batch, "shape"):
            raise TypeError(
                "adapt takes an array of images, or batches of images as arrays or tensors. "
                f"Received: a batch of type {type(batch).__name__}."
            )
        size = max(1, _VALUES_AT_A_TIME // max(1, math.prod(batch.shape[1:])))
        for start in range(0, batch.shape[0], size):
            yield batch[start : start + size]


def _batches(data: Any) -> Iterable[Any]:
    if hasattr(data, "shape"):
        return (data,)
    if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("adapt needs a dataset with an end. Received: one that repeats for ever. Pass .take(batches).")
    return (element[0] if isinstance(element, (tuple, list)) else element for element in data)
