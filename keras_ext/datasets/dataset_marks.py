"""What is known of a dataset and must not be forgotten on its way through `map`, `batch` and the like."""

import tensorflow as tf

OVERSAMPLED = "oversampled"
MIXED_LABELS = "mixed labels"
_SEPARATOR = "; "


def marked(dataset: tf.data.Dataset, mark: str) -> tf.data.Dataset:
    """Returns the dataset with a mark, which all datasets that are made of it have too.

    It is a part of the dataset's name, the only thing that `tf.data` hands on from one dataset to the next.
    """
    options = tf.data.Options()
    options.dataset_name = _SEPARATOR.join(sorted({*marks_of(dataset), mark}))
    return dataset.with_options(options)


def marks_of(dataset: tf.data.Dataset) -> list[str]:
    """Returns the marks of a dataset."""
    name = dataset.options().dataset_name
    return name.split(_SEPARATOR) if name else []
