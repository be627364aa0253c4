"""Counts of classes in a dataset."""

from collections import Counter
from collections.abc import Sequence

import tensorflow as tf

from keras_ext.datasets.label_output import labels_of, labels_spec
from keras_ext.labels import count_labels

_AT_A_TIME = 1024


def count_dataset_labels(
    dataset: tf.data.Dataset,
    num_classes: int | None = None,
    *,
    class_names: Sequence[str] | None = None,
    output: str | int | None = None,
) -> dict[int, int]:
    """Returns the number of images of each class, `{class index: count}`, for every class from 0 on.

    Reads the dataset once, batch by batch, as `fit` would: count before what is slow is mapped, or where labels are at
    hand give those to `keras_ext.class_weights.count_labels`. Give it the training data alone.

    Args:
      dataset: Batches `(images, labels)` or `(images, labels, weights)`; or single images whose labels are class
        indices or strings.
      num_classes: Number of classes; None: the columns, or the largest index + 1.
      class_names: The name of each class, in the order of the class indices. Strings need it.
      output: Where labels are a dict or tuple, the key or position of what is counted.

    Raises:
      ValueError: The dataset repeats for ever or is empty; whatever `count_labels` raises.

    Example:

    >>> counts = count_dataset_labels(train)
    >>> train = apply_class_weights(train, class_weights(counts))
    """
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("dataset must have an end. Received: one that repeats for ever. Pass .take(steps_per_epoch).")
    spec = labels_spec(dataset, output)
    labels = dataset.map(lambda *element: labels_of(element[1], output))
    if spec.shape.rank == 0:
        labels = labels.batch(_AT_A_TIME)
    counts: Counter[int] = Counter()
    for batch in labels.as_numpy_iterator():
        counts.update(count_labels(batch, num_classes, class_names=class_names))
    if not counts:
        raise ValueError("dataset must hold at least one image. Received: an empty one.")
    return dict(counts)
