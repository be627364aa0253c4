"""A table of images: CSV, JSON lines, Parquet, or a DataFrame; one row an image."""

import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np

from keras_ext.choices import check_choice
from keras_ext.features import SPLITS
from keras_ext.image_listing import ImageListing, Record, ScannedFile, printable, split_named
from keras_ext.image_source import ImageSource
from keras_ext.parquet_safety import forbid_python_types

_EMPTY: Final = ("None", "nan", "NaT", "<NA>")
_FIELDS: Final = ("path", "label", "split", "group", "weight")
_REQUIRED: Final = ("path", "label")


def is_manifest(path: str) -> bool:
    """Whether a path is that of a manifest, by its extension."""
    return os.path.splitext(path)[1].lower() in _READERS


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest.

    Attributes:
      name: What the manifest is called in messages.
      folder: Where it lies itself, or None where it is a table.
      records: The rows; a path that was not given is '', and so is a label.
    """

    name: str
    folder: str | None
    records: list[Record]

    @property
    def directory(self) -> str:
        """What its paths are relative to, if nobody says otherwise.

        Raises:
          ValueError: Nothing says it: a table holds relative paths.
        """
        return _common_folder(self.name, self.records) if self.folder is None else self.folder

    def listing(self, source: ImageSource) -> ImageListing:
        """Looks the files of the rows up in `source`."""
        records = [_relative(record, source.name) for record in self.records]
        problems = _problems(records)
        listing = ImageListing("manifest", [])
        for row, (record, file, problem) in enumerate(zip(records, _files(source, records), problems, strict=True), 1):
            # What the row says belongs to the fingerprint: another label is another input.
            said = repr((record.label, record.split, record.group, record.weight, *record.columns))
            known = file._replace(problem=problem or file.problem, row=said)
            if not record.path:
                listing.loose.append(known._replace(path=f"{self.name}: row {row}"))
            elif record.label == "":
                listing.loose.append(known)
            else:
                listing.found.append((record, known))
        given = {record.split for record in records}
        listing.where = {split: f"the split {split!r}" for split in SPLITS if split in given}
        return listing


def read_manifest(
    manifest: Any,
    columns: Mapping[str, str | None] | None = None,
    content: bytes | None = None,
    extra_columns: Sequence[str] = (),
) -> Manifest:
    """Reads a table of images; opens none of them.

    Args:
      manifest: See `DirectoryIndex.from_manifest`.
      columns: See `DirectoryIndex.from_manifest`.
      content: What is in the manifest, where it lies with the images in an archive or elsewhere. Its folder, and so
        the paths in it, are then relative to the images.
      extra_columns: See `DirectoryIndex.from_manifest`.

    Raises:
      ValueError: The table cannot be read, a column is missing, or a value has no meaning.
    """
    if isinstance(manifest, str | os.PathLike):
        path = os.fspath(manifest)
        name, folder, table = os.path.basename(path), os.path.dirname(path) or ".", _read_file(path, content)
    else:
        name, folder, table = "the manifest", None, _columns_of(manifest)
    records = _records(name, table, _chosen_columns(name, table, columns or {}), extra_columns)
    if not records:
        raise ValueError(f"{name} has no rows. Expected one row for each image.")
    return Manifest(name, folder, records)


def read_manifest_in(
    source: ImageSource,
    path: str,
    columns: Mapping[str, str | None] | None = None,
    extra_columns: Sequence[str] = (),
) -> Manifest:
    """Reads a manifest that lies with the images; its paths are relative to its own folder, as always.

    Args:
      source: An archive, or a folder elsewhere.
      path: Where it lies in there.
      columns: See `DirectoryIndex.from_manifest`.
      extra_columns: See `DirectoryIndex.from_manifest`.

    Raises:
      ValueError: There is no such file, or see `read_manifest`.
    """
    path = os.path.normpath(path)
    [file] = source.find([path])
    if file.problem:
        raise ValueError(f"The manifest {path!r} in {source.name!r} cannot be read: {file.problem}.")
    manifest = read_manifest(path, columns, source.read(path), extra_columns)
    folder = os.path.dirname(path)
    records = [
        dataclasses.replace(record, path=record.path and os.path.join(folder, record.path))
        for record in manifest.records
    ]
    return dataclasses.replace(manifest, records=records)


def _read_file(path: str, content: bytes | None) -> dict[str, Sequence[Any]]:
    kind = check_choice("The extension of a manifest", os.path.splitext(path)[1].lower(), _READERS)
    if content is None and not os.path.isfile(path):
        raise ValueError(f"No such manifest: {path!r}.")
    try:
        with open(path, "rb") if content is None else io.BytesIO(content) as file:
            return _READERS[kind](path, file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path!r} cannot be read: {error}. Expected UTF-8 text.") from None


def _read_csv(path: str, file: BinaryIO) -> dict[str, Sequence[Any]]:
    # Spreadsheets begin their files with a byte order mark.
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        names = next(rows, [])
        if len(set(names)) < len(names):
            raise ValueError(f"{path!r} names a column twice: {', '.join(names)}.")
        table: list[list[str]] = []
        for row in rows:
            if len(row) not in (0, len(names)):
                raise ValueError(f"{path!r}, line {rows.line_num}: expected {len(names)} columns, found {len(row)}.")
            if row:
                table.append(row)
    return {name: [row[position] for row in table] for position, name in enumerate(names)}


def _read_json_lines(path: str, file: BinaryIO) -> dict[str, Sequence[Any]]:
    rows = []
    with io.TextIOWrapper(file, encoding="utf-8-sig") as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path!r}, line {number}: {error}.") from None
            if not isinstance(row, dict):
                example = '{"path": "cats/a.png", "label": "cats"}'
                raise ValueError(f"{path!r}, line {number}: expected an object such as {example}.")  # noqa: TRY004
            rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _read_parquet(path: str, file: BinaryIO) -> dict[str, Sequence[Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ValueError(f"{path!r} needs pyarrow, which is not installed. Install it, or pass a .csv file.") from None
    forbid_python_types()
    try:
        return parquet.read_table(file).to_pydict()
    except (ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path!r} cannot be read as Parquet: {error}") from None


_READERS: Final = {".csv": _read_csv, ".jsonl": _read_json_lines, ".parquet": _read_parquet}


def _columns_of(table: Any) -> dict[str, Sequence[Any]]:
    """Takes the columns of a mapping or a DataFrame, which answers to the same names."""
    if not hasattr(table, "keys"):
        raise TypeError(
            "manifest must be the path of a .csv, .jsonl or .parquet file, a DataFrame, or a mapping of column names "
            f"to sequences. Received: {type(table).__name__}."
        )
    # A mapping and a DataFrame both have it.
    names = table.keys()
    columns: dict[str, Sequence[Any]] = {str(name): list(table[name]) for name in names}
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
        raise ValueError(f"The columns of a manifest must be of equal length. Received: {lengths}.")
    return columns


def _chosen_columns(name: str, table: Iterable[str], columns: Mapping[str, str | None]) -> dict[str, str]:
    """Returns field to column, for the fields that are there."""
    known = list(table)
    for field in columns:
        check_choice("columns", field, _FIELDS)
    chosen = {}
    for field in _FIELDS:
        column = columns.get(field, field)
        if column in known:
            chosen[field] = str(column)
        elif column is not None and (field in columns or field in _REQUIRED):
            raise ValueError(
                f"{name} has no column {column!r}. Found: {', '.join(known)}. "
                f"Pass columns={{{field!r}: ...}} with the name of the column that holds it."
            )
    if "path" not in chosen:
        raise ValueError("columns must name the column that holds the path.")
    return chosen


def _records(
    name: str, table: Mapping[str, Sequence[Any]], chosen: Mapping[str, str], extra_columns: Sequence[str]
) -> list[Record]:
    columns = {field: table[column] for field, column in chosen.items()}
    count = len(columns["path"])
    empty = [None] * count
    labels = [_text(value) or "" for value in columns["label"]] if "label" in columns else empty
    splits = [_text(value) for value in columns.get("split", empty)]
    if None in splits and any(splits):
        raise ValueError(
            f"{name}, row {splits.index(None) + 1}: the split is empty. Fill it in every row, or in none, and images "
            "are split by ratios."
        )
    return [
        Record(_text(path) or "", label, split, _text(group), weight, extra)
        for path, label, split, group, weight, extra in zip(
            columns["path"],
            labels,
            [split and split_named(split, f"{name}, row {row}") for row, split in enumerate(splits, 1)],
            columns.get("group", empty),
            [_weight(value, f"{name}, row {row}") for row, value in enumerate(columns.get("weight", empty), 1)],
            _extra(name, table, extra_columns) if extra_columns else [()] * count,
            strict=True,
        )
    ]


def _extra(
    name: str, table: Mapping[str, Sequence[Any]], extra_columns: Sequence[str]
) -> list[tuple[tuple[str, str], ...]]:
    """Returns pairs (column, text) for each row, without the empty ones."""
    for column in extra_columns:
        check_choice(f"extra_columns of {name}", column, table)
    rows = zip(*(map(_text, table[column]) for column in extra_columns), strict=True)
    return [tuple((column, text) for column, text in zip(extra_columns, row, strict=True) if text) for row in rows]


def _text(value: Any) -> str | None:
    """Returns a cell as text; None where it is empty, as pandas, Parquet and CSV each say it in their own way."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)  # pandas turns a column of integers with a gap into floats
    text = str(value)
    return None if text in _EMPTY else text


def _weight(value: Any, where: str) -> float | None:
    text = _text(value)
    if text is None:
        return None
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"{where}: the weight must be a number that is not negative. Received: {value!r}.")
    return weight


def _common_folder(name: str, records: Iterable[Record]) -> str:
    paths = [record.path for record in records if record.path]
    relative = next((path for path in paths if not os.path.isabs(path)), None)
    if relative is not None or not paths:
        raise ValueError(f"{name} holds relative paths ({relative!r}). Pass directory=, the folder they begin in.")
    return os.path.commonpath([os.path.dirname(path) for path in paths])


def _relative(record: Record, directory: str) -> Record:
    """Returns the record with a plain path, relative to `directory` where it lies below it."""
    if not record.path:
        return record
    path = os.path.normpath(record.path)
    start = os.path.join(os.path.abspath(directory), "")
    return dataclasses.replace(record, path=path.removeprefix(start))


def _files(source: ImageSource, records: Iterable[Record]) -> list[ScannedFile]:
    return [file._replace(path=printable(file.path)) for file in source.find(record.path for record in records)]


def _problems(records: Sequence[Record]) -> list[str]:
    """Says what is wrong with each row, whatever its file is like."""
    labels: dict[str, set[str | None]] = {}
    for record in records:
        labels.setdefault(record.path, set()).add(record.label)
    seen: set[str] = set()
    problems = []
    for record in records:
        conflict = "listed with two labels" if len(labels[record.path]) > 1 else ""
        again = "listed twice" if record.path in seen else ""
        seen.add(record.path)
        missing = "no label" if record.label == "" else ""
        problems.append("no path" if not record.path else missing or conflict or again)
    return problems
