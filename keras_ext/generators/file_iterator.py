"""Batches of images that are read from files while they are wanted."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ext.generators.image_files import ImageFiles
from keras_ext.generators.image_iterator import FlowOptions, ImageIterator, Images, one_hot
from keras_ext.generators.image_processing import ImageProcessing


class FileIterator(ImageIterator):
    """What the iterators over folders and data frames share.

    A file that cannot be read is left out of its batch, with a warning, and from then on out of `samples`, `filenames`
    and what else has an entry for each image, so that these stay aligned with what `predict` returns. A batch without
    any image left is empty where there are no labels; otherwise it holds the next image that can be read, since a loss
    over nothing is not a number, and without shuffling that image has another entry there.

    Attributes:
      directory: What `filenames` are relative to.
      class_mode: How labels are given.
      class_indices: Class name to index.
      image_shape: Of one image, in the order of the data format.
      rejected: Pairs (file name, reason) of files that are left out.
    """

    def __init__(
        self,
        generator: ImageProcessing,
        directory: str,
        filenames: Sequence[str],
        files: ImageFiles,
        class_mode: str | None,
        options: FlowOptions,
        rejected: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.directory = directory
        self.class_mode = class_mode
        self.rejected = list(rejected)
        self.target_size, self.color_mode = files.target_size, files.color_mode
        self.interpolation, self.keep_aspect_ratio = files.interpolation, files.keep_aspect_ratio
        self.image_shape = generator.in_data_format(files.image_shape)
        self._files = files
        self._filenames = list(filenames)
        self._paths = [os.path.join(directory, name) for name in self._filenames]
        super().__init__(generator, len(self._filenames), options)

    @property
    def n(self) -> int:
        return len(self._entries()) if self._unreadable else self._total

    @property
    def samples(self) -> int:
        """How many images there are."""
        return self.n

    @property
    def filenames(self) -> list[str]:
        """Names of the files, relative to `directory`."""
        return self._kept(self._filenames)

    @property
    def filepaths(self) -> list[str]:
        """Paths of the files."""
        return self._kept(self._paths)

    @property
    def index_array(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.n)
        kept = np.ones(self._total, bool)
        kept[list(self._unreadable)] = False
        place = np.cumsum(kept) - 1
        return place[self._order[kept[self._order]]]

    def _kept(self, values: Any) -> Any:
        """Returns the entries, a list or an array, of the images that can be read as far as is known."""
        if not self._unreadable:
            return values
        entries = self._entries()
        return values[entries] if isinstance(values, np.ndarray) else [values[position] for position in entries]

    def _entries(self) -> list[int]:
        """Returns the positions that batches hold, in an order of their own those that take the place of others too."""
        readable = [position for position in range(self._total) if position not in self._unreadable]
        if self.shuffle or self.class_mode is None:
            return readable
        entries: list[int] = []
        for start in range(0, self._total, self.batch_size):
            stop = min(start + self.batch_size, self._total)
            own = [position for position in range(start, stop) if position not in self._unreadable]
            entries += own or [next((position for position in readable if position >= stop), readable[0])]
        return entries

    def _read(self, positions: np.ndarray) -> Images:
        known, problems = dict(self._unreadable), {}
        for candidates in self._candidates(positions):
            wanted = [position for position in candidates.tolist() if position not in known]
            images, read, reasons = self._files.read([self._paths[position] for position in wanted])
            problems.update({wanted[i]: reason for i, reason in reasons.items()})
            if read or self.class_mode is None:
                break
        if self.data_format == "channels_first":
            images = np.moveaxis(images, -1, 1)
        return Images(images, np.array([wanted[i] for i in read], np.int64), problems)

    def _color_range(self, images: np.ndarray) -> tuple[float, float]:
        return 0.0, 255.0 if images.dtype == np.uint8 else 65535.0

    def _note(self, problems: Mapping[int, str], announce: bool = True) -> None:
        with self._lock:
            news = {position: reason for position, reason in problems.items() if position not in self._unreadable}
            self._unreadable.update(news)
            self.rejected += [(self._filenames[position], reason) for position, reason in news.items()]
        if announce:
            for position, reason in news.items():
                warnings.warn(f"{self._paths[position]} is left out: {reason}.{self._advice}", stacklevel=4)
        if len(self._unreadable) == self._total:
            raise ValueError(_nothing_readable(self._filenames, self._unreadable))

    @property
    def _advice(self) -> str:
        is_one_of_two = self.class_mode is None and self.seed is not None and self.shuffle
        return " If another flow is its pair, join them by PairedIterator." if is_one_of_two else ""

    def _batch(self, images: np.ndarray, positions: np.ndarray) -> Any:
        if self.class_mode is None:
            return images
        weights = self._weights(positions)
        return (images, self._targets(images, positions), *(() if weights is None else (weights,)))

    def _weights(self, positions: np.ndarray) -> np.ndarray | None:
        """Returns the sample weights, if there are any."""
        return None

    def _targets(self, images: np.ndarray, positions: np.ndarray) -> Any:
        """Returns the labels."""
        return images.copy()  # class_mode="input"


def class_targets(class_mode: str | None, classes: Sequence[Any], num_classes: int, dtype: str) -> np.ndarray:
    """Returns the labels of images of these classes: one-hot, or the index of the class as a number of `dtype`."""
    if class_mode == "categorical":
        return one_hot(classes, num_classes, dtype)
    return np.asarray(classes, dtype)


def _nothing_readable(filenames: Sequence[str], problems: Mapping[int, str]) -> str:
    position, reason = next(iter(problems.items()))
    return (
        f"None of the {len(filenames)} image files can be read. The first: {filenames[position]!r}: {reason}. "
        "`.rejected` of the flow lists them all."
    )
