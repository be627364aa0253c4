"""Bounding boxes move with their images."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_ext import affine

FORMATS = (
    *("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw"),
    *("rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"),
)


def transform_boxes(
    bounding_boxes: Mapping[str, Any],
    bounding_box_format: str,
    matrices: Any | None,
    image_size: Sequence[Any],
    size: Sequence[int] | None,
) -> dict[str, Any]:
    """Returns the boxes around the transformed corners, clipped to the image; what is left of none has label -1.

    Args:
      bounding_boxes: `boxes` `(batch, boxes, 4)` and, if they have any, `labels` `(batch, boxes)`.
      bounding_box_format: One of `FORMATS`, coming and going.
      matrices: Those of the images, output to input; see `keras_ext.affine`. None changes only the size.
      image_size: Height and width before.
      size: Height and width afterwards, or None for the same.
    """
    before = [ops.cast(n, "float32") for n in image_size]
    after = [ops.cast(n, "float32") for n in size or image_size]
    boxes = ops.cast(bounding_boxes["boxes"], "float32")
    boxes = keras.utils.bounding_boxes.convert_format(boxes, bounding_box_format, "xyxy", before[0], before[1])
    boxes = boxes * ops.stack([after[1] / before[1], after[0] / before[0]] * 2)
    if matrices is not None:
        boxes = _around_corners(boxes, affine.invert(matrices, ops), after[0] / 2, after[1] / 2)
    boxes = ops.clip(boxes, 0.0, ops.stack([after[1], after[0]] * 2))
    converted = keras.utils.bounding_boxes.convert_format(boxes, "xyxy", bounding_box_format, after[0], after[1])
    moved = {**bounding_boxes, "boxes": converted}
    if "labels" in bounding_boxes:
        labels = ops.convert_to_tensor(bounding_boxes["labels"])
        empty = ops.logical_or(boxes[..., 2] <= boxes[..., 0], boxes[..., 3] <= boxes[..., 1])
        moved["labels"] = ops.where(empty, ops.cast(-1, labels.dtype), labels)
    return moved


def _around_corners(boxes: Any, matrices: Any, middle: Any, centre: Any) -> Any:
    left, top, right, bottom = (boxes[..., i] for i in range(4))
    rows = ops.stack([top, top, bottom, bottom]) - middle
    columns = ops.stack([left, right, left, right]) - centre
    by_axis = [[matrices[:, axis, entry, None] for entry in range(3)] for axis in range(2)]
    y, x = (by_row * rows + by_column * columns + shift for by_row, by_column, shift in by_axis)
    y, x = y + middle, x + centre
    return ops.stack([ops.min(x, axis=0), ops.min(y, axis=0), ops.max(x, axis=0), ops.max(y, axis=0)], axis=-1)
