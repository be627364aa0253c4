"""Pictures of images, with Matplotlib."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _TITLE = 1.7, 0.2  # inches: an image's width, a title's height
_DOTS_PER_INCH = 150
_TITLE_CHARACTERS = 22  # as many fit over an image


def image_grid(
    images: Any,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    value_range: tuple[float, float] | None = None,
    path: str | None = None,
) -> "Figure":
    """Returns a figure that shows images in rows, and saves it where asked to.

    Args:
      images: Images `(number, height, width, channels)`, or a list of images `(height, width, channels)` or
        `(height, width)` of any sizes; 1 channel is grey, 3 are RGB, 4 RGBA. Arrays or tensors, integers or floats.
      titles: A title for each image, such as its class; `""` shows none, and long lines are broken.
      columns: Images in a row; by default the figure is about as wide as high.
      value_range: What is shown as black and as white. By default [0, 255] for integers; for floats the first of
        [0, 1], [-1, 1] and [0, 255] that holds the values of all images, and otherwise from the smallest value to the
        largest.
      path: Where to save the figure; the extension says as what: `.png`, `.pdf`, `.svg`...

    Raises:
      ImportError: Matplotlib is missing.
      ValueError: There is no image, one has another shape, there is another number of titles, or the
        range is empty.

    Example:

    >>> images, labels = next(iter(train))
    >>> image_grid(images, titles=[class_names[label] for label in labels], path="train.png")
    """
    arrays = _as_arrays(images)
    if titles is not None and len(titles) != len(arrays):
        raise ValueError(
            f"titles must give one title to each image. Received: {len(titles)} titles for {len(arrays)} images."
        )
    columns = columns or math.ceil(math.sqrt(len(arrays)))
    low, high = value_range_of(arrays) if value_range is None else value_range
    if not low < high:
        raise ValueError(
            f"value_range must be two numbers (low, high), the smaller first. Received: value_range={value_range!r}."
        )
    wrapped = [_wrapped(title) for title in titles or [""] * len(arrays)]
    lines = max(1 + title.count("\n") if title else 0 for title in wrapped)
    figure, places = _empty_grid(math.ceil(len(arrays) / columns), columns, _aspect(arrays), lines)
    for place, image, title in zip(places, arrays, wrapped, strict=False):
        shown = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
        place.imshow(shown.squeeze(-1) if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=1)
        place.set_title(title, fontsize=8, pad=3, parse_math=False)  # a dollar sign is no formula
    if path is not None:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    return figure


def value_range_of(images: Sequence[np.ndarray]) -> tuple[float, float]:
    """Returns what is black and what is white in these images: what `image_grid` takes by default."""
    if all(np.issubdtype(image.dtype, np.integer) for image in images):
        return 0, 255
    smallest = min(float(image.min()) for image in images)
    largest = max(float(image.max()) for image in images)
    for low, high in ((0, 1), (-1, 1), (0, 255)):
        if low <= smallest and largest <= high:
            return low, high
    return smallest, max(largest, smallest + 1e-6)


def _as_arrays(images: Any) -> list[np.ndarray]:
    arrays = [np.asarray(image) for image in images]
    arrays = [image[..., np.newaxis] if image.ndim == 2 else image for image in arrays]
    wrong = [image.shape for image in arrays if image.ndim != 3 or image.shape[-1] not in (1, 3, 4) or not image.size]
    if wrong or not arrays:
        raise ValueError(
            "images must be images (height, width, channels) with 1, 3 or 4 channels, at least one. "
            f"Received: {f'an image of shape {wrong[0]}' if wrong else 'none'}. Channels come last."
        )
    return arrays


def _aspect(images: list[np.ndarray]) -> float:
    """The largest height for one unit of width."""
    return max(image.shape[0] / image.shape[1] for image in images)


def _wrapped(title: str) -> str:
    """The lines of a title, broken where they are longer than an image is wide."""
    lines = [part for line in title.splitlines() for part in textwrap.wrap(line, _TITLE_CHARACTERS)]
    return "\n".join(lines)


def _empty_grid(rows: int, columns: int, aspect: float, title_lines: int) -> tuple["Figure", list["Axes"]]:
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise ImportError("image_grid needs Matplotlib. Install it with: pip install 'keras-ext[plots]'") from error
    cell_height = _CELL * min(max(aspect, 0.3), 3) + _TITLE * title_lines
    # Not of pyplot: no window opens, nothing is kept, and it works without a display.
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    figure = Figure(figsize=(columns * _CELL, rows * cell_height), layout=layout)
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for place in places:
        place.set_axis_off()
    return figure, places
