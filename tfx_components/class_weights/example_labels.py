"""Counts the labels in files of examples."""

from collections import Counter
from collections.abc import Sequence

import tensorflow as tf

from keras_ext import features
from keras_ext.labels import count_labels

_BATCH = 256
_DTYPES = {"int64_list": tf.int64, "float_list": tf.float32, "bytes_list": tf.string}


def count_example_labels(
    files: Sequence[str],
    num_classes: int | None = None,
    *,
    class_names: Sequence[str] | None = None,
    label_feature: str = features.CLASS_LABEL,
) -> dict[int, int]:
    """Returns the number of examples of each class, `{class index: count}`, as `class_weights` takes them.

    The files are streamed, and nothing but the label is parsed. In the `run_fn` of a stock TFX Trainer, which has no
    channel for class weights, `fn_args.train_files` are the files.

    Args:
      files: Names or patterns of TFRecord files of `tf.train.Example`; a name that ends in `.gz` is compressed, as in
        all of TFX.
      num_classes: Number of classes; None: the columns of one-hot labels, or the largest index + 1.
      class_names: The name of each class, in the order of the class indices. Labels that are strings need it.
      label_feature: The feature that holds the label: one class index or class name, or a one-hot or multi-hot row.

    Raises:
      ValueError: No file, no example, an example without the feature; and whatever
        `keras_ext.class_weights.count_labels` raises.

    Example:

    >>> weights = class_weights(count_example_labels(fn_args.train_files, num_classes=10))
    >>> model.fit(apply_class_weights(train, weights), ...)
    """
    names = sorted(name for pattern in files for name in tf.io.gfile.glob(pattern))
    plain, compressed = (
        [name for name in names if name.endswith(".gz") == is_compressed] for is_compressed in (False, True)
    )
    records = tf.data.TFRecordDataset(plain, num_parallel_reads=tf.data.AUTOTUNE).concatenate(
        tf.data.TFRecordDataset(compressed, "GZIP", num_parallel_reads=tf.data.AUTOTUNE)
    )
    counts: Counter[int] = Counter()
    for labels in _label_batches(records, label_feature, files):
        counts.update(count_labels(labels, num_classes, class_names=class_names))
    return dict(counts)


def _label_batches(records: tf.data.Dataset, feature: str, files: Sequence[str]) -> tf.data.NumpyIterator:
    first = next(iter(records.take(1).as_numpy_iterator()), None)
    if first is None:
        raise ValueError(f"files must name TFRecord files with examples. Received: files={list(files)!r}, without any.")
    present = tf.train.Example.FromString(first).features.feature
    kind = present[feature].WhichOneof("kind") if feature in present else None
    if kind is None:
        raise ValueError(
            f"label_feature must be a feature of every example. Received: label_feature={feature!r}, and an example "
            f"with {', '.join(map(repr, sorted(present)))}."
        )
    length = len(getattr(present[feature], kind).value)
    spec = {feature: tf.io.FixedLenFeature([] if length == 1 else [length], _DTYPES[kind])}

    def parse(serialized: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(serialized, spec)[feature]

    try:
        yield from records.batch(_BATCH).map(parse, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"Every example must have a label in {feature!r}, like the first one's: {length} of {_DTYPES[kind].name}. "
            f"{str(error).splitlines()[0]}"
        ) from error
