"""Predictions as a table: one row an image, in a CSV or JSON lines file that appears whole or not at all."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from keras_ext.atomic_file import atomic_file
from keras_ext.choices import check_choice

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a model says of an image.

    Attributes:
      filename: The path of the image, relative to the input.
      label: The name of the most probable class; None where there is an error.
      probability: Its probability.
      probabilities: That of each class, float32 `(classes,)`, in the order of the model's class names.
      true_label: The class that the input gives, or None.
      error: Why the image could not be read, or None.
    """

    filename: str
    label: str | None = None
    probability: float | None = None
    probabilities: np.ndarray | None = None
    true_label: str | None = None
    error: str | None = None

    @classmethod
    def of(
        cls, filename: str, probabilities: np.ndarray, class_names: Sequence[str], true_label: str | None = None
    ) -> "Prediction":
        """Returns the prediction that probabilities, float32 `(classes,)`, mean; an error where they are no numbers."""
        if not np.isfinite(probabilities).all():
            return cls(filename, true_label=true_label, error="the model gives no numbers for it")
        best = int(probabilities.argmax())
        return cls(filename, class_names[best], float(probabilities[best]), probabilities, true_label)


@dataclass(frozen=True)
class PredictionTable:
    """The columns of a table of predictions, and its text.

    Args:
      class_names: The model's classes.
      true_labels: Whether there is a column for the class that the input gives.
      top: How many classes are listed, the most probable first: `label_2`, `probability_2` and so on.
      all_probabilities: Whether there is a column for each class, `probability: <class>`.

    Raises:
      ValueError: `top` is no positive number.
    """

    class_names: Sequence[str]
    true_labels: bool = False
    top: int = 1
    all_probabilities: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.top, bool) or not isinstance(self.top, int) or self.top < 1:
            raise ValueError(f"top must be a positive integer. Received: top={self.top!r}.")

    @property
    def columns(self) -> list[str]:
        """The names of the columns: of CSV, and the keys of JSON lines."""
        further = [f"{name}_{rank}" for rank in range(2, self._ranks + 1) for name in ("label", "probability")]
        each = [f"probability: {name}" for name in self.class_names] if self.all_probabilities else []
        return ["filename", "label", "probability", *["true_label"] * self.true_labels, *further, *each, "error"]

    def row(self, prediction: Prediction) -> list[Any]:
        """Returns the values of a row, in the order of the columns; None where there is nothing to say."""
        values = prediction.probabilities
        true_label = [prediction.true_label] if self.true_labels else []
        if values is None:
            empty = len(self.columns) - 4 - len(true_label)
            return [prediction.filename, None, None, *true_label, *[None] * empty, prediction.error]
        further = [cell for one in self._ranking(values) for cell in (self.class_names[one], values[one])]
        each = list(values) if self.all_probabilities else []
        return [prediction.filename, prediction.label, values.max(), *true_label, *further, *each, prediction.error]

    @property
    def _ranks(self) -> int:
        return min(self.top, len(self.class_names))

    def _ranking(self, probabilities: np.ndarray) -> list[int]:
        if self._ranks == 1:
            return []
        return np.argsort(-probabilities, kind="stable")[1 : self._ranks].tolist()

    def csv_lines(self, predictions: Iterable[Prediction]) -> Iterator[str]:
        """Yields the lines of a CSV file, which no spreadsheet takes for formulas."""
        yield _csv_line(self.columns)
        yield from (_csv_line(self.row(prediction)) for prediction in predictions)

    def json_lines(self, predictions: Iterable[Prediction]) -> Iterator[str]:
        """Yields a line of JSON for each image, in which every name is as it is."""
        columns = self.columns
        for prediction in predictions:
            # The shortest decimals that are this float32 again: those of float64 would be twice as long.
            values = (float(str(cell)) if isinstance(cell, np.floating) else cell for cell in self.row(prediction))
            yield json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False) + "\n"


_FORMATS: Final[dict[str, Callable[[PredictionTable, Iterable[Prediction]], Iterator[str]]]] = {
    ".csv": PredictionTable.csv_lines,
    ".jsonl": PredictionTable.json_lines,
}


def check_output(path: str, overwrite: bool = False) -> None:
    """Refuses, before any work is done, a file that could not be written at its end.

    Raises:
      ValueError: It is neither .csv nor .jsonl, exists, or lies in no folder.
    """
    check_choice("The extension of the output", os.path.splitext(path)[1].lower(), _FORMATS)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ValueError(f"No such folder: '{folder}'. The output '{path}' must lie in one that exists.")
    if os.path.isdir(path) or (os.path.lexists(path) and not overwrite):
        raise ValueError(
            f"The output must be a new file. Received: '{path}', which exists. Choose another, or pass --overwrite."
        )


def write_predictions(path: str, predictions: Iterable[Prediction], table: PredictionTable) -> None:
    """Writes a .csv or .jsonl file, row by row, which appears whole when the last one is written, or not at all.

    Cells of CSV that a spreadsheet would take for formulas begin with an apostrophe there, as in all our tables.

    Raises:
      ValueError: The extension is another one.

    Example:

    >>> write_predictions("out.csv", classifier.predict("photos"), PredictionTable(classifier.class_names))
    """
    kind = check_choice("The extension of the output", os.path.splitext(path)[1].lower(), _FORMATS)
    with atomic_file(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="") as file:
        file.writelines(_FORMATS[kind](table, predictions))


def _csv_line(cells: Iterable[Any]) -> str:
    return ",".join(map(_csv_cell, cells)) + "\n"


def _csv_cell(cell: Any) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else str(cell)
    # Not by the csv module, which before Python 3.13 leaves a carriage return without quotes.
    safe = f"'{cell}" if cell.startswith(_FORMULA) else cell
    return '"' + safe.replace('"', '""') + '"' if any(character in safe for character in ',"\r\n') else safe
