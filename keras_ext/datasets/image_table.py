"""The images of an input as columns, in the order in which Keras lists them."""

import posixpath
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.image_listing import listed


@dataclass(frozen=True)
class ImageTable:
    """The images of an input; what is made of it names an image by its position.

    Attributes:
      index: Where they come from.
      records: What is known of each.
      labels: Class indices int32 `(images,)`, or None.
      class_names: The names of the classes, or None without labels.
      weights: Sample weights float32 `(images,)`, or None.
    """

    index: DirectoryIndex
    records: Sequence[Record]
    labels: np.ndarray | None
    class_names: list[str] | None
    weights: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        index: DirectoryIndex,
        group_of: Callable[[str], str] | None = None,
        rows: Mapping[str, int] | None = None,
    ) -> "ImageTable":
        """Orders the images, by class and path or by their rows, and warns of what is left out.

        Args:
          index: The images.
          group_of: See `image_dataset_from_directory`.
          rows: Path to the position of its row, if there are rows.

        Raises:
          ValueError: There are none.
        """
        first = listed((f"{path} ({reason})" for path, reason in index.rejected), limit=3)
        if not index.records:
            raise ValueError(f"No image can be used: {len(index.rejected)} were found, and rejected: {first}.")
        if index.rejected:
            warnings.warn(f"{len(index.rejected)} of {index.found} files cannot be used: {first}.", stacklevel=2)
        for warning in index.warnings:
            warnings.warn(warning, stacklevel=2)
        indices = {name: position for position, name in enumerate(index.class_names)}

        def place(record: Record) -> tuple[int, str, str]:
            first = indices.get(record.label or "", 0) if rows is None else rows[record.path]
            return first, *posixpath.split(record.path)

        records = sorted(index.records, key=place)
        if group_of is not None:
            records = [replace(record, group=str(group_of(record.path))) for record in records]
        labelled = bool(index.class_names)
        return cls(
            index=index,
            records=records,
            labels=np.array([indices[one.label or ""] for one in records], np.int32) if labelled else None,
            class_names=list(index.class_names) if labelled else None,
            weights=_weights(records),
        )

    def with_labels(self, labels: Sequence[int], label_mode: str | None) -> "ImageTable":
        """Returns the table with a class index for each image."""
        array = self._column("labels", labels)
        if array.dtype.kind not in "iu":
            raise ValueError(f"labels must be integers. Received: labels={listed(map(repr, labels), limit=3)}...")
        names = [str(label) for label in np.unique(array)]
        if label_mode in ("categorical", "binary") and (array.min() < 0 or array.max() >= len(names)):
            raise ValueError(
                f"With label_mode={label_mode!r}, labels must be class indices, 0 to the number of classes - 1. "
                f"Received: {listed(names)}. Number the classes, or use label_mode='int'."
            )
        return replace(self, labels=array.astype(np.int32), class_names=names)

    def with_weights(self, weights: Sequence[float]) -> "ImageTable":
        """Returns the table with a sample weight for each image."""
        array = self._column("sample_weights", weights)
        if array.dtype.kind not in "iuf" or not (np.isfinite(array) & (array >= 0)).all():
            raise ValueError(
                "sample_weights must be finite numbers that are not negative. "
                f"Received: sample_weights={listed(map(repr, weights), limit=3)}..."
            )
        return replace(self, weights=array.astype(np.float32))

    def _column(self, argument: str, values: Any) -> np.ndarray:
        array = np.asarray(values)
        if array.shape != (len(self.records),):
            raise ValueError(
                f"{argument} must have one value for each of the {len(self.records)} images in "
                f"{self.index.directory!r}. Received: shape={array.shape}."
            )
        return array

    @property
    def paths(self) -> list[str]:
        """The paths of the images, relative to the input."""
        return [record.path for record in self.records]


def _weights(records: Sequence[Record]) -> np.ndarray | None:
    if all(record.weight is None for record in records):
        return None
    return np.array([1.0 if record.weight is None else record.weight for record in records], np.float32)
