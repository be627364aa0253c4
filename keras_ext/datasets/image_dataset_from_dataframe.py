"""A table of image files to a `tf.data` dataset."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_ext.choices import check_choice
from keras_ext.datasets.image_pipeline import ElementOptions, image_datasets, image_decoder
from keras_ext.datasets.image_subsets import SubsetChoice
from keras_ext.datasets.image_table import ImageTable
from keras_ext.directory_index import DirectoryIndex
from keras_ext.image_listing import printable
from keras_ext.manifest import read_manifest

_ARGUMENTS = {"path": "x_col", "label": "y_col", "split": "split_col", "group": "group_col", "weight": "weight_col"}


def image_dataset_from_dataframe(  # noqa: PLR0913 - the arguments of Keras's functions
    dataframe: Any,
    directory: str | os.PathLike[str] | None = None,
    x_col: str = "filename",
    y_col: str | None = "class",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Sequence[int] | int = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
    *,
    weight_col: str | None = None,
    split_col: str | None = None,
    group_col: str | None = None,
    split_strategy: str | None = None,
    with_file_names: bool = False,
    cache: str | os.PathLike[str] | None = None,
    dtype: str = "float32",
    exif_orientation: bool = True,
) -> Any:
    """Returns batches of the images that a table names: `image_dataset_from_directory` for a DataFrame or a file.

    A row whose file is missing or whose label is empty is left out and listed in `dataset.rejected`, as is a file that
    cannot be decoded. Without shuffling, the images are in the order of the rows.

    Args:
      dataframe: A pandas DataFrame, a mapping of column names to sequences, or the path of a `.csv`, `.jsonl` or
        `.parquet` file.
      directory: What the paths are relative to; by default the folder of the file. A table needs it, or absolute paths.
      x_col: The column of the paths.
      y_col: The column of the class names; None for images without labels.
      label_mode: See `image_dataset_from_directory`, as for all arguments that are not explained here.
      class_names: The classes to use, in the order of their index; by default all, sorted as text.
      color_mode: The same.
      batch_size: The same.
      image_size: The same.
      shuffle: The same.
      seed: The same.
      validation_split: The same.
      subset: The same; `split_col` gives splits as folders do.
      interpolation: The same.
      crop_to_aspect_ratio: The same.
      pad_to_aspect_ratio: The same.
      data_format: The same.
      verbose: The same.
      weight_col: The column of the sample weights; elements are then `(images, labels, weights)`.
      split_col: The column of the splits: `train`, `val` (or `eval`, `valid`, `validation`), `test`.
      group_col: The column of what must stay in one subset.
      split_strategy: The same; `"group"` by default with `group_col`.
      with_file_names: The same.
      cache: The same.
      dtype: The same.
      exif_orientation: The same.

    Returns:
      See `image_dataset_from_directory`.

    Raises:
      ValueError: A column is missing, labels are of mixed types, a weight is no number, no file can be used, or what
        `image_dataset_from_directory` refuses.

    Example:

    >>> train, validation = image_dataset_from_dataframe(
    ...     "photos.csv", x_col="file", y_col="animal", group_col="camera", validation_split=0.2, subset="both"
    ... )
    """
    choice = SubsetChoice(
        validation_split, subset, split_strategy or ("group" if group_col else "keras"), shuffle, seed
    )
    label_mode = None if y_col is None else label_mode
    options = ElementOptions(label_mode, batch_size, data_format, dtype, with_file_names, cache)
    decode = image_decoder(
        image_size,
        color_mode,
        interpolation,
        crop_to_aspect_ratio=crop_to_aspect_ratio,
        pad_to_aspect_ratio=pad_to_aspect_ratio,
        exif_orientation=exif_orientation,
    )
    columns = {"path": x_col, "label": y_col, "split": split_col, "group": group_col, "weight": weight_col}
    _check_table(dataframe, columns)
    index = DirectoryIndex.from_manifest(dataframe, directory, columns=columns, classes=class_names)
    table = ImageTable.of(index, rows=_rows(dataframe, columns, index.directory))
    return image_datasets(table, choice, decode, options, verbose)


def _check_table(dataframe: Any, columns: Mapping[str, str | None]) -> None:
    """Says in the terms of this function what is wrong with a table in memory."""
    if not hasattr(dataframe, "keys"):
        return
    for field, column in columns.items():
        if column is not None:
            check_choice(_ARGUMENTS[field], column, map(str, dataframe.keys()))
    if columns["label"] is None:
        return
    labels = [label for label in dataframe[columns["label"]] if label is not None and label == label]  # noqa: PLR0124
    kinds = {"text" if isinstance(label, str) else type(label).__name__: label for label in labels}
    if len(kinds) > 1 or {"list", "tuple", "ndarray"} & set(kinds):
        found = ", ".join(f"{kind} such as {label!r}" for kind, label in sorted(kinds.items()))
        raise ValueError(
            f"y_col must name a column of class names, one for each row and all of one type. "
            f"Received: y_col={columns['label']!r} with {found}. Convert them, as with dataframe[y_col].astype(str)."
        )


def _rows(dataframe: Any, columns: Mapping[str, str | None], directory: str) -> dict[str, int]:
    """Returns path, as the index has it, to row: an index is sorted."""
    start = os.path.join(os.path.abspath(directory), "")
    paths = [os.path.normpath(record.path) for record in read_manifest(dataframe, columns).records]
    return {printable(path.removeprefix(start)): row for row, path in enumerate(paths)}
