"""From a table of images to `tf.data` datasets: what all functions that make image datasets share."""

import hashlib
import os
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from keras_ext.choices import check_choice
from keras_ext.datasets.image_cache import ImageCache, file_cache, memory_cache
from keras_ext.datasets.image_dataset import ImageDataset, ImageFiles
from keras_ext.datasets.image_reader import ImageReader
from keras_ext.datasets.image_subsets import SubsetChoice, subset_positions
from keras_ext.datasets.image_table import ImageTable
from keras_ext.datasets.python_reads import read_batches
from keras_ext.image_listing import listed
from keras_ext.layers import DecodeImage

MEMORY = "memory"
_LABEL_MODES = ("int", "categorical", "binary")
_DTYPES = ("float32", "uint8")
_DATA_FORMATS = ("channels_last", "channels_first")
_SPOKEN = {"train": "training", "eval": "validation"}
_DECODED_TOGETHER = 32  # where no batches were asked for
_Images: TypeAlias = ImageReader | ImageCache


@dataclass(frozen=True)
class ElementOptions:
    """What an element of a dataset is; see `image_dataset_from_directory`."""

    label_mode: str | None
    batch_size: int | None
    data_format: str | None
    dtype: str
    with_file_names: bool
    cache: str | os.PathLike[str] | None

    def __post_init__(self) -> None:
        if self.label_mode is not None:
            check_choice("label_mode", self.label_mode, _LABEL_MODES)
        check_choice("dtype", self.dtype, _DTYPES)
        if self.data_format is not None:
            check_choice("data_format", self.data_format, _DATA_FORMATS)
        size = self.batch_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1):
            raise ValueError(
                f"batch_size must be a positive integer, or None for single images. Received: batch_size={size!r}."
            )


def image_decoder(image_size: Sequence[int] | int, color_mode: str, interpolation: str, **more: Any) -> DecodeImage:
    """Returns the layer that decodes and resizes, checked in the terms of Keras's function."""
    sides = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side > 0 for side in sides):
        raise ValueError(
            f"image_size must be two positive integers (height, width), in pixels. Received: image_size={image_size!r}."
        )
    return DecodeImage(*sides, color_mode=color_mode, interpolation=interpolation.lower(), **more)


def image_datasets(
    table: ImageTable, choice: SubsetChoice, decode: DecodeImage, options: ElementOptions, verbose: bool
) -> Any:
    """Returns one dataset, or a list of two for `subset="both"`."""
    if options.label_mode == "binary" and table.class_names is not None and len(table.class_names) != 2:
        raise ValueError(f"label_mode='binary' needs exactly two classes. Found: {listed(table.class_names)}.")
    subsets = subset_positions(table.records, table.index.source, choice)
    if verbose:
        _print_counts(table, choice, subsets)
    _warn_of_absent_classes(table, choice, subsets)
    images = _images(table, decode, options, np.concatenate(subsets))
    # Images that a model is judged by stay in the order of `file_paths`.
    orders = [choice.shuffle and split in ("", "train") for split in choice.splits or ("",)]
    seed = random.randrange(1 << 31) if choice.seed is None else choice.seed  # noqa: S311 - nothing is secret
    datasets = [
        _dataset(table, positions, seed if shuffled else None, images, options)
        for positions, shuffled in zip(subsets, orders, strict=True)
    ]
    return datasets if len(datasets) > 1 else datasets[0]


def _print_counts(table: ImageTable, choice: SubsetChoice, subsets: Sequence[np.ndarray]) -> None:
    classes = "" if table.class_names is None else f" belonging to {len(table.class_names)} classes"
    print(f"Found {len(table.records)} files{classes}.")
    for split, positions in zip(choice.splits, subsets, strict=False):
        print(f"Using {len(positions)} files for {_SPOKEN.get(split, split)}.")


def _warn_of_absent_classes(table: ImageTable, choice: SubsetChoice, subsets: Sequence[np.ndarray]) -> None:
    for split, positions in zip(choice.splits, subsets, strict=False):
        if table.labels is None or table.class_names is None or split in table.index.given_splits:
            continue
        present = set(table.labels[positions].tolist())
        absent = [name for index, name in enumerate(table.class_names) if index not in present]
        if absent:
            warnings.warn(f"Classes without an image in {split}: {listed(absent)}.", stacklevel=2)


def _images(table: ImageTable, decode: DecodeImage, options: ElementOptions, positions: np.ndarray) -> _Images:
    """Returns what reads the images at these positions for all datasets."""
    paths = table.paths
    if options.cache is None:
        return ImageReader(table.index.source, paths, decode, tf.as_dtype(options.dtype))
    reader = ImageReader(table.index.source, paths, decode)
    if options.cache == MEMORY:
        return memory_cache(reader, np.sort(positions), len(paths))
    return file_cache(os.fspath(options.cache), _settings(table, decode), reader, len(paths))


def _settings(table: ImageTable, decode: DecodeImage) -> dict[str, Any]:
    """What decoded pixels depend on."""
    config = {name: value for name, value in decode.get_config().items() if name not in ("name", "trainable", "dtype")}
    order = hashlib.sha256("\0".join(table.paths).encode()).hexdigest()
    return {**config, "files": table.index.fingerprint, "order": order, "tensorflow": tf.__version__}


def _dataset(
    table: ImageTable, positions: np.ndarray, seed: int | None, images: _Images, options: ElementOptions
) -> ImageDataset:
    """Returns the dataset of the images at some positions, reshuffled in each epoch if there is a seed."""
    usable = positions
    if isinstance(images, ImageCache):
        usable = positions[images.rows[positions] >= 0]
    _check_any(len(usable), images, positions)

    def read(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, kept = images.read(wanted)
        if not len(kept):
            _check_any(sum(position not in images.rejected for position in positions), images, positions)
        return found, kept

    with tf.device("CPU"):
        epoch = tf.Variable(-1, trainable=False, dtype=tf.int64, name="epoch")
    size = options.batch_size or _DECODED_TOGETHER
    batches = read_batches(read, images.spec, _each_epoch(usable, size, seed, epoch))
    batches = batches.filter(lambda _, kept: tf.size(kept) > 0).map(_elements(table, options))
    counted = tf.data.Dataset.range(len(usable))
    files = ImageFiles(
        class_names=table.class_names,
        file_paths=[os.path.join(table.index.directory, table.records[position].path) for position in positions],
        labels=None if table.labels is None else table.labels[positions],
        epoch=epoch,
        find_rejected=lambda: [*table.index.rejected, *_rejected(table, images, positions)],
    )
    if options.batch_size is None:
        return ImageDataset(batches.unbatch().prefetch(tf.data.AUTOTUNE), files, counted)
    return ImageDataset(batches.prefetch(tf.data.AUTOTUNE), files, counted.batch(size))


def _check_any(left: int, images: _Images, positions: np.ndarray) -> None:
    if not left:
        reasons = listed(sorted(set(images.rejected.values())))
        raise ValueError(f"None of the {len(positions)} image files can be decoded: {reasons}.")


def _rejected(table: ImageTable, images: _Images, positions: np.ndarray) -> list[tuple[str, str]]:
    reasons = images.rejected
    return sorted((table.records[position].path, reasons[position]) for position in positions if position in reasons)


def _each_epoch(positions: np.ndarray, batch_size: int, seed: int | None, epoch: tf.Variable) -> tf.data.Dataset:
    """Returns batches of the positions in the order of an epoch, whose number each iteration counts up."""

    def of_one_epoch(_: tf.Tensor) -> tf.data.Dataset:
        number = epoch.assign_add(1)
        ordered = positions
        if seed is not None:
            seeds = tf.stack([tf.constant(seed, tf.int64), number])
            ordered = tf.random.experimental.stateless_shuffle(positions, seeds)
        return tf.data.Dataset.from_tensor_slices(ordered).batch(batch_size)

    return tf.data.Dataset.from_tensors(0).flat_map(of_one_epoch)


def _elements(table: ImageTable, options: ElementOptions) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    """Returns what makes an element of images and their positions."""
    labels = None if options.label_mode is None else table.labels
    columns: list[Any] = [tf.constant(column) for column in (labels, table.weights) if column is not None]
    names = tf.constant(table.paths) if options.with_file_names else None
    channels_first = (options.data_format or keras.config.image_data_format()) == "channels_first"

    def element(images: tf.Tensor, positions: tf.Tensor) -> Any:
        images = tf.cast(images, options.dtype)
        parts = [tf.transpose(images, (0, 3, 1, 2)) if channels_first else images]
        parts += [tf.gather(column, positions) for column in columns]
        if labels is not None:
            parts[1] = _encoded(parts[1], options.label_mode, len(table.class_names or ()))
        if names is not None:
            parts = [tf.gather(names, positions), *parts]
        return tuple(parts) if len(parts) > 1 else parts[0]

    return element


def _encoded(labels: tf.Tensor, label_mode: str | None, num_classes: int) -> tf.Tensor:
    if label_mode == "categorical":
        return tf.one_hot(labels, num_classes)
    return tf.cast(labels[:, tf.newaxis], tf.float32) if label_mode == "binary" else labels
