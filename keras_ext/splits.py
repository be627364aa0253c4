"""Key to split: a stable hash, so that growing data never moves an image from one split to another."""

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from keras_ext.features import EVAL, SPLITS, TRAIN

_BUCKETS = 1 << 64


def check_ratios(ratios: Mapping[str, float]) -> dict[str, float]:
    """Returns the ratios scaled to sum to one, without the splits of ratio zero.

    Args:
      ratios: Split name to a share of the data, any non-negative numbers that sum to a positive number.

    Raises:
      ValueError: A ratio is negative or not finite, or the sum is not positive and finite.
    """
    total = sum(ratios.values())
    if any(not math.isfinite(ratio) or ratio < 0 for ratio in ratios.values()) or not 0 < total < math.inf:
        raise ValueError(
            "split ratios must be non-negative numbers that sum to a positive number. "
            f"Received: ratios={dict(ratios)}. Pass for example {{'train': 0.8, 'eval': 0.1, 'test': 0.1}}."
        )
    return {name: ratio / total for name, ratio in ratios.items() if ratio > 0}


def split_of(key: str | bytes, ratios: Mapping[str, float]) -> str:
    """Returns the split of a key: the same for the same key and ratios, on every machine and version.

    The key is hashed (SHA-256) to a number in [0, 1) that falls into one of the intervals that the ratios lay side by
    side in their own order. Shares are therefore binomial over distinct keys, and adding keys never moves others.

    Args:
      key: What must stay together: the digest of an image's bytes, or the name of a group.
      ratios: Split name to a share of the data; see `check_ratios`.

    Example:

    >>> split_of("cat-1", {"train": 1.0, "test": 0.0})
    'train'
    """
    shares = check_ratios(ratios)
    digest = hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
    position = int.from_bytes(digest[:8], "big") / _BUCKETS
    edge = 0.0
    for name, share in shares.items():
        edge += share
        if position < edge:
            return name
    return name  # rounding may leave the last edge a hair under one


def planned_splits(given_splits: Collection[str], ratios: Mapping[str, float]) -> tuple[str, ...]:
    """Returns the splits that there will be, in the order train, eval, test.

    Without given splits these are the splits of a positive ratio. Given splits stay as they are; only a missing 'eval'
    is carved from 'train'. A missing 'test' stays missing.

    Args:
      given_splits: The splits that the input itself gives, such as `DirectoryIndex.given_splits`; () for none.
      ratios: Split name to a share of the data; see `check_ratios`.

    Example:

    >>> planned_splits(("train", "test"), {"train": 8, "eval": 1, "test": 1})
    ('train', 'eval', 'test')
    """
    shares = check_ratios(ratios)
    names = {*given_splits, *_train_shares(given_splits, shares)} if given_splits else shares
    return tuple(name for name in SPLITS if name in names)


@dataclass(frozen=True)
class SplitPlan:
    """Which of the planned splits an image goes to; see `planned_splits`.

    Args:
      given_splits: The splits that the input itself gives, or ().
      ratios: Split name to a share of the data; see `check_ratios`. 'train' must have a share.
    """

    given_splits: tuple[str, ...]
    ratios: Mapping[str, float]

    def __post_init__(self) -> None:
        unknown = [name for name in self.ratios if name not in SPLITS]
        if unknown or TRAIN not in check_ratios(self.ratios):
            raise ValueError(
                f"split ratios must have names among {', '.join(SPLITS)}, and 'train' a positive share. "
                f"Received: ratios={dict(self.ratios)}."
            )

    def split_of(self, key: str | bytes, given: str | None = None) -> str:
        """Returns the split of an image.

        Args:
          key: What decides by hash: the digest of the image's bytes, or its group.
          given: The split that the input gives to the image, or None.
        """
        if given is None:
            return split_of(key, self.ratios)
        return split_of(key, _train_shares(self.given_splits, self.ratios)) if given == TRAIN else given


def _train_shares(given_splits: Collection[str], shares: Mapping[str, float]) -> dict[str, float]:
    """How the images of a given split 'train' are divided on."""
    carved = {TRAIN} if EVAL in given_splits else {TRAIN, EVAL}
    return {name: share for name, share in shares.items() if name in carved}
