"""A confusion matrix as text."""

from collections.abc import Sequence
from typing import Any


def confusion_matrix_table(matrix: Any, class_names: Sequence[str]) -> str:
    """Returns a line for each true class, with its images by the class they were taken for, whose index heads a column.

    Args:
      matrix: Images, or weights, of class `i` that were taken for class `j`, `(classes, classes)`.
      class_names: The name of each class.

    Example:

    >>> print(confusion_matrix_table([[8, 2], [1, 4]], ["cat", "dog"]))
    true class  0  1
    0 cat       8  2
    1 dog       1  4
    """
    names = [f"{index} {name}" for index, name in enumerate(class_names)]
    rows = [["true class", *map(str, range(len(names)))]]
    rows += [[name, *(f"{count:.6g}" for count in row)] for name, row in zip(names, matrix, strict=True)]
    left = max(len(row[0]) for row in rows)
    width = max(len(cell) for row in rows for cell in row[1:])
    return "\n".join("  ".join([f"{name:<{left}}", *(f"{cell:>{width}}" for cell in cells)]) for name, *cells in rows)
