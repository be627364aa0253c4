"""How much a figure would vary with other test images: percentile bootstrap over images, or groups of them."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Interval = tuple[float, float]


def bootstrap_intervals(
    figures: Callable[[np.ndarray], Mapping[str, float]],
    images: int,
    groups: Sequence[Any] | None = None,
    *,
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Returns the interval of each figure in which it lies in `confidence` of the resamples.

    As many images as there are are drawn with replacement, `samples` times. Images of one group (a patient, a scene)
    are alike; where there are groups, these are drawn, with all of their images. A figure that is NaN in a resample has
    no part in it there.

    Args:
      figures: From how often each image was drawn, float64 `(images,)`, to figures by name.
      images: The number of images.
      groups: The group of each image, of any type; None or "" is a group of its own.
      samples: The number of resamples.
      confidence: The share of them that the interval holds.
      seed: Fixes the draws.

    Raises:
      ValueError: There are no images, or not one group for each.

    Example:

    >>> hits = np.array([1, 1, 0, 1, 1, 0, 1, 1])
    >>> intervals = bootstrap_intervals(lambda times: {"accuracy": np.average(hits, weights=times)}, len(hits))
    >>> low, high = intervals["accuracy"]
    >>> low < 0.75 < high
    True

    Source: Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics 7 (1979); percentiles.
    """
    units = unit_numbers(groups, images)
    drawn: dict[str, list[float]] = {}
    for times in _resamples(int(units.max()) + 1, samples, seed):
        for name, value in figures(times[units]).items():
            drawn.setdefault(name, []).append(value)
    tail = (1 - confidence) / 2
    return {name: _percentiles(np.array(values), tail) for name, values in drawn.items()}


def unit_numbers(groups: Sequence[Any] | None, images: int) -> np.ndarray:
    """Numbers what is independent: the groups, and the images without one; int64 `(images,)`, from 0.

    Raises:
      ValueError: There are no images, or not one group for each.
    """
    if images < 1 or (groups is not None and len(groups) != images):
        received = "" if groups is None else f", {len(groups)} groups"
        raise ValueError(
            f"A bootstrap needs images, and one group for each if any. Received: {images} images{received}."
        )
    if groups is None:
        return np.arange(images)
    numbers: dict[Any, int] = {}
    return np.array(
        [
            numbers.setdefault(("group", group) if group not in (None, "") else row, len(numbers))
            for row, group in enumerate(groups)
        ]
    )


def wilson_interval(share: float, trials: float, confidence: float = 0.95) -> Interval:
    """Returns the interval of the share of hits, which is not empty even where all of a few trials were hits.

    Args:
      share: Hits by trials.
      trials: The number of independent trials.
      confidence: As in `bootstrap_intervals`.

    Example:

    >>> low, high = wilson_interval(1.0, trials=6)
    >>> round(low, 2), high
    (0.61, 1.0)

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).
    """
    z2 = statistics.NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = (z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) ** 0.5 / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def _resamples(units: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each unit was drawn, float64 `(units,)`."""
    generator = np.random.default_rng(seed)
    for _ in range(samples):
        yield np.bincount(generator.integers(units, size=units), minlength=units).astype(np.float64)


def _percentiles(values: np.ndarray, tail: float) -> Interval:
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
