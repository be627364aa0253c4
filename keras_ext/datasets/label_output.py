"""The labels of one output among those of a dataset."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def labels_spec(dataset: tf.data.Dataset, output: str | int | None) -> tf.TensorSpec:
    """Returns the spec of the labels of an output.

    Args:
      dataset: Of `(images, labels)` or `(images, labels, weights)`.
      output: Where labels are a dict or tuple, the key or position of what is meant; else None.

    Raises:
      ValueError: The dataset has other elements, or no such output.
      TypeError: The labels are ragged, sparse or nested further.
    """
    elements = dataset.element_spec
    if not isinstance(elements, tuple) or len(elements) not in (2, 3):
        raise ValueError(
            "The dataset must have elements (images, labels) or (images, labels, weights). "
            f"Received: element_spec={elements}."
        )
    outputs = output_names(elements[1])
    if (outputs is None) != (output is None) or (outputs is not None and output not in outputs):
        expected = "None, as there is one output" if outputs is None else f"one of {', '.join(map(repr, outputs))}"
        raise ValueError(f"output must be {expected}. Received: output={output!r}.")
    spec = elements[1] if output is None else elements[1][output]
    if not isinstance(spec, tf.TensorSpec):
        raise TypeError(f"Labels must be dense tensors. Received: {spec}.")
    return spec


def output_names(labels: Any) -> list[Any] | None:
    """Returns the keys of a dict's or the positions of a tuple's outputs, or None for labels of one output."""
    if isinstance(labels, Mapping):
        return list(labels)
    return list(range(len(labels))) if isinstance(labels, tuple) else None


def labels_of(labels: Any, output: str | int | None) -> Any:
    """Returns the labels of an output."""
    return labels if output is None else labels[output]
