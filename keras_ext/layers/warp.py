"""The warp: every output pixel is looked up in the input, once.

Positions are fixed-point numbers with 16 bits after the point. That is finer than float32 from 256 pixels on, quick on
a CPU, and leaves a compiler no room to round the same position differently in the index and in the weight.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_ext import affine
from keras_ext.layers.compiled import compiled, gather_rows, traced

FILL_MODES = ("constant", "nearest", "reflect", "wrap")
INTERPOLATIONS = ("nearest", "bilinear")
MAX_SIDE = 8192
"""Pixels; beyond, positions outside the image could overflow."""

_BITS = 16
_ONE = 1 << _BITS
_FARTHEST = 16383.0  # so that the sum of two parts fits 32 bits
# An image that is also resized may end a rounding error off its edge.
_SLACK = 4


class Sampling(NamedTuple):
    """How the input is read between and beyond its pixels."""

    interpolation: str
    fill_mode: str
    cval: float


class Color(NamedTuple):
    """What becomes of the values: `clip(clip(value + shift) · factor)`; both `(batch,)`, or None."""

    value_range: tuple[float, float]
    factor: Any = None
    shift: Any = None


def warp(images: Any, matrices: Any, size: tuple[int, int] | None, sampling: Sampling, color: Color, dtype: str) -> Any:
    """Returns the images, resized and warped in one go, with their colours changed.

    Args:
      images: `(batch, height, width, channels)`, uint8 or floats; any dtype when the interpolation is `"nearest"`.
      matrices: Output to input, `(batch, 2, 3)`, in pixels of `size`; see `keras_ext.affine`.
      size: Height and width of the output, or None for those of the input.
      sampling: How pixels are looked up.
      color: How values change, if they do.
      dtype: Of the output.
    """
    batch, height, width, channels = ops.shape(images)
    _check_sides(height, width)
    axes = _axes(images, matrices, size=size)
    points = _points(*axes, interpolation=sampling.interpolation, fill_mode=sampling.fill_mode)
    cval = sampling.cval if sampling.fill_mode == "constant" else None
    looked_up = _look_up(images, points, *color[1:], cval=cval, value_range=color.value_range, dtype=dtype)
    # Says again what is known of the shape, which a program for several shapes has forgotten.
    return ops.reshape(looked_up, (batch, *(size or (height, width)), channels))


def _check_sides(*sides: Any) -> None:
    if any(isinstance(side, int) and side > MAX_SIDE for side in sides):
        raise ValueError(f"Images may have {MAX_SIDE} pixels a side. Received: {sides}. Resize them first.")


class _Axis(NamedTuple):
    """Where output pixels lie along the rows or the columns of the input; whole numbers, in fixed point but `n`."""

    by_row: Any  # (batch, output height); a position is the sum of both
    by_column: Any  # (batch, output width)
    first: Any  # the centre of the first pixel of the image, which may also be resized
    last: Any
    n: Any  # pixels of the input


@traced
def _axes(images: Any, matrices: Any, *, size: tuple[int, int] | None) -> tuple[_Axis, ...]:
    pixels = ops.shape(images)[1:3]
    # Sizes that are known stay plain numbers, which JAX wants for the shapes that follow from them.
    input_size = [float(n) if isinstance(n, int) else ops.cast(n, "float32") for n in pixels]
    output_size = input_size if size is None else [float(n) for n in size]
    if size is not None:
        matrices = affine.from_size(matrices, input_size, output_size, ops)
    parts = affine.positions(matrices, input_size, output_size, ops)
    first = [0.5 * n / m - 0.5 for n, m in zip(input_size, output_size, strict=True)]
    ends = [(_fixed(start), _fixed(n - 1.0 - start)) for n, start in zip(input_size, first, strict=True)]
    slack = 0 if size is None else _SLACK
    return tuple(
        _Axis(_fixed(by_row), _fixed(by_column), start - slack, end + slack, ops.cast(n, "int32"))
        for (by_row, by_column), (start, end), n in zip(parts, ends, pixels, strict=True)
    )


def _fixed(values: Any) -> Any:
    values = ops.convert_to_tensor(values, "float32")
    return ops.cast(ops.round(ops.clip(values, -_FARTHEST, _FARTHEST) * float(_ONE)), "int32")


@compiled
def _points(rows: _Axis, columns: _Axis, *, interpolation: str, fill_mode: str) -> tuple[Any, ...]:
    """Returns which pixel of the flattened batch an output pixel reads, -1 for none, and its neighbours' weights.

    This is a program of its own: together with the lookup, it would be computed anew for each channel.
    """
    (y, outside_y), (x, outside_x) = (_fold(axis, fill_mode) for axis in (rows, columns))
    weights = []
    if interpolation == "nearest":
        top, left = (ops.right_shift(v + _ONE // 2, _BITS) for v in (y, x))
    else:
        top, left = _first_neighbour(y, rows.n), _first_neighbour(x, columns.n)
        weights = [ops.cast(v - n * _ONE, "float32") * (1.0 / _ONE) for v, n in ((y, top), (x, left))]
    image = ops.arange(ops.shape(rows.by_row)[0], dtype="int32")[:, None, None]
    index = (image * rows.n + top) * columns.n + left
    if fill_mode == "constant":
        index = ops.where(ops.logical_or(outside_y, outside_x), -1, index)
    return (index, *weights)


def _first_neighbour(v: Any, n: Any) -> Any:
    # The last pixel is a second neighbour with weight 1, so that there is none beyond it.
    return ops.minimum(ops.right_shift(v, _BITS), ops.maximum(n - 2, 0))


def _fold(axis: _Axis, fill_mode: str) -> tuple[Any, Any]:
    """Returns the positions moved into the image as SciPy does, and for constants, which were outside."""
    v, low, high, n = axis.by_row[:, :, None] + axis.by_column[:, None, :], axis.first, axis.last, axis.n
    outside = None
    if fill_mode == "constant":
        outside = ops.logical_or(v < low, v > high)
    elif fill_mode == "reflect":  # about the outer edges of the first and the last pixel
        period = n * (2 * _ONE)
        beyond = _floor_mod(v + _ONE // 2, period)
        v = ops.minimum(beyond, period - beyond) - _ONE // 2
    elif fill_mode == "wrap":  # the last pixel lies on the first
        span = ops.maximum(high - low, 1)
        turned = _floor_mod(v - low, span)
        turned = ops.where(ops.logical_and(v < low, turned == 0), span, turned)
        v = ops.where(ops.logical_or(v < low, v > high), low + turned, v)
    return ops.clip(v, ops.maximum(low, 0), ops.minimum(high, (n - 1) * _ONE)), outside


def _floor_mod(v: Any, period: Any) -> Any:
    # Division of floats, which may be one off, is several times as fast as that of integers.
    quotient = ops.cast(ops.floor(ops.cast(v, "float32") / ops.cast(period, "float32")), "int32")
    rest = v - quotient * period
    rest = ops.where(rest < 0, rest + period, rest)
    return ops.where(rest >= period, rest - period, rest)


@compiled
def _look_up(
    images: Any,
    points: tuple[Any, ...],
    factor: Any | None,
    shift: Any | None,
    *,
    cval: float | None,
    value_range: tuple[float, float],
    dtype: str,
) -> Any:
    _, height, width, channels = ops.shape(images)
    table = ops.reshape(images, (-1, channels))
    index, *weights = points
    start = index if cval is None else ops.maximum(index, 0)
    values = _bilinear(table, start, weights, (height, width)) if weights else gather_rows(table, start)
    if cval is not None:
        values = ops.where(index[..., None] < 0, ops.cast(cval, values.dtype), values)
    return ops.cast(_recolored(values, factor, shift, value_range), dtype)


def _bilinear(table: Any, start: Any, weights: Sequence[Any], size: tuple[Any, Any]) -> Any:
    height, width = size
    down, right = ops.minimum(height - 1, 1) * width, ops.minimum(width - 1, 1)
    y, x = (weight[..., None] for weight in weights)
    top, bottom = (_between(_row(table, corner), _row(table, corner + right), x) for corner in (start, start + down))
    return _between(top, bottom, y)


def _row(table: Any, index: Any) -> Any:
    return ops.cast(gather_rows(table, index), "float32")


def _between(first: Any, second: Any, weight: Any) -> Any:
    # Of the two usual forms the one that gives `second` exactly at weight 1.
    return first * (1.0 - weight) + second * weight


def _recolored(values: Any, factor: Any | None, shift: Any | None, value_range: tuple[float, float]) -> Any:
    low, high = value_range
    if shift is not None:
        values = ops.clip(ops.cast(values, "float32") + _per_image(shift), low, high)
    if factor is not None:
        values = ops.clip((ops.cast(values, "float32") - low) * _per_image(factor) + low, low, high)
    return values


def _per_image(values: Any) -> Any:
    return ops.reshape(values, (-1, 1, 1, 1))
