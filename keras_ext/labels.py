"""Labels in any of their shapes, read as class indices or as rows of zeros and ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ext.choices import check_choice


def read_labels(labels: Any, num_classes: int | None = None, class_names: Sequence[str] | None = None) -> np.ndarray:
    """Returns int64 class indices `(images,)`, or for one-hot and multi-hot labels bools `(images, classes)`.

    Args:
      labels: One label for each image: class indices, `(images,)` or `(images, 1)`, of integers or whole floats; or
        strings, `(images,)`, with `class_names`; or one-hot or multi-hot rows of zeros and ones, `(images, classes)`.
      num_classes: Number of classes, or None where the labels tell: the columns, or the largest index + 1.
      class_names: The name of each class, in the order of the class indices; tells the number of classes too.

    Raises:
      ValueError: No labels; labels outside the classes; NaN; soft labels, such as those of MixUp; a class name twice.

    Example:

    >>> read_labels(["dog", "cat"], class_names=["cat", "dog"])
    array([1, 0])
    """
    num_classes = _number_of_classes(num_classes, class_names)
    array = np.asarray(labels)
    if array.size == 0:
        raise ValueError(f"labels must hold at least one label. Received: none, of shape {array.shape}.")
    if array.ndim == 2 and array.shape[1] == 1:  # as Keras's own datasets have them
        array = array[:, 0]
    if array.ndim not in (1, 2):
        raise ValueError(
            "labels must be class indices or class names, (images,), or rows of zeros and ones, (images, classes). "
            f"Received: labels of shape {array.shape}."
        )
    if array.dtype.kind in "OSU":
        return _indices_of_names(array, class_names)
    _check_numbers(array)
    return _indices(array, num_classes) if array.ndim == 1 else _rows(array, num_classes)


def count_labels(
    labels: Any, num_classes: int | None = None, *, class_names: Sequence[str] | None = None
) -> dict[int, int]:
    """Returns the number of images of each class, `{class index: count}`, for every class from 0 on.

    Count the training data alone: weights that know the validation data flatter the model. An image with several
    classes (multi-hot) counts for each.

    Args:
      labels: Class indices, strings, one-hot or multi-hot rows; see `keras_ext.labels.read_labels`.
      num_classes: Number of classes; None: the columns, or the largest index + 1.
      class_names: The name of each class, in the order of the class indices. Strings need it.

    Raises:
      ValueError: No labels; labels outside the classes; NaN; soft labels, such as those of MixUp; a class name twice.

    Example:

    >>> count_labels(["dog", "cat", "dog"], class_names=["cat", "dog"])
    {0: 1, 1: 2}
    """
    known = read_labels(labels, num_classes, class_names)
    length = _number_of_classes(num_classes, class_names) or 0
    counts = known.sum(axis=0) if known.ndim == 2 else np.bincount(known, minlength=length)
    return dict(enumerate(counts.tolist()))


def check_class_keys(argument: str, values: Mapping[int, Any]) -> list[Any]:
    """Returns the values in the order of the class indices.

    Raises:
      ValueError: The keys are not the class indices 0 to the number of classes - 1.
    """
    if values and all(index in values for index in range(len(values))):
        return [values[index] for index in range(len(values))]
    raise ValueError(
        f"{argument} must have a value for each class index, 0 to the number of classes - 1. "
        f"Received: {argument}={dict(values)}. Name every class."
    )


def _number_of_classes(num_classes: int | None, class_names: Sequence[str] | None) -> int | None:
    if class_names is None:
        return num_classes
    twice = sorted(name for name, times in Counter(class_names).items() if times > 1)
    if twice:
        raise ValueError(f"class_names must list each class once. Received: {', '.join(map(repr, twice))} twice.")
    if num_classes not in (None, len(class_names)):
        raise ValueError(
            f"num_classes must be the number of class_names. Received: num_classes={num_classes} and "
            f"{len(class_names)} class names. Leave out num_classes."
        )
    return len(class_names)


def _indices_of_names(names: np.ndarray, class_names: Sequence[str] | None) -> np.ndarray:
    if names.ndim != 1:
        raise ValueError(f"String labels must be one for each image, (images,). Received: shape {names.shape}.")
    if class_names is None:
        raise ValueError(
            "String labels need class_names, which give each class its index. Received: class_names=None. "
            "Pass class_names=sorted(set(labels)) if that is your order."
        )
    known = {name: index for index, name in enumerate(class_names)}
    texts = [name.decode() if isinstance(name, bytes) else name for name in names.tolist()]
    for name in texts:
        if name not in known:
            check_choice("labels", name, known)
    return np.array([known[name] for name in texts], np.int64)


def _check_numbers(array: np.ndarray) -> None:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"labels must be numbers or strings. Received: labels of dtype {array.dtype}.")
    if not np.isfinite(array).all():
        raise ValueError("labels must be numbers. Received: NaN or infinity. Leave out images without a label.")


def _indices(array: np.ndarray, num_classes: int | None) -> np.ndarray:
    indices = array.astype(np.int64)
    strange = array[(indices != array) | (indices < 0)]
    if strange.size:
        raise ValueError(
            f"Class indices must be whole numbers from 0 on. Received: {strange[0]}. "
            "Probabilities are no labels: count those of the images before they are mixed or smoothed."
        )
    if num_classes is not None and indices.max() >= num_classes:
        raise ValueError(
            f"Class indices must be below the number of classes, {num_classes}. Received: {indices.max()}."
        )
    return indices


def _rows(array: np.ndarray, num_classes: int | None) -> np.ndarray:
    if num_classes not in (None, array.shape[1]):
        raise ValueError(
            f"One-hot and multi-hot labels must have a column for each of {num_classes} classes. "
            f"Received: labels of shape {array.shape}."
        )
    rows = array.astype(bool)
    soft = array[rows != array]
    if soft.size:
        raise ValueError(
            f"One-hot and multi-hot labels must be zeros and ones. Received: {soft[0]}. An image that MixUp or CutMix "
            "blended has no single class, and smoothed labels have none that is certain: use the labels from before."
        )
    return rows
