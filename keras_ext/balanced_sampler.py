"""Which images come in an epoch, so that rare classes come more often and no image is left out."""

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ext.choices import check_choice
from keras_ext.labels import check_class_keys, read_labels

SAMPLINGS = ("balanced", "square_root", "repeat_factor")


def repeat_factors(
    counts: Mapping[int, int] | Sequence[int], sampling: str = "balanced", *, threshold: float | None = None
) -> dict[int, float]:
    """Returns `{class index: factor}`: how often each image of a class comes in an epoch, on average; at least once.

    With n images, n_c of class c, n_max of the largest class, the factors are:

    - `"balanced"`: n_max / n_c, so that all classes come equally often;
    - `"square_root"`: √(n_max / n_c), half way to it on a logarithmic scale;
    - `"repeat_factor"`: max(1, √(t / f_c)) with f_c = n_c / n (LVIS; Gupta et al. 2019,
      https://arxiv.org/abs/1908.03195): classes of a share f_c above the threshold t are left as they are.

    Args:
      counts: Number of images for each class index, as `count_labels` returns them, or in a list.
      sampling: One of `SAMPLINGS`.
      threshold: The t of `"repeat_factor"`, a share in (0, 1]; None: 1 / the number of classes.

    Raises:
      ValueError: Counts that are no whole numbers from 1 on, or name not every class; an unknown name; a threshold that
        is no share, or goes with another sampling.

    Example:

    >>> repeat_factors({0: 400, 1: 100}, "square_root")
    {0: 1.0, 1: 2.0}
    """
    check_choice("sampling", sampling, SAMPLINGS)
    if threshold is not None and (sampling != "repeat_factor" or not 0 < threshold <= 1):
        raise ValueError(
            "threshold must be a share in (0, 1], and goes with sampling='repeat_factor'. "
            f"Received: {threshold=}, {sampling=}."
        )
    values = check_class_keys("counts", counts) if isinstance(counts, Mapping) else list(counts)
    if not values or not all(isinstance(count, numbers.Integral) and int(count) > 0 for count in values):
        raise ValueError(
            "counts must be whole numbers from 1 on: no class without images can come more often. "
            f"Received: counts={counts!r}."
        )
    array = np.array(values, np.float64)
    if sampling == "repeat_factor":
        share = 1 / len(array) if threshold is None else threshold
        factors = np.maximum(1.0, np.sqrt(share * array.sum() / array))
    else:
        factors = (array.max() / array) ** (1.0 if sampling == "balanced" else 0.5)
    return dict(enumerate(factors.tolist()))


def epoch_weights(counts: Mapping[int, int] | Sequence[int], sampling: str = "balanced") -> dict[int, float]:
    """Returns `{class index: weight}`: what an image of each class counts in an epoch that `BalancedSampler` draws.

    For the images of validation, which are not drawn: weighed like this, their loss is the one that training lowers;
    unweighted, early stopping would stop for the common classes. The weights are the factors of `repeat_factors`,
    scaled so that the images have a mean weight of 1.

    Args:
      counts: Number of training images for each class index, as in `repeat_factors`.
      sampling: One of `SAMPLINGS`.

    Raises:
      ValueError: As of `repeat_factors`.

    Example:

    >>> epoch_weights({0: 400, 1: 100})
    {0: 0.625, 1: 2.5}
    """
    factors = repeat_factors(counts, sampling)
    images = counts if isinstance(counts, Mapping) else dict(enumerate(counts))
    scale = sum(images.values()) / sum(images[index] * factor for index, factor in factors.items())
    return {index: factor * scale for index, factor in factors.items()}


class BalancedSampler:
    """Draws the images of each epoch: every image at least once, those of rare classes more often.

    A class of n_c images and factor r comes round(r · n_c) times in every epoch: each of its images as often as all
    others or once more, drawn anew in each epoch. What is drawn, and in which order, is a function of the seed and the
    number of the epoch alone. Memory is 8 bytes an image; the images themselves are never held.

    Class weights are not for such an epoch: they would weigh up the rare classes a second time.

    Args:
      labels: Class indices, one-hot or multi-hot rows; see `keras_ext.labels.read_labels`. An image with several
        classes comes as often as its class of the largest factor, one with none comes once.
      sampling: `"balanced"`, `"square_root"` or `"repeat_factor"`, see `repeat_factors`; or factors of your own,
        `{class index: factor}`, for every class, from 1 on.
      seed: Any integer.

    Attributes:
      labels: The labels, as class indices or rows of bools.
      factors: Factor of each class index.
      epoch_length: Number of images in an epoch, the same in all.

    Raises:
      ValueError: No labels; soft labels; a class without images; an unknown name; factors below one.

    Example:

    >>> sampler = BalancedSampler([0, 0, 0, 1], seed=0)
    >>> sampler.epoch_length
    6
    >>> np.bincount(sampler.labels[sampler.indices(epoch=0)])
    array([3, 3])
    """

    def __init__(self, labels: Any, sampling: str | Mapping[int, float] = "balanced", *, seed: int) -> None:
        self.labels = read_labels(labels)
        self.seed = seed
        self.factors = dict(sampling) if isinstance(sampling, Mapping) else self._named_factors(sampling)
        factors = np.array([*check_class_keys("sampling", self.factors), 1.0])
        if not (np.isfinite(factors).all() and factors.min() >= 1):
            raise ValueError(
                f"Factors must be numbers from 1 on, so that no image is left out. Received: sampling={sampling!r}."
            )
        self._groups = self._class_of_each_image(factors)
        sizes = np.bincount(self._groups, minlength=len(factors))
        self._copies = np.rint(factors * sizes).astype(np.int64)  # of each class together
        self._order = np.argsort(self._groups, kind="stable")  # the images, class by class
        self._starts = np.cumsum(sizes) - sizes
        self._sizes = sizes
        self.epoch_length = int(self._copies.sum())

    def steps_per_epoch(self, batch_size: int) -> int:
        """Returns the number of batches in an epoch."""
        return math.ceil(self.epoch_length / batch_size)

    def copies(self, epoch: int) -> np.ndarray:
        """Returns how often each image comes in an epoch: int64 `(images,)`, all from 1 on."""
        return self._drawn_copies(self._generator(epoch))

    def indices(self, epoch: int) -> np.ndarray:
        """Returns the epoch's images in their order: int64 `(epoch_length,)`, positions in the labels."""
        generator = self._generator(epoch)
        return generator.permutation(np.repeat(np.arange(len(self.labels)), self._drawn_copies(generator)))

    def _generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.seed % 2**64, epoch])

    def _drawn_copies(self, generator: np.random.Generator) -> np.ndarray:
        drawn = np.zeros(len(self.labels), np.int64)
        for start, size, copies in zip(self._starts, self._sizes, self._copies, strict=True):
            if size:
                images = self._order[start : start + size]
                drawn[images] = copies // size
                drawn[generator.choice(images, copies % size, replace=False)] += 1
        return drawn

    def _named_factors(self, sampling: str) -> dict[int, float]:
        counts = self.labels.sum(axis=0) if self.labels.ndim == 2 else np.bincount(self.labels)
        return repeat_factors(counts.tolist(), sampling)

    def _class_of_each_image(self, factors: np.ndarray) -> np.ndarray:
        """The class whose factor is the image's; the number of classes for an image that has none."""
        num_factors = len(factors) - 1
        num_classes = self.labels.max() + 1 if self.labels.ndim == 1 else self.labels.shape[1]
        if num_classes > num_factors:
            raise ValueError(
                f"sampling must have a factor for each class. Received: {num_factors} factors, and class "
                f"{num_classes - 1} among the labels."
            )
        if self.labels.ndim == 1:
            return self.labels
        having = np.where(self.labels, factors[:num_classes], 0.0)
        return np.where(self.labels.any(axis=1), having.argmax(axis=1), num_factors)
