"""A `tf.data` dataset that knows what its images are, also after `map` and the like."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

# What returns a dataset of the same images. `tf.data` gives such datasets none of the attributes of the one before.
_TRANSFORMATIONS = (
    *("apply", "batch", "cache", "enumerate", "filter", "ignore_errors", "map", "padded_batch", "prefetch"),
    *("ragged_batch", "rebatch", "repeat", "shard", "shuffle", "skip", "snapshot", "take", "take_while", "unbatch"),
    *("window", "with_options"),
)
_ELEMENT_BY_ELEMENT = frozenset({"map", "prefetch", "cache", "with_options", "shuffle"})
_COUNTED = frozenset({"batch", "enumerate", "repeat", "shard", "skip", "take"})


@dataclass(frozen=True)
class ImageFiles:
    """The files behind a dataset; see `ImageDataset` for the attributes."""

    class_names: list[str] | None
    file_paths: list[str]
    labels: np.ndarray | None
    epoch: tf.Variable
    find_rejected: Callable[[], list[tuple[str, str]]] = field(repr=False)


class ImageDataset(tf.data.Dataset):
    """A `tf.data.Dataset` of images from files, as `image_dataset_from_directory` returns it.

    It is used like any other dataset. What `map`, `prefetch`, `take` and such make of it has the same attributes; what
    `zip`, `concatenate` or `interleave` make of it has not.

    Each iteration is one epoch. The order of an epoch is a function of the seed and of the number of the epoch alone,
    which counts up from 0 with every iteration (`fit` starts one of its own where it has to build the model), and which
    `set_epoch` sets, as where a training is resumed.

    Attributes:
      class_names: The names of the classes in the order of their index; None without labels.
      file_paths: The files, in the order of the dataset where it is not shuffled.
      labels: The class index of each of these files, an array `(files,)`; None without labels.
      epoch: The number of the latest epoch, a variable; in `map`, layers that draw by key take it.
      rejected: Pairs (path, reason) of the files that cannot be used: those that were not listed as images of this
        input, and those of this dataset that could not be decoded so far.
    """

    def __init__(self, dataset: tf.data.Dataset, files: ImageFiles, counted: tf.data.Dataset | None) -> None:
        self._dataset = dataset
        self._files = files
        self._counted = counted
        super().__init__(dataset._variant_tensor)  # noqa: SLF001 - how every subclass of Dataset is made

    @property
    def element_spec(self) -> Any:
        return self._dataset.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._dataset]

    def cardinality(self) -> tf.Tensor:
        """Returns the number of elements; what cannot be decoded is only left out when it is met.

        `tf.data` counts nothing that goes through a filter. A filter drops here the batches of which nothing can be
        decoded: where there is one, an epoch ends that much earlier.
        """
        return self._dataset.cardinality() if self._counted is None else self._counted.cardinality()

    @property
    def class_names(self) -> list[str] | None:
        return self._files.class_names

    @property
    def file_paths(self) -> list[str]:
        return self._files.file_paths

    @property
    def labels(self) -> np.ndarray | None:
        return self._files.labels

    @property
    def epoch(self) -> tf.Variable:
        return self._files.epoch

    @property
    def rejected(self) -> list[tuple[str, str]]:
        return self._files.find_rejected()

    def set_epoch(self, epoch: int) -> None:
        """Sets the number of the next epoch."""
        self._files.epoch.assign(epoch - 1)

    def _made(self, dataset: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(dataset, tf.data.Dataset) or isinstance(dataset, ImageDataset):
            return dataset
        counted = self._counted
        if counted is not None and name not in _ELEMENT_BY_ELEMENT:
            counted = getattr(counted, name)(*args, **kwargs) if name in _COUNTED else None
        return ImageDataset(dataset, self._files, counted)


def _keeping(name: str) -> Callable[..., Any]:
    method = getattr(tf.data.Dataset, name)

    @functools.wraps(method)
    def transform(self: ImageDataset, *args: Any, **kwargs: Any) -> Any:
        return self._made(method(self, *args, **kwargs), name, *args, **kwargs)

    return transform


for _name in _TRANSFORMATIONS:
    setattr(ImageDataset, _name, _keeping(_name))
