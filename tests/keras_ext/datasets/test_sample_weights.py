import numpy as np
import pytest
import tensorflow as tf

from keras_ext.datasets import apply_class_weights

IMAGES = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2, 1)
LABELS = np.array([2, 0, 1, 1, 2])


def test_each_image_has_the_weight_of_its_class():
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(2)
    batches = list(apply_class_weights(dataset, {2: 4.0, 0: 0.5, 1: 1.0}).as_numpy_iterator())
    images, labels, weights = (np.concatenate(part) for part in zip(*batches, strict=True))
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert weights.tolist() == [4.0, 0.5, 1.0, 1.0, 4.0]
    assert weights.dtype == np.float32


@pytest.mark.parametrize("class_weights", [{}, {0: 1.0, 2: 1.0}, {1: 1.0}])
def test_every_class_needs_a_weight(class_weights):
    dataset = tf.data.Dataset.from_tensors((IMAGES, LABELS))
    with pytest.raises(ValueError, match="Name every class"):
        apply_class_weights(dataset, class_weights)


@pytest.mark.parametrize("labels", [np.eye(3, dtype=np.float32)[LABELS], np.eye(3, dtype=np.int64)[LABELS]])
def test_one_hot_labels_are_refused(labels):
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(2)
    with pytest.raises(ValueError, match=r"labels of shape \(None, 3\).*MixUp or CutMix.*leave out"):
        apply_class_weights(dataset, {0: 0.5, 1: 1.0, 2: 4.0})
