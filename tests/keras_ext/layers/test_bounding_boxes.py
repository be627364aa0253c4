import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ext import affine
from keras_ext.layers.bounding_boxes import FORMATS, transform_boxes

BOXES = np.array([[[2.0, 3.0, 10.0, 7.0], [0.0, 0.0, 20.0, 12.0]]], np.float32)
LABELS = np.array([[4, 5]], np.int64)
FLIP = np.array([[[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]], np.float32)
QUARTER = np.array([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]], np.float32)


def transform(boxes, matrices, size=None, image_size=(12, 20), bounding_box_format="xyxy"):
    matrices = None if matrices is None else keras.ops.convert_to_tensor(matrices)
    moved = transform_boxes({"boxes": boxes, "labels": LABELS}, bounding_box_format, matrices, image_size, size)
    return np.asarray(moved["boxes"]), np.asarray(moved["labels"])


def test_flip_mirrors():
    assert transform(BOXES, FLIP)[0].tolist() == [[[10, 3, 18, 7], [0, 0, 20, 12]]]


def test_quarter_turn_counter_clockwise():
    square = transform(BOXES[:, :1], QUARTER, image_size=(20, 20))[0]
    assert square.tolist() == [[[3, 10, 7, 18]]]


def test_size_stretches():
    boxes, labels = transform(BOXES, None, size=(6, 60))
    assert boxes.tolist() == [[[6, 1.5, 30, 3.5], [0, 0, 60, 6]]]
    assert labels.tolist() == LABELS.tolist()


def test_boxes_are_clipped_and_lost_ones_have_no_label():
    down = np.array([[[1.0, 0.0, -8.0], [0.0, 1.0, 0.0]]], np.float32)
    boxes, labels = transform(BOXES, down)
    assert boxes.tolist() == [[[2, 11, 10, 12], [0, 8, 20, 12]]]
    assert labels.tolist() == [[4, 5]]
    _, labels = transform(BOXES, down * np.array([[[1, 1, 2]]], np.float32))
    assert labels.tolist() == [[-1, -1]]


def test_padding_stays_padding():
    _, labels = transform(np.full((1, 2, 4), -1.0, np.float32), FLIP)
    assert labels.tolist() == [[-1, -1]]


@pytest.mark.parametrize("bounding_box_format", FORMATS)
def test_every_format_means_the_same(bounding_box_format):
    def convert(boxes, source, target, height, width):
        return np.asarray(keras.utils.bounding_boxes.convert_format(boxes, source, target, height, width))

    matrices = np.array([[[0.9, 0.3, 1.0], [-0.2, 1.1, 2.0]]], np.float32)
    expected, _ = transform(BOXES, matrices, size=(24, 30))
    boxes = convert(BOXES, "xyxy", bounding_box_format, 12, 20)
    moved, _ = transform(boxes, matrices, size=(24, 30), bounding_box_format=bounding_box_format)
    np.testing.assert_allclose(convert(moved, bounding_box_format, "xyxy", 24, 30), expected, atol=1e-3)


@settings(deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 3, *[st.floats(0.5, 2)] * 2))
def test_box_holds_what_it_held(drawn):
    shear, down, right, rows, columns = drawn
    matrices = np.array([[[rows, shear, down], [-shear, columns, right]]], np.float32)
    boxes, _ = transform(BOXES[:, :1], matrices)
    left, top, right_end, bottom = boxes[0, 0]
    inside = np.array([[3.0, 2.0], [3.0, 10.0], [7.0, 2.0], [7.0, 10.0], [5.0, 6.0]]) - [6, 10]
    (forward,) = affine.invert(matrices.astype(float))
    y, x = (inside @ forward[:, :2].T + forward[:, 2] + [6, 10]).clip(0, [12, 20]).T
    assert (np.abs(y - (top + bottom) / 2) <= (bottom - top) / 2 + 1e-3).all()
    assert (np.abs(x - (left + right_end) / 2) <= (right_end - left) / 2 + 1e-3).all()
