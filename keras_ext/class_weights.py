"""Counts of classes to class weights, sample weights and weights of positives."""

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ext.choices import check_choice
from keras_ext.labels import check_class_keys, count_labels, read_labels

__all__ = [
    "ABSENT",
    "STRATEGIES",
    "class_weights",
    "count_labels",
    "logit_adjustments",
    "pos_weights",
    "sample_weights",
]

STRATEGIES = ("balanced", "power", "effective_number", "median_frequency")
ABSENT = ("error", "zero", "one", "largest")
_NORMALIZE = ("mean", "sum")


def class_weights(
    counts: Mapping[int, int] | Sequence[int],
    strategy: str = "balanced",
    *,
    power: float | None = None,
    beta: float | None = None,
    normalize: str | None = None,
    max_ratio: float | None = None,
    absent: str = "error",
) -> dict[int, float]:
    """Returns `{class index: weight}` for every class: the rarer a class, the more each of its images weighs.

    With n images of k classes, n_c of class c, a class weighs in proportion to:

    - `"balanced"`: n / (k · n_c), the formula of scikit-learn's `compute_class_weight`;
    - `"power"`: that to the power of `power`: ½ is the inverse square root, 1 is balanced, 0 weighs all alike;
    - `"effective_number"`: (1 - β) / (1 - β^n_c) (Cui et al. 2019, https://arxiv.org/abs/1901.05555);
    - `"median_frequency"`: the median count / n_c (Eigen and Fergus 2015, https://arxiv.org/abs/1411.4734).

    β = (N - 1) / N, where N is the number of images beyond which more of a class teach little. With a fixed β, β^n_c
    goes to zero for every class as the data grows: the weights flatten. β=None takes N = n / k, the mean count of the
    classes that are present, so that N grows with the data and the weights depend, but for a term in 1 / N, on the
    classes' shares alone: classes far above the mean weigh all alike, those far below as in `"balanced"`.

    Args:
      counts: Number of training images for each class index, as `count_labels` returns them, or in a list.
      strategy: One of `STRATEGIES`.
      power: Exponent of `"power"`, from 0 on; None is ½.
      beta: β of `"effective_number"`, in [0, 1), or None.
      normalize: `"mean"`: the mean weight of an image is 1, so that the loss keeps its size; `"sum"`: the weights sum
        to the number of classes, as in Cui et al. None: `"mean"`, except that of `"median_frequency"` the weights stay
        as the formula has them, 1 for the median count: with a mean of 1 they would be those of `"balanced"`.
      max_ratio: The most that the largest weight may be of the smallest, from 1 on, or None. Larger weights are cut,
        then all are normalized.
      absent: What a class without images weighs: `"zero"`, `"one"`, or `"largest"`, as much as the rarest class that is
        present; `"error"` raises. Absent classes take no part in what is above, k included.

    Raises:
      ValueError: No or one class; counts that are negative, no whole numbers, or name not every class; a class without
        images under `absent="error"`; an unknown name; a parameter of another strategy.

    Example:

    >>> class_weights({0: 30, 1: 10})
    {0: 0.6666666666666666, 1: 2.0}
    """
    all_counts = _checked_counts(counts)
    _check_parameters(strategy, power, beta, normalize, max_ratio, absent)
    is_present = all_counts > 0
    _check_present(is_present, absent)
    present = all_counts[is_present].astype(np.float64)
    weights = _unscaled(present, strategy, power, beta)
    if max_ratio is not None:
        weights = np.minimum(weights, weights.min() * max_ratio)
    if normalize == "sum":
        weights *= len(present) / weights.sum()
    elif normalize == "mean" or strategy != "median_frequency":
        weights *= present.sum() / (present * weights).sum()
    of_absent = {"error": math.nan, "zero": 0.0, "one": 1.0, "largest": weights.max()}[absent]
    every = np.full(len(all_counts), of_absent)
    every[is_present] = weights
    return dict(enumerate(every.tolist()))


def sample_weights(
    labels: Any, weights: Mapping[int, float], *, class_names: Sequence[str] | None = None
) -> np.ndarray:
    """Returns the weight of each image, float64 `(images,)`, as `fit(sample_weight=...)` takes it.

    Args:
      labels: Class indices, strings, one-hot or multi-hot rows; see `keras_ext.labels.read_labels`. An image with
        several classes has their mean weight, one with none weighs 1.
      weights: Class index to weight, for every class, as `class_weights` returns them.
      class_names: The name of each class, in the order of the class indices. Strings need it.

    Raises:
      ValueError: A class without a weight; and whatever `count_labels` raises.

    Example:

    >>> sample_weights([0, 0, 0, 1], {0: 0.5, 1: 2.0})
    array([0.5, 0.5, 0.5, 2. ])
    """
    table = np.array(check_class_keys("weights", weights), np.float64)
    known = read_labels(labels, len(table), class_names)
    if known.ndim == 1:
        return table[known]
    classes = known.sum(axis=1)
    return np.where(classes > 0, known @ table / np.maximum(classes, 1), 1.0)


def pos_weights(counts: Mapping[int, int] | Sequence[int], total: int) -> dict[int, float]:
    """Returns `{class index: negatives / positives}` for multi-label training: an image has any number of classes.

    A loss multiplies the terms of the labels that are 1 by it, as `tf.nn.weighted_cross_entropy_with_logits` does with
    `pos_weight`: the images with a class then weigh as much as those without.

    Args:
      counts: Number of images with each class, as `count_labels` returns them for multi-hot labels, or in a list.
      total: Number of images.

    Raises:
      ValueError: Counts that are negative, no whole numbers, or name not every class; a class that none or all of the
        images have, so that nothing can be learned of it.

    Example:

    >>> pos_weights({0: 25, 1: 50}, total=100)
    {0: 3.0, 1: 1.0}
    """
    positives = _checked_counts(counts, least_classes=1)
    useless = [index for index, count in enumerate(positives.tolist()) if not 0 < count < total]
    if useless:
        raise ValueError(
            f"Each class must be in some of the images, and not in all {total}. Received: "
            f"{', '.join(f'{positives[index]} of class {index}' for index in useless)}. Leave these classes out, or "
            "pass total, the number of images."
        )
    return dict(enumerate(((total - positives) / positives).tolist()))


def logit_adjustments(counts: Mapping[int, float] | Sequence[float], tau: float = 1.0) -> np.ndarray:
    """Returns τ · log π of each class's prior π, its share of the training images: float64 `(classes,)`.

    Menon et al. 2021, "Long-tail learning via logit adjustment" (https://arxiv.org/abs/2007.07314): added to the logits
    in training (`LogitAdjustedCrossentropy`), or taken from those of a trained model (`LogitAdjustment`).

    Args:
      counts: Number of images for each class index, as `count_labels` returns them, or in a list; or shares.
      tau: τ, from 0 on.

    Raises:
      ValueError: Fewer than two classes; a count that is not positive; a class index that is missing; `tau` is negative
        or no number.

    Example:

    >>> np.exp(logit_adjustments({0: 30, 1: 10}))
    array([0.75, 0.25])
    """
    if not 0 <= tau < math.inf:
        raise ValueError(f"tau must be a number from 0 on. Received: tau={tau!r}.")
    values = check_class_keys("counts", counts) if isinstance(counts, Mapping) else list(counts)
    if len(values) < 2 or not all(isinstance(count, numbers.Real) and 0 < float(count) < math.inf for count in values):
        raise ValueError(
            "counts must be positive numbers, one for each of at least two classes: a prior of zero has no logarithm. "
            f"Received: counts={counts!r}."
        )
    return float(tau) * np.log(np.array(values, np.float64) / math.fsum(values))


def _checked_counts(counts: Mapping[int, int] | Sequence[int], least_classes: int = 2) -> np.ndarray:
    values = check_class_keys("counts", counts) if isinstance(counts, Mapping) else list(counts)
    for index, count in enumerate(values):
        if isinstance(count, bool | np.bool_) or not isinstance(count, numbers.Integral) or count < 0:
            raise ValueError(f"counts must be whole numbers from 0 on. Received: {count!r} for class {index}.")
    if len(values) < least_classes:
        raise ValueError(f"counts must have at least {least_classes} classes. Received: counts={counts!r}.")
    return np.array(values, np.int64)


def _check_parameters(
    strategy: str, power: float | None, beta: float | None, normalize: str | None, max_ratio: float | None, absent: str
) -> None:
    check_choice("strategy", strategy, STRATEGIES)
    check_choice("absent", absent, ABSENT)
    if normalize is not None:
        check_choice("normalize", normalize, _NORMALIZE)
    if power is not None and (not 0 <= power < math.inf or strategy != "power"):
        raise ValueError(
            f"power must be a number from 0 on, and goes with strategy='power'. Received: {power=}, {strategy=}."
        )
    if beta is not None and (not 0 <= beta < 1 or strategy != "effective_number"):
        raise ValueError(
            f"beta must be a number in [0, 1), and goes with strategy='effective_number'. Received: {beta=}, "
            f"{strategy=}. Pass beta=None to have it chosen from the counts."
        )
    if max_ratio is not None and not 1 <= max_ratio < math.inf:
        raise ValueError(f"max_ratio must be a number from 1 on, or None. Received: {max_ratio=}.")


def _check_present(is_present: np.ndarray, absent: str) -> None:
    if not is_present.any():
        raise ValueError("counts must hold at least one image. Received: 0 for every class.")
    if absent == "error" and not is_present.all():
        classes = ", ".join(map(str, np.flatnonzero(~is_present)))
        raise ValueError(
            f"Every class must have images. Received: none of class {classes}. "
            "Leave out these classes, or say what they weigh: pass absent='zero', 'one' or 'largest'."
        )


def _unscaled(counts: np.ndarray, strategy: str, power: float | None, beta: float | None) -> np.ndarray:
    if strategy == "median_frequency":
        return np.median(counts) / counts
    if strategy == "effective_number":
        rate = len(counts) / counts.sum() if beta is None else 1 - beta
        # (1 - beta) / (1 - beta ** counts), exact where beta is close to one.
        return rate / -np.expm1(counts * math.log1p(-rate)) if rate < 1 else np.ones_like(counts)
    exponent = 1.0 if strategy == "balanced" else 0.5 if power is None else power
    return (counts.min() / counts) ** exponent  # at most 1, so that no power overflows
