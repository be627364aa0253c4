"""Batches of augmented images, in an order and with draws that the seed alone decides."""

import abc
import functools
import math
import secrets
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ext.choices import check_choice
from keras_ext.generators.image_processing import ImageProcessing
from keras_ext.generators.random_transform import RandomTransform, draw_number
from keras_ext.generators.saved_images import SavedImages

SUBSETS = ("training", "validation")

_AHEAD = 2  # batches


@dataclass(frozen=True)
class FlowOptions:
    """What all three kinds of flow take.

    Attributes:
      batch_size: Images in a batch; the last one of an epoch holds what is left.
      shuffle: Whether each epoch has an order of its own.
      seed: An integer that decides order and augmentation, or None.
      subset: `"training"`, `"validation"`, which is not augmented, or None for all.
      save: Where images are saved, if anywhere.
    """

    batch_size: int
    shuffle: bool
    seed: int | None
    subset: str | None
    save: SavedImages | None

    def __post_init__(self) -> None:
        if (
            isinstance(self.batch_size, bool)
            or not isinstance(self.batch_size, int | np.integer)
            or self.batch_size < 1
        ):
            raise ValueError(f"batch_size must be a positive integer. Received: batch_size={self.batch_size!r}.")
        if self.seed is not None and not isinstance(self.seed, int | np.integer):
            raise TypeError(f"seed must be an integer or None. Received: seed={self.seed!r}.")
        if self.subset is not None:
            check_choice("subset", self.subset, SUBSETS)


class Draw(NamedTuple):
    """What decides how a batch looks: its position, its epoch, and how often it was asked for there before."""

    epoch: int
    batch: int
    visit: int


class Images(NamedTuple):
    """Images of a batch that could be read, at which positions of the data, why there are not more, and their draw."""

    images: np.ndarray
    positions: np.ndarray
    problems: Mapping[int, str] = {}
    number: int = 0


class ImageIterator(keras.utils.PyDataset, abc.ABC):
    """Batches for `model.fit`, `evaluate` and `predict`, by index, or one after another without end.

    A batch is a function of the seed, the epoch, its index, and how often it was asked for in that epoch: it does not
    depend on threads, and NumPy's global generator stays untouched. An image's draw belongs to its position in the
    data, so that two iterators with one seed, over images and masks for example, stay paired.

    Where the model has several inputs or outputs, `next` returns lists, as ever, and indexing tuples, as `fit` wants.

    Attributes:
      batch_index: Index of the batch that `next` will return.
      total_batches_seen: How many batches were handed out.
    """

    def __init__(self, generator: ImageProcessing, total: int, options: FlowOptions) -> None:
        super().__init__()
        if not total:
            raise ValueError(
                f"There must be at least one image. Received: none, with subset={options.subset!r} and "
                f"validation_split={generator.validation_split}. Pass another validation_split, or more images."
            )
        self.image_data_generator = generator
        self.data_format = generator.data_format
        self.dtype = generator.dtype
        self.batch_size = int(options.batch_size)
        self.shuffle = options.shuffle
        self.seed = options.seed
        self.subset = options.subset
        self.batch_index = 0
        self.total_batches_seen = 0
        self._total = total
        self._save = options.save
        # Any integer is a seed; NumPy takes none below zero.
        self._root = secrets.randbits(62) if options.seed is None else int(options.seed) % (1 << 62)
        self._lock = threading.RLock()
        self._epoch = 0
        self._order = self._order_of(0)
        self._visits: Counter[int] = Counter()
        self._last = -1
        self._ahead: dict[Draw, Future[Any]] = {}
        self._unreadable: dict[int, str] = {}

    @property
    def n(self) -> int:
        """How many images there are."""
        return self._total

    @property
    def index_array(self) -> np.ndarray:
        """The order of this epoch."""
        return self._order

    @property
    def use_multiprocessing(self) -> bool:
        """False: batches are made by threads, which do not block each other."""
        return False

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        if value:
            warnings.warn("use_multiprocessing is not needed: batches are made by threads. Set workers.", stacklevel=2)

    def __len__(self) -> int:
        return math.ceil(self._total / self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise ValueError(f"index must be one of {len(self)} batches, from 0. Received: index={index}.")
        return _as_keras_takes_it(self._finished(self._images_at(index % len(self))()))

    def __iter__(self) -> "ImageIterator":
        return self

    def __next__(self) -> Any:
        with self._lock:
            if self.batch_index == 0 and self._visits:
                self._start_epoch()
            images = self._images_at(self.batch_index)
            self.batch_index = (self.batch_index + 1) % len(self)
        return self._finished(images())

    def next(self) -> Any:
        """Returns the next batch; there is always one."""
        return next(self)

    def reset(self) -> None:
        """Starts again: the next batch is the first of an epoch."""
        with self._lock:
            self.batch_index = 0

    def on_epoch_end(self) -> None:
        """Starts another epoch, with another order and other draws."""
        with self._lock:
            self._start_epoch()

    @abc.abstractmethod
    def _read(self, positions: np.ndarray) -> Images:
        """Returns the images at these positions of the data, neither augmented nor standardized."""

    @abc.abstractmethod
    def _color_range(self, images: np.ndarray) -> tuple[float, float]:
        """Returns the values of black and white in these images."""

    @abc.abstractmethod
    def _batch(self, images: np.ndarray, positions: np.ndarray) -> Any:
        """Returns what the model is given: the images alone, or with labels and weights."""

    def _note(self, problems: Mapping[int, str], announce: bool = True) -> None:
        """Remembers what could not be read, and warns of it."""

    def _images_at(self, index: int) -> Callable[[], Any]:
        """Decides under the lock which images they are; what is returned then makes them, or waits for them."""
        with self._lock:
            draw, positions = self._draw(index), self._positions(index)
            self._visits[index] += 1
            self.total_batches_seen += 1
            made = self._ahead.pop(draw, None)
            if index and index == self._last + 1:
                self._read_ahead(index + 1)
            self._last = index
        return functools.partial(self._made, self._number(draw), positions) if made is None else made.result

    def _start_epoch(self) -> None:
        self._epoch += 1
        self._order = self._order_of(self._epoch)
        self._visits.clear()
        self._last = -1
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()

    def _order_of(self, epoch: int) -> np.ndarray:
        positions = np.arange(self._total)
        return np.random.default_rng((self._root, epoch)).permutation(positions) if self.shuffle else positions

    def _positions(self, index: int) -> np.ndarray:
        return self._order[index * self.batch_size : (index + 1) * self.batch_size]

    def _candidates(self, positions: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the positions of a batch, then single ones after it, which take its place if none can be read."""
        yield positions
        start = int(np.flatnonzero(self._order == positions[-1])[0]) + 1
        yield from np.roll(self._order, -start)[:, np.newaxis]

    def _draw(self, index: int) -> Draw:
        return Draw(self._epoch, index, self._visits[index])

    def _number(self, draw: Draw) -> int:
        return draw_number(self._root, draw.epoch, draw.visit)

    def _read_ahead(self, start: int) -> None:
        for index in range(start, min(start + _AHEAD, len(self))):
            draw = self._draw(index)
            if draw not in self._ahead:
                self._ahead[draw] = _threads().submit(self._made, self._number(draw), self._positions(index))

    def _made(self, number: int, positions: np.ndarray) -> Any:
        images, positions, problems, _ = self._read(positions)
        if self._augments and len(images) and not self.image_data_generator.transforms_by_itself:
            layer = self.image_data_generator.random_transform_layer(self._color_range(images))
            if not layer.is_identity:
                images = _augmented(layer, images, positions, number, min(self.batch_size, self._total))
        return Images(images, positions, problems, number)

    @property
    def _augments(self) -> bool:
        return self.subset != "validation"

    def _finished(self, made: Any) -> Any:
        self._note(made.problems)
        return self._batch(self._standardized(made), made.positions)

    def _standardized(self, made: Images) -> np.ndarray:
        # Here, where the batch is asked for, a user's functions are called in order.
        images = made.images
        if self._augments and self.image_data_generator.transforms_by_itself:
            seeds = [draw_number(made.number, position) for position in made.positions.tolist()]
            images = self.image_data_generator.transformed_one_by_one(images, seeds)
        images = self.image_data_generator.finished(images)
        if self._save is not None:
            self._save(images, made.positions, self.data_format)
        return images


def _as_keras_takes_it(batch: Any) -> Any:
    """Returns a batch in tuples: `fit` refuses the lists that several inputs or outputs have always come in."""
    if isinstance(batch, list):
        return (tuple(batch),)
    if isinstance(batch, tuple):
        return tuple(tuple(part) if isinstance(part, list) else part for part in batch)
    return batch


def _augmented(
    layer: RandomTransform, images: np.ndarray, positions: np.ndarray, number: int, batch_size: int
) -> np.ndarray:
    """Augments a batch; a smaller one is filled up, since every size would be compiled for itself."""
    count, missing = len(images), batch_size - len(images)
    if missing:
        images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        positions = np.concatenate([positions, np.zeros(missing, positions.dtype)])
    with tf.device("CPU:0"):
        keys, epoch = tf.constant(positions, tf.int64), tf.constant(number, tf.int64)
        augmented = _program(layer)(tf.constant(images), keys=keys, epoch=epoch)
    return np.asarray(memoryview(augmented))[:count]


@functools.lru_cache(maxsize=64)
def _program(layer: RandomTransform) -> Callable[..., tf.Tensor]:
    # Kept here, since a `tf.function` that lives until the interpreter ends complains about it.
    return tf.function(functools.partial(layer.__call__, training=True), autograph=False)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AHEAD, thread_name_prefix="read_ahead")


def one_hot(classes: Sequence[int | Sequence[int]], num_classes: int, dtype: str) -> np.ndarray:
    """Returns labels `(batch, num_classes)`; several classes of one image are all 1."""
    labels = np.zeros((len(classes), num_classes), dtype)
    for row, own in zip(labels, classes, strict=True):
        row[own] = 1
    return labels
