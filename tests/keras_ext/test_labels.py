import numpy as np
import pytest

from keras_ext.labels import check_class_keys, count_labels, read_labels

NAMES = ["ant", "bee", "cat"]


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0, 2, 2],
        np.array([2, 0, 2, 2], np.uint8),
        np.array([[2.0], [0.0], [2.0], [2.0]], np.float32),  # as Keras's label_mode="binary" has them
        np.eye(3, dtype=np.float32)[[2, 0, 2, 2]],
        np.eye(3, dtype=bool)[[2, 0, 2, 2]],
    ],
    ids=["list", "uint8", "column of floats", "one-hot floats", "one-hot bools"],
)
def test_count_labels_of_any_shape(labels):
    assert count_labels(labels, num_classes=3) == {0: 1, 1: 0, 2: 3}


@pytest.mark.parametrize("labels", [["cat", "ant", "cat"], np.array(["cat", "ant", "cat"]), [b"cat", b"ant", b"cat"]])
def test_count_labels_of_strings(labels):
    assert count_labels(labels, class_names=NAMES) == {0: 1, 1: 0, 2: 2}
    np.testing.assert_array_equal(read_labels(labels, class_names=NAMES), [2, 0, 2])


def test_an_image_with_several_classes_counts_for_each():
    assert count_labels([[1, 1, 0], [0, 1, 0], [0, 0, 0]]) == {0: 1, 1: 2, 2: 0}


def test_without_a_number_of_classes_the_largest_index_is_the_last():
    counts = count_labels([3, 1])
    assert counts == {0: 0, 1: 1, 2: 0, 3: 1}
    assert all(type(number) is int for item in counts.items() for number in item)


def test_class_indices_may_come_with_class_names():
    assert count_labels([1, 1], class_names=NAMES) == {0: 0, 1: 2, 2: 0}


@pytest.mark.parametrize(
    "labels, arguments, message",
    [
        ([], {}, r"at least one label. Received: none"),
        (np.zeros((0, 3)), {}, r"at least one label. Received: none, of shape \(0, 3\)"),
        ([0, -1], {}, "whole numbers from 0 on. Received: -1"),
        ([0.5, 1.0], {}, "whole numbers from 0 on. Received: 0.5. Probabilities are no labels"),
        ([0, np.nan], {}, "NaN.*Leave out images without a label"),
        ([0, 3], {"num_classes": 3}, "below the number of classes, 3. Received: 3"),
        (np.eye(4), {"num_classes": 3}, r"a column for each of 3 classes. Received: labels of shape \(4, 4\)"),
        ([[0.7, 0.3]], {}, r"zeros and ones. Received: 0.7. An image that MixUp or CutMix blended has no single class"),
        ([[2, 0]], {}, "zeros and ones. Received: 2"),
        ([[np.nan, 0]], {}, "NaN"),
        (np.zeros((2, 2, 2)), {}, r"Received: labels of shape \(2, 2, 2\)"),
        (["ant"], {}, "need class_names"),
        (["ant", "bea"], {"class_names": NAMES}, "'ant', 'bee', 'cat'.*labels='bea'. Did you mean 'bee'"),
        ([["ant", "bee"]], {"class_names": NAMES}, r"one for each image.*shape \(1, 2\)"),
        ([None, "ant"], {"class_names": NAMES}, "labels=None"),
        (["ant"], {"class_names": ["ant", "bee", "ant"]}, "each class once. Received: 'ant' twice"),
        ([0], {"class_names": NAMES, "num_classes": 2}, "num_classes=2 and 3 class names"),
        (np.array([1j]), {}, "complex"),
    ],
)
def test_bad_labels(labels, arguments, message):
    with pytest.raises(ValueError, match=message):
        count_labels(labels, **arguments)


def test_values_come_in_the_order_of_the_classes():
    assert check_class_keys("weights", {2: "c", 0: "a", 1: "b"}) == ["a", "b", "c"]


@pytest.mark.parametrize("values", [{}, {0: 1, 2: 1}, {1: 1}, {"0": 1}, {-1: 1, 0: 1}])
def test_every_class_index_must_be_there(values):
    with pytest.raises(ValueError, match="weights must have a value for each class index.*Name every class"):
        check_class_keys("weights", values)
