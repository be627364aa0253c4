"""What a random layer draws from: the check of an argument that is one number or two."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

Range = tuple[float, float]
"""The lowest and the highest value, or twice the same."""


def symmetric_range(argument: str, value: float | Sequence[float], limit: float = math.inf) -> Range:
    """Returns the range that `value` means: itself, or from `-value` to `value`.

    Args:
      argument: What the value was passed as; the error names it.
      value: A number, or two (low, high).
      limit: What both ends lie below, by their absolute value.

    Raises:
      ValueError: It is neither.
    """
    low, high = checked = _two_numbers(value) or (math.nan, math.nan)
    if not isinstance(value, Sequence) and _is_number(value):
        low, high = checked = -float(value), float(value)
    if not (low <= high and max(-low, high) < limit):
        within = f" within (-{limit:g}, {limit:g})" if limit < math.inf else ""
        raise _error(argument, value, f"a number of at least 0 or two numbers (low, high){within}")
    return checked


def factor_range(argument: str, value: float | Sequence[float]) -> Range:
    """Returns the range of factors that `value` means: itself, or from `1 - value` to `1 + value`.

    Raises:
      ValueError: It is neither.
    """
    low, high = checked = _two_numbers(value) or (math.nan, math.nan)
    if not isinstance(value, Sequence) and _is_number(value):
        low, high = checked = 1.0 - value, 1.0 + value
    if not 0.0 < low <= high:
        raise _error(argument, value, "a number in [0, 1) or two positive numbers (low, high)")
    return checked


def two_numbers(argument: str, value: Sequence[float], lowest: float = -math.inf, *, distinct: bool = False) -> Range:
    """Returns `value` when it is two numbers in order.

    Args:
      argument: What the value was passed as; the error names it.
      value: What came.
      lowest: What no number lies below.
      distinct: Whether the two must differ.

    Raises:
      ValueError: It is not.
    """
    low, high = checked = _two_numbers(value) or (math.nan, math.nan)
    if not lowest <= low <= high or (distinct and low == high):
        least = f" of at least {lowest:g}" if lowest > -math.inf else ""
        raise _error(argument, value, f"two numbers{least} (low, high), low {'<' if distinct else '<='} high")
    return checked


def _two_numbers(value: Any) -> Range | None:
    if isinstance(value, Sequence) and len(value) == 2 and all(map(_is_number, value)):
        return float(value[0]), float(value[1])
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _error(argument: str, value: Any, expected: str) -> ValueError:
    swapped = _two_numbers(value)
    hint = f" Pass ({value[1]}, {value[0]})." if swapped and swapped[0] > swapped[1] else ""
    return ValueError(f"{argument} must be {expected}. Received: {argument}={value!r}.{hint}")
