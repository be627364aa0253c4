"""A picture of a confusion matrix, with Matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 100
_CELL, _SMALLEST, _LARGEST = 0.45, 3.0, 12.0  # inches: a cell's side, the matrix's
_NUMBERED = 25  # classes up to which a cell shows its number
_NAMED = 80  # and up to which the classes have names beside the matrix
_NAME_CHARACTERS = 24


def confusion_matrix_figure(matrix: np.ndarray, class_names: Sequence[str]) -> "Figure":
    """Returns a figure of a confusion matrix: the darker a cell, the larger the share of its row, the true class.

    Cells show their counts where there are few classes, and names stand beside the rows and columns up to 80.

    Args:
      matrix: Images, or weights, of class `i` that were taken for class `j`, `(classes, classes)`.
      class_names: The name of each class.

    Raises:
      ImportError: Matplotlib is missing.

    Example:

    >>> confusion_matrix_figure(metric.matrix, ["cat", "dog"]).savefig("confusion.png")
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "The picture of a confusion matrix needs Matplotlib. Install it with: pip install 'keras-ext[plots]'"
        ) from error
    matrix = np.asarray(matrix, np.float64)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    side = min(max(_CELL * len(matrix), _SMALLEST), _LARGEST)
    # Not of pyplot: no window opens, nothing is kept, and it works without a display.
    figure = Figure(figsize=(side + 2, side + 1), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(picture, ax=axes, label="share of the class", shrink=0.8)
    axes.set_xlabel("predicted class", labelpad=10)
    axes.set_ylabel("true class", labelpad=10)
    _name_classes(axes, class_names)
    if len(matrix) <= _NUMBERED:
        _number_cells(axes, matrix, shares)
    return figure


def figure_pixels(figure: "Figure") -> np.ndarray:
    """Returns the pixels of a figure, uint8 `(height, width, 3)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _name_classes(axes: "Axes", class_names: Sequence[str]) -> None:
    if len(class_names) > _NAMED:
        return  # the axes' own numbers are class indices
    # A dollar sign would start a formula.
    names = [_shortened(name).replace("$", r"\$") for name in class_names]
    size = 9 if len(names) <= _NUMBERED else 7
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"


def _number_cells(axes: "Axes", matrix: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, _short_number(count), ha="center", va="center", fontsize=8, color=colour)


def _short_number(count: float) -> str:
    """About four characters, which is what a cell holds."""
    for least, factor, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if count >= least:
            return _short_number(count / factor) + unit
    return f"{count:.0f}" if count >= 100 else f"{count:.3g}"
