"""Python that reads for `tf.data`, and ends while it still does."""

import subprocess
import sys

import pytest
import tensorflow as tf

from keras_ext.datasets import read_files

CODE = """
import sys
import time

import numpy as np
import tensorflow as tf

from keras_ext.datasets.python_reads import read_batches

def read(positions):
    time.sleep(0.02)
    return np.zeros((len(positions), 2, 2, 3), np.uint8), positions

spec = tf.TensorSpec((None, 2, 2, 3), tf.uint8)
dataset = read_batches(read, spec, tf.data.Dataset.range(100_000).batch(4))
iterators = [iter(dataset.prefetch(tf.data.AUTOTUNE)), iter(tf.data.Dataset.zip((dataset, dataset)).prefetch(8))]
for iterator in iterators:
    next(iterator)
print("end")
"""


@pytest.mark.slow
def test_python_ends_with_iterators_left_half_way():
    for _ in range(3):
        result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=60)
        assert (result.returncode, result.stdout) == (0, "end\n"), result.stderr


def test_files_are_read_as_tensorflow_does(tmp_path):
    names = [tmp_path / name for name in ("a.jpg", "ä b.jpg", "empty.jpg", "big.jpg", "c.jpg")]
    for name, contents in zip(names, (b"a", b"\xff\0\n", b"", bytes(range(256)) * 9000, b"c"), strict=True):
        name.write_bytes(contents)
    paths = tf.constant([str(name) for name in names])
    expected = [tf.io.read_file(path).numpy() for path in paths]
    assert read_files(paths).numpy().tolist() == expected
    batches = tf.data.Dataset.from_tensor_slices(paths).batch(2).map(read_files, num_parallel_calls=2)
    assert batches.element_spec.shape == (None,)
    assert [one for batch in batches.as_numpy_iterator() for one in batch.tolist()] == expected


def test_a_file_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"a")
    paths = [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    with pytest.raises(tf.errors.OpError, match="b.jpg cannot be read: no such file"):
        list(tf.data.Dataset.from_tensors(paths).map(read_files))
