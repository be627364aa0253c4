"""The values of a column to the slices of images that they make."""

import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

NO_VALUE: Final = "(empty)"

_MOST_NUMBERS = 10


def slice_values(values: Sequence[str]) -> list[str]:
    """Returns the slice that each value falls into: itself, or a range of numbers.

    Values are texts. Where there are more than ten different ones, and all of them are numbers, they are cut at their
    quartiles: '[0, 18)', '[18, 35)', '[35, 61)', '[61, 90]'. No value is '(empty)'.
    """
    numbers = {value: _number(value) for value in set(values) if value}
    if len(numbers) <= _MOST_NUMBERS or not all(map(math.isfinite, numbers.values())):
        return [value or NO_VALUE for value in values]
    given = [numbers[value] for value in values if value]
    edges = np.unique(np.quantile(given, [0, 0.25, 0.5, 0.75, 1]))
    names = [f"[{low:g}, {high:g})" for low, high in itertools.pairwise(edges)]
    names[-1] = names[-1][:-1] + "]"
    return [_range_of(numbers[value], edges, names) if value else NO_VALUE for value in values]


def slice_order(value: str) -> tuple[float, str]:
    """Returns a key that sorts slices: numbers and ranges of numbers by size, before texts."""
    number = _number(value.removeprefix("[").partition(",")[0])
    return (math.inf if math.isnan(number) else number), value


def _range_of(number: float, edges: np.ndarray, names: Sequence[str]) -> str:
    place = int(np.searchsorted(edges, number, side="right")) - 1
    return names[min(place, len(names) - 1)]


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
