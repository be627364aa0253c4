"""Affine maps of images as matrices, a batch at once.

A map goes from output to input: it says where in the input an output pixel is looked up. It is a matrix `(batch, 2, 3)`
over (row, column) in pixels, both counted from the centre of their image, so that it does not depend on the size.

Every function takes the array namespace `xp`: NumPy or `keras.ops`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Size = Sequence[Any]
"""Height and width in pixels, as floats, or float scalars where they are not known yet."""


def affine_matrices(parameters: Mapping[str, Any], xp: Any = np) -> Any:
    """Returns rotation · shift · shear · zoom · flip, as Keras's `ImageDataGenerator` composes them.

    Args:
      parameters: Arrays `(batch,)`. `rotation`: degrees, counter-clockwise. `height_shift`, `width_shift`: pixels,
        upwards and to the left. `shear`: degrees. `height_zoom`, `width_zoom`: factors, above 1 zooms out.
        `horizontal_flip`, `vertical_flip`: booleans.
      xp: The array namespace.

    Returns:
      Floats `(batch, 2, 3)`. Flips and quarter turns have entries of exactly 0, 1 and -1.

    Example:

    >>> affine_matrices({"rotation": np.array([90.0]), **unchanged})[0]
    """
    cos, sin = _cos_sin(parameters["rotation"], xp)
    shear_cos, shear_sin = _cos_sin(parameters["shear"], xp)
    rows = parameters["height_zoom"] * xp.where(parameters["vertical_flip"], -1.0, 1.0)
    columns = parameters["width_zoom"] * xp.where(parameters["horizontal_flip"], -1.0, 1.0)
    down, right = parameters["height_shift"], parameters["width_shift"]
    entries = [
        (cos * shear_cos - sin * shear_sin) * rows,
        sin * columns,
        cos * down + sin * right,
        (-sin * shear_cos - cos * shear_sin) * rows,
        cos * columns,
        cos * right - sin * down,
    ]
    return xp.reshape(xp.stack(entries, axis=-1), (-1, 2, 3))


def compose(outer: Any, inner: Any, xp: Any = np) -> Any:
    """Returns the matrices of `outer` after `inner`: the warp by `outer`, and of its result the warp by `inner`."""
    linear = xp.matmul(outer[:, :, :2], inner)
    return xp.concatenate([linear[:, :, :2], linear[:, :, 2:] + outer[:, :, 2:]], axis=-1)


def invert(matrices: Any, xp: Any = np) -> Any:
    """Returns the matrices from input to output."""
    (a, b, s), (c, d, t) = ([matrices[:, row, column] for column in range(3)] for row in range(2))
    entries = [d, -b, b * t - d * s, -c, a, c * s - a * t]
    adjugate = xp.reshape(xp.stack(entries, axis=-1), (-1, 2, 3))
    return adjugate / xp.reshape(a * d - b * c, (-1, 1, 1))


def from_size(matrices: Any, input_size: Size, size: Size, xp: Any = np) -> Any:
    """Returns the matrices of a resize from `input_size` to `size` and, after it, `matrices`.

    The resize stretches the images' areas over each other, as `tf.image.resize` does: centre falls on centre.
    """
    scale = [n / m for n, m in zip(input_size, size, strict=True)]
    return matrices * xp.reshape(xp.stack(scale), (1, 2, 1))


def positions(matrices: Any, input_size: Size, output_size: Size, xp: Any = np) -> tuple[tuple[Any, Any], ...]:
    """Returns where each output pixel lies in the input, in parts.

    Returns:
      For the rows and for the columns of the input two arrays, `(batch, output height)` and `(batch, output width)`,
      whose outer sum is the position in pixels, 0 at the centre of the first pixel.
    """
    row, column = (_from_centre(n, xp) for n in output_size)
    parts = []
    for axis, n in enumerate(input_size):
        start = matrices[:, axis, 2] + _centre(n)
        by_row = matrices[:, axis, 0, None] * row + start[:, None]
        parts.append((by_row, matrices[:, axis, 1, None] * column))
    return tuple(parts)


def _cos_sin(degrees: Any, xp: Any) -> tuple[Any, Any]:
    # Whole quarter turns are split off, so that they are exact.
    quarters = xp.round(degrees / 90.0)
    rest = (degrees - quarters * 90.0) * (np.pi / 180.0)
    odd = quarters % 2.0 == 1.0
    sign = xp.where(quarters % 4.0 >= 2.0, -1.0, 1.0)
    cos, sin = xp.cos(rest), xp.sin(rest)
    return sign * xp.where(odd, -sin, cos), sign * xp.where(odd, cos, sin)


def _from_centre(n: Any, xp: Any) -> Any:
    return xp.arange(n, dtype="float32") - _centre(n)


def _centre(n: Any) -> Any:
    return (n - 1.0) / 2.0
