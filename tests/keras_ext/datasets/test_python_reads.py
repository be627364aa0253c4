"""Python ends while `tf.data` still reads."""

import subprocess
import sys

import pytest

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
