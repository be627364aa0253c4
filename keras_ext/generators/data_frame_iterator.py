"""Batches of the images that a data frame names."""

import os
import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_ext.choices import check_choice
from keras_ext.generators.file_iterator import FileIterator, class_targets
from keras_ext.generators.image_files import ImageFiles
from keras_ext.generators.image_iterator import FlowOptions
from keras_ext.generators.image_processing import ImageProcessing
from keras_ext.image_listing import listed
from keras_ext.image_source import is_image_name
from keras_ext.local_folder import LocalFolder

CLASS_MODES = ("categorical", "binary", "sparse", "input", "multi_output", "raw")

_WITH_CLASSES = ("categorical", "binary", "sparse")


class DataFrameIterator(FileIterator):
    """What `ImageDataGenerator.flow_from_dataframe` returns.

    Attributes:
      sample_weight: One for each image, or None.
    """

    def __init__(  # noqa: PLR0913 - the arguments of flow_from_dataframe
        self,
        generator: ImageProcessing,
        dataframe: Any,
        directory: str | os.PathLike[str] | None,
        x_col: str,
        y_col: str | Sequence[str],
        weight_col: str | None,
        files: ImageFiles,
        classes: Sequence[str] | None,
        class_mode: str | None,
        validate_filenames: bool,
        options: FlowOptions,
    ) -> None:
        if class_mode is not None:
            check_choice("class_mode", class_mode, CLASS_MODES)
        directory = "" if directory is None else os.fspath(directory)
        names = _file_names(_column(dataframe, "x_col", x_col), x_col)
        weights = None if weight_col is None else _weights(_column(dataframe, "weight_col", weight_col), weight_col)
        problems = _problems(directory, names) if validate_filenames else {}
        rows = [row for row in range(len(names)) if row not in problems]
        self.class_indices: dict[str, int] = {}
        classes_of_rows: list[Any] = []
        if class_mode in _WITH_CLASSES:
            labels = _labels(_column(dataframe, "y_col", y_col), y_col, class_mode)
            self.class_indices = _class_indices([labels[row] for row in rows], classes, class_mode)
            classes_of_rows = [_class_of(label, self.class_indices) for label in labels]
            rows = [row for row in rows if classes_of_rows[row] is not None]
        elif classes:
            warnings.warn(f"classes have no meaning with class_mode={class_mode!r}.", stacklevel=3)
        rows = rows[slice(*generator.part(options.subset, len(rows)))]
        _check_rows(rows, names, problems, options.subset)
        self._classes = [classes_of_rows[row] for row in rows] if classes_of_rows else None
        self._values = [values[rows] for values in _values(dataframe, y_col, class_mode)]
        self._sample_weight = None if weights is None else weights[rows]
        rejected = [(names[row], reason) for row, reason in problems.items()]
        super().__init__(generator, directory, [names[row] for row in rows], files, class_mode, options, rejected)
        _report(len(rows), len(problems), len(self.class_indices))

    @property
    def classes(self) -> list[Any] | None:
        """The class index of each image, or the list of its class indices; None where there are no classes."""
        return None if self._classes is None else self._kept(self._classes)

    @property
    def labels(self) -> Any:
        """The same as `classes`; with `"raw"` and `"multi_output"` the values of the columns."""
        values = [self._kept(values) for values in self._values]
        return self.classes if not values else values if self.class_mode == "multi_output" else values[0]

    @property
    def sample_weight(self) -> np.ndarray | None:
        """A weight for each image, or None."""
        return None if self._sample_weight is None else self._kept(self._sample_weight)

    def _weights(self, positions: np.ndarray) -> np.ndarray | None:
        return None if self._sample_weight is None else self._sample_weight[positions]

    def _targets(self, images: np.ndarray, positions: np.ndarray) -> Any:
        if self._classes is not None:
            classes = [self._classes[position] for position in positions]
            return class_targets(self.class_mode, classes, len(self.class_indices), self.dtype)
        values = [values[positions] for values in self._values]
        if self.class_mode == "multi_output":
            return values
        return values[0] if values else super()._targets(images, positions)


def _column(dataframe: Any, argument: str, name: Any) -> list[Any]:
    if not hasattr(dataframe, "keys"):
        raise TypeError(
            f"dataframe must be a pandas DataFrame, or a mapping of column names to sequences. Received: "
            f"{type(dataframe).__name__}. Pass pandas.read_csv(...)."
        )
    if isinstance(name, str):
        check_choice(argument, name, list(dataframe.keys()))
    elif not isinstance(name, Hashable) or name not in dataframe:
        raise TypeError(f"{argument} must be the name of a column. Received: {argument}={name!r}.")
    return list(dataframe[name])


def _file_names(values: Sequence[Any], x_col: str) -> list[str]:
    for row, value in enumerate(values):
        if not isinstance(value, str | os.PathLike):
            raise TypeError(
                f"All values in column x_col={x_col!r} must be strings, names of files. "
                f"Received: {value!r} in row {row}."
            )
    return [os.fspath(value) for value in values]


def _problems(directory: str, names: Sequence[str]) -> dict[int, str]:
    """Returns row to reason, of the rows whose file is missing or no image by its name."""
    files = LocalFolder(directory).find(names)
    reasons = [
        file.problem or ("" if is_image_name(os.path.basename(file.path)) else "no image file") for file in files
    ]
    problems = {row: reason for row, reason in enumerate(reasons) if reason}
    if problems:
        row, reason = next(iter(problems.items()))
        warnings.warn(
            f"Found {len(problems)} invalid image filename(s), which are left out; `.rejected` lists them. The first: "
            f"{names[row]!r}: {reason}.",
            stacklevel=4,
        )
    return problems


def _labels(values: Sequence[Any], y_col: Any, class_mode: str) -> list[Any]:
    """Returns the labels, when each is a string, or with class_mode="categorical" a list of strings."""
    several = (list, tuple, set) if class_mode == "categorical" else ()
    for row, value in enumerate(values):
        if not isinstance(value, str) and not (isinstance(value, several) and all(isinstance(v, str) for v in value)):
            kinds = "strings, or lists of strings" if several else "strings"
            raise TypeError(
                f"With class_mode={class_mode!r}, all values in column y_col={y_col!r} must be {kinds}. Received: "
                f"{value!r} in row {row}. Pass dataframe.astype({{{y_col!r}: str}}) without rows that have no label."
            )
    return list(values)


def _class_indices(labels: Sequence[Any], classes: Sequence[str] | None, class_mode: str) -> dict[str, int]:
    if isinstance(classes, str):
        raise TypeError(f"classes must be a list of class names. Received: classes={classes!r}.")
    found = {name for label in labels for name in ([label] if isinstance(label, str) else label)}
    names = list(dict.fromkeys(classes)) if classes else sorted(found)
    if class_mode == "binary" and len(names) != 2:
        raise ValueError(f"class_mode='binary' needs two classes. Received: {len(names)}: {listed(map(repr, names))}.")
    absent, unused = [name for name in names if name not in found], found.difference(names)
    if absent and unused:
        check_choice("classes", absent[0], found)
    if absent:
        warnings.warn(f"Classes without an image: {listed(map(repr, absent))}.", stacklevel=4)
    return {name: index for index, name in enumerate(names)}


def _class_of(label: str | Sequence[str], class_indices: Mapping[str, int]) -> int | list[int] | None:
    """Returns the index of a label, or those of several; None where the classes do not hold it."""
    if isinstance(label, str):
        return class_indices.get(label)
    return [class_indices[name] for name in label if name in class_indices] or None


def _values(dataframe: Any, y_col: Any, class_mode: str | None) -> list[np.ndarray]:
    """Returns the values that are labels as they stand: one array, or with several outputs one of each."""
    if class_mode == "multi_output":
        if not isinstance(y_col, list | tuple):
            raise TypeError(f"With class_mode='multi_output', y_col must be a list of columns. Received: {y_col!r}.")
        return [_as_they_stand([_column(dataframe, "y_col", name)], y_col)[0] for name in y_col]
    if class_mode != "raw":
        return []
    if isinstance(y_col, list | tuple):
        columns = _as_they_stand([_column(dataframe, "y_col", name) for name in y_col], y_col)
        return [np.moveaxis(columns, 0, 1)]
    return [_as_they_stand([_column(dataframe, "y_col", y_col)], y_col)[0]]


def _as_they_stand(columns: Sequence[Sequence[Any]], y_col: Any) -> np.ndarray:
    """Returns columns as an array, of numbers or of text, but of no mixture, of which NumPy would make text."""
    try:
        values = np.array(columns)
        if values.dtype.kind in "biufc" or np.all(np.vectorize(isinstance)(np.array(columns, object), str)):
            return values
    except ValueError:  # lists of different lengths
        pass
    examples = list(dict.fromkeys(type(value).__name__ for column in columns for value in column))
    raise TypeError(
        f"Values of y_col={y_col!r} that are labels as they stand must all be numbers, or arrays of one shape, or all "
        f"strings. Received: values of type {', '.join(examples)}."
    )


def _weights(values: Sequence[Any], weight_col: str) -> np.ndarray:
    weights = np.asarray(values)
    if weights.dtype.kind not in "iufb" or not np.isfinite(weights).all():
        raise TypeError(f"Column weight_col={weight_col!r} must be numeric. Received: {values[:3]}...")
    return weights


def _check_rows(rows: Sequence[int], names: Sequence[str], problems: Mapping[int, str], subset: str | None) -> None:
    if rows:
        return
    reason = f" The first row: {names[0]!r}: {problems[0]}." if 0 in problems else ""
    part = f" with subset={subset!r}" if subset else ""
    raise ValueError(f"No row of the dataframe is left{part}, of {len(names)}; {len(problems)} name no file.{reason}")


def _report(found: int, rejected: int, classes: int) -> None:
    belonging = f" belonging to {classes} classes" if classes else ""
    left_out = f" {rejected} rows are left out: see `.rejected`." if rejected else ""
    print(f"Found {found} images{belonging}.{left_out}")
