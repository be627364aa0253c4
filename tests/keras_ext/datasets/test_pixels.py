import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from keras_ext.datasets.pixels import parse_images, serialize_images

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)


def test_parse_gives_back_what_was_serialized():
    serialized = serialize_images(IMAGES)
    assert (serialized.dtype, serialized.shape) == (tf.string, [3])
    np.testing.assert_array_equal(parse_images(serialized, (4, 5, 3)), IMAGES)


def test_string_is_a_tensor_proto():
    proto = tensor_pb2.TensorProto.FromString(serialize_images(IMAGES)[1].numpy())
    np.testing.assert_array_equal(tf.make_ndarray(proto), IMAGES[1])


def test_empty_batch():
    assert parse_images(serialize_images(IMAGES[:0]), (4, 5, 3)).shape == (0, 4, 5, 3)


def test_another_shape_is_an_error():
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match="not compatible"):
        parse_images(serialize_images(IMAGES), (5, 4, 3))
