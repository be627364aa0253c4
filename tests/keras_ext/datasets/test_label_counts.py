import numpy as np
import pytest
import tensorflow as tf

from keras_ext.datasets import count_dataset_labels

LABELS = np.array([2, 0, 2, 2, 0])
IMAGES = np.zeros((5, 2, 2, 1), np.uint8)


def batches(*elements, size=2):
    return tf.data.Dataset.from_tensor_slices(elements).batch(size)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None].astype(np.float32), np.eye(3)[LABELS]])
def test_labels_of_any_shape(labels):
    assert count_dataset_labels(batches(IMAGES, labels)) == {0: 2, 1: 0, 2: 3}


def test_strings_and_weights():
    names = np.array(["ant", "bee", "cat"])
    dataset = batches(IMAGES, names[LABELS], np.ones(5))
    assert count_dataset_labels(dataset, class_names=names.tolist()) == {0: 2, 1: 0, 2: 3}


def test_single_images():
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    assert count_dataset_labels(dataset, num_classes=4) == {0: 2, 1: 0, 2: 3, 3: 0}


def test_a_class_that_comes_late():
    assert count_dataset_labels(batches(IMAGES, np.array([0, 0, 0, 0, 3]))) == {0: 4, 1: 0, 2: 0, 3: 1}


@pytest.mark.parametrize("output", ["kind", 1])
def test_one_of_several_outputs(output):
    sizes = np.ones(5)
    labels = {"size": sizes, "kind": LABELS} if output == "kind" else (sizes, LABELS)
    assert count_dataset_labels(batches(IMAGES, labels), output=output) == {0: 2, 1: 0, 2: 3}


@pytest.mark.parametrize(
    "dataset, message",
    [
        (lambda: batches(IMAGES, LABELS).repeat(), "one that repeats for ever"),
        (lambda: batches(IMAGES, LABELS).take(0), "at least one image"),
        (lambda: batches(IMAGES, np.full((5, 2), 0.5)), "MixUp"),
        (lambda: tf.data.Dataset.from_tensors(IMAGES), r"elements \(images, labels\)"),
        (lambda: batches(IMAGES, {"kind": LABELS}), "output must be one of 'kind'"),
    ],
)
def test_bad_datasets(dataset, message):
    with pytest.raises(ValueError, match=message):
        count_dataset_labels(dataset())
