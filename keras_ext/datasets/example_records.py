"""Records of TFRecord files: their labels, and their order in an epoch."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_ext import features

_INTERLEAVED_FILES = 8
_LABELS_AT_A_TIME = 1024
_REPEATED_AT_A_TIME = 32
_LABEL_SPEC = {features.CLASS_LABEL: tf.io.FixedLenFeature([], tf.int64)}


def labels_of_files(files: Sequence[str], compression_type: str) -> list[np.ndarray]:
    """Returns the class index of each record, int64 `(records,)` for each file; reads the files through once."""

    def labels_of(number: tf.Tensor, file: tf.Tensor) -> tf.data.Dataset:
        batches = tf.data.TFRecordDataset(file, compression_type).batch(_LABELS_AT_A_TIME)
        return batches.map(lambda batch: (number, tf.io.parse_example(batch, _LABEL_SPEC)[features.CLASS_LABEL]))

    found: list[list[np.ndarray]] = [[np.zeros(0, np.int64)] for _ in files]
    numbered = tf.data.Dataset.from_tensor_slices(list(files)).enumerate()
    batches = numbered.interleave(labels_of, cycle_length=_INTERLEAVED_FILES, num_parallel_calls=tf.data.AUTOTUNE)
    for number, labels in batches.as_numpy_iterator():
        found[number].append(labels)
    return [np.concatenate(labels) for labels in found]


def shuffled_records(
    files: Sequence[str],
    compression_type: str,
    seeds: tf.Tensor,
    buffer_size: int,
    copies: tf.RaggedTensor | None = None,
) -> tf.data.Dataset:
    """Returns the records in an order that the seeds alone decide; to be called in a function that `tf.data` traces.

    Args:
      files: Names of TFRecord files.
      compression_type: As in `tf.data.TFRecordDataset`.
      seeds: Two integers.
      buffer_size: Records that are shuffled at a time.
      copies: How often each record comes, int64 `(files, records of the file)`; None: once. Its copies lie as far apart
        as the buffer takes them.
    """
    # `shuffle` mixes its seed with TensorFlow's global one. Within the function that `flat_map` traces, a graph of
    # its own, this sets that graph's seed, and no global one, to a constant.
    tf.random.set_seed(1)
    order = tf.random.experimental.stateless_shuffle(tf.range(len(files)), seeds)
    files_and_copies = [tf.constant(files)] if copies is None else [tf.constant(files), copies]

    def records_of(file: tf.Tensor, *copies: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(file, compression_type)
        if not copies:
            return records
        counted = tf.data.Dataset.zip((records, tf.data.Dataset.from_tensor_slices(copies[0])))
        return counted.batch(_REPEATED_AT_A_TIME).map(tf.repeat).unbatch()

    shuffled = tuple(tf.gather(of_files, order) for of_files in files_and_copies)
    records = tf.data.Dataset.from_tensor_slices(shuffled).interleave(
        records_of,
        cycle_length=min(len(files), _INTERLEAVED_FILES),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    seed = tf.random.stateless_uniform([], seeds, minval=None, maxval=None, dtype=tf.int64)
    return records.shuffle(buffer_size, seed=seed, reshuffle_each_iteration=False)
