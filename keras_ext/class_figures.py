"""A confusion matrix to precision, recall and F1 of each class, and to a table of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIGURES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class ClassFigures:
    """Figures of each class; make them with `class_figures`.

    Attributes:
      precision: Share of the images taken for a class that are of it, float64 `(classes,)`; 0 where none was.
      recall: Share of the images of a class that were taken for it, float64 `(classes,)`.
      f1: Harmonic mean of both, float64 `(classes,)`.
      support: Images of each class, or the sum of their weights, float64 `(classes,)`.
      accuracy: Share of all images that were classified right.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    accuracy: float

    @property
    def macro_precision(self) -> float:
        """Mean precision of the classes that have images."""
        return float(np.nanmean(self.precision))

    @property
    def macro_recall(self) -> float:
        """Mean recall of the classes that have images, also called balanced accuracy."""
        return float(np.nanmean(self.recall))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have images."""
        return float(np.nanmean(self.f1))

    def table(self, class_names: Sequence[str] | None = None, rows: int = 20) -> str:
        """Returns a line for each class, the lowest recall first, and one for the macro figures.

        Args:
          class_names: The name of each class, in the order of the class indices; None numbers them.
          rows: The most classes that are listed.
        """
        names = list(class_names or map(str, range(len(self.support))))
        order = [index for index in np.argsort(self.recall, kind="stable") if self.support[index] > 0]
        lines = [(names[i], self.precision[i], self.recall[i], self.f1[i], self.support[i]) for i in order[:rows]]
        macro = ("macro", self.macro_precision, self.macro_recall, self.macro_f1, self.support.sum())
        width = max(len(name) for name, *_ in [*lines, macro])
        more = [f"... and {len(order) - rows} more"] if len(order) > rows else []
        absent = [name for name, count in zip(names, self.support, strict=True) if not count]
        without = [f"without images: {len(absent)} ({', '.join(absent[:3])}{', ...' * (len(absent) > 3)})"]
        header = f"{'':<{width}}  precision  recall      f1    images"
        return "\n".join(
            [
                header,
                *(_line(width, *line) for line in lines),
                *more,
                _line(width, *macro),
                *(without if absent else []),
            ]
        )


def class_figures(matrix: np.ndarray) -> ClassFigures:
    """Returns the figures of a confusion matrix.

    A class that no image is of has no figures, NaN, and no part in the macro figures. One that has images but for which
    none was taken has a precision of 0. So the macro figures are those of scikit-learn's
    `precision_recall_fscore_support(..., labels=<classes with images>, average="macro", zero_division=0)`.

    Args:
      matrix: Images, or weights, of class `i` that were taken for class `j`, `(classes, classes)`.

    Raises:
      ValueError: The matrix is not square, holds negative numbers or NaN, or no image.

    Example:

    >>> class_figures([[8, 2], [1, 4]]).recall
    array([0.8, 0.8])
    """
    matrix = np.asarray(matrix, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not (matrix >= 0).all() or not matrix.any():
        raise ValueError(
            "matrix must be counts (classes, classes): square, not negative, not all 0. "
            f"Received: shape {matrix.shape}, sum {matrix.sum()}."
        )
    return figures_of_counts(matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0))


def figures_of_counts(hits: np.ndarray, support: np.ndarray, taken: np.ndarray) -> ClassFigures:
    """Returns the figures of the sums of a confusion matrix, which is large where there are many classes.

    Args:
      hits: Images of each class that were taken for it, `(classes,)`, or the sum of their weights.
      support: Images of each class, `(classes,)`.
      taken: Images that were taken for each class, `(classes,)`.
    """
    present = np.where(support > 0, 1.0, np.nan)
    return ClassFigures(
        precision=present * hits / np.where(taken > 0, taken, 1),
        recall=present * hits / np.where(support > 0, support, 1),
        f1=present * 2 * hits / np.where(support > 0, support + taken, 1),
        support=support,
        accuracy=float(hits.sum() / support.sum()),
    )


def _line(width: int, name: str, precision: float, recall: float, f1: float, images: float) -> str:
    return f"{name:<{width}}  {precision:9.4f}  {recall:6.4f}  {f1:6.4f}  {images:8,.6g}"
