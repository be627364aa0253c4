"""Key to split: a stable hash, so that growing data never moves an image; or exact shares of every class."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from keras_ext.choices import check_choice
from keras_ext.features import EVAL, SPLITS, TRAIN

STRATEGIES: Final = ("hash", "group", "stratified", "given")

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
    position = int.from_bytes(_digest(key)[:8], "big") / _BUCKETS
    edge = 0.0
    for name, share in shares.items():
        edge += share
        if position < edge:
            return name
    return name  # rounding may leave the last edge a hair under one


def _digest(key: str | bytes) -> bytes:
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()


def stratified_splits(
    labels: Sequence[Hashable], keys: Sequence[str | bytes], ratios: Mapping[str, float]
) -> list[str]:
    """Divides every class in the given ratios, as exactly as whole units allow.

    A unit is all images of one key. In each class the number of images in each split differs from its share by less
    than the largest unit, so by less than one image where keys are distinct; what rounding leaves over goes where the
    splits as a whole lack most, so that many small classes do not starve a small split. The first split of `ratios`
    gets a unit of every class.

    The same labels and keys give the same splits in any order of images. Unlike `split_of`, adding images may move
    others.

    Args:
      labels: The class of each image.
      keys: What must stay together, for each image: the digest of its bytes, or the name of a group. A key of several
        classes counts for the one that most of its images have.
      ratios: Split name to a share of the data; see `check_ratios`.

    Returns:
      The split of each image, in their order.

    Raises:
      ValueError: There are not as many labels as keys.

    Example:

    >>> stratified_splits(["a", "a", "b", "b"], ["1", "2", "3", "4"], {"train": 1, "test": 1}).count("test")
    2
    """
    if len(labels) != len(keys):
        raise ValueError(
            f"labels and keys must have the same length. Received: {len(labels)} labels, {len(keys)} keys."
        )
    shares = _whole_shares(ratios)
    lacking = dict.fromkeys(shares, 0)
    splits: dict[str | bytes, str] = {}
    for units in _units_by_class(labels, keys):
        splits.update(_divided(units, shares, lacking))
    return [splits[key] for key in keys]


def _whole_shares(ratios: Mapping[str, float]) -> dict[str, int]:
    """Returns ratios as whole numbers in the same proportions, as 0.1 of 30 images must be 3 and not a hair more."""
    fractions = {name: Fraction(str(ratios[name])) for name in check_ratios(ratios)}
    denominator = math.lcm(*(fraction.denominator for fraction in fractions.values()))
    return {name: int(fraction * denominator) for name, fraction in fractions.items()}


def _units_by_class(labels: Iterable[Hashable], keys: Iterable[str | bytes]) -> list[list[tuple[str | bytes, int]]]:
    """Returns the units (key, images) of each class, the large ones first and else in an order that means nothing."""
    by_key: dict[str | bytes, Counter[Hashable]] = defaultdict(Counter)
    for label, key in zip(labels, keys, strict=True):
        by_key[key][label] += 1
    by_class: dict[Hashable, list[tuple[str | bytes, int]]] = defaultdict(list)
    for key, counts in by_key.items():
        label = min(counts, key=lambda label: (-counts[label], str(label)))
        by_class[label].append((key, counts.total()))
    ordered = [by_class[label] for label in sorted(by_class, key=str)]
    return [sorted(units, key=lambda unit: (-unit[1], _digest(unit[0]))) for units in ordered]


def _divided(
    units: Sequence[tuple[str | bytes, int]], shares: Mapping[str, int], lacking: dict[str, int]
) -> Iterator[tuple[str | bytes, str]]:
    """Yields (key, split) of the units of one class; `lacking` is what all splits lack, in images times `total`."""
    total, images = sum(shares.values()), sum(size for _, size in units)
    room = {name: share * images for name, share in shares.items()}
    for name, size in room.items():
        lacking[name] += size
    for position, (key, size) in enumerate(units):
        split = max(room, key=lambda name: room[name]) if position else next(iter(room))
        if position and room[split] < size * total:  # it fits nowhere: what is left is rounding
            split = max((name for name in room if room[name] > 0), key=lambda name: lacking[name])
        room[split] -= size * total
        lacking[split] -= size * total
        yield key, split


def planned_splits(
    given_splits: Collection[str], ratios: Mapping[str, float], strategy: str = "hash"
) -> tuple[str, ...]:
    """Returns the splits that there will be, in the order train, eval, test.

    Without given splits these are the splits of a positive ratio. Given splits stay as they are; only a missing 'eval'
    is carved from 'train', unless the strategy is 'given'. A missing 'test' stays missing.

    Args:
      given_splits: The splits that the input itself gives, such as `DirectoryIndex.given_splits`; () for none.
      ratios: Split name to a share of the data; see `check_ratios`.
      strategy: One of `STRATEGIES`; see `SplitPlan`.

    Example:

    >>> planned_splits(("train", "test"), {"train": 8, "eval": 1, "test": 1})
    ('train', 'eval', 'test')
    """
    shares = check_ratios(ratios)
    names = {*given_splits, *_train_shares(given_splits, shares, strategy)} if given_splits else shares
    return tuple(name for name in SPLITS if name in names)


@dataclass(frozen=True)
class SplitPlan:
    """Which of the planned splits an image goes to; see `planned_splits`.

    Args:
      given_splits: The splits that the input itself gives, or ().
      ratios: Split name to a share of the data; see `check_ratios`. 'train' must have a share.
      strategy: How images are divided that the input does not place already. 'hash': by content. 'group': by the group
        of an image, or by content where it has none. 'stratified': exactly, class by class; content and groups stay
        together. 'given': not at all, as the input places every image.

    Raises:
      ValueError: The ratios or the strategy are none, or splits are missing that the strategy needs.
    """

    given_splits: tuple[str, ...]
    ratios: Mapping[str, float]
    strategy: str = "hash"

    def __post_init__(self) -> None:
        unknown = [name for name in self.ratios if name not in SPLITS]
        if unknown or TRAIN not in check_ratios(self.ratios):
            raise ValueError(
                f"split ratios must have names among {', '.join(SPLITS)}, and 'train' a positive share. "
                f"Received: ratios={dict(self.ratios)}."
            )
        if check_choice("split", self.strategy, STRATEGIES) == "given" and not self.given_splits:
            raise ValueError(
                "split='given' needs an input that gives splits: folders train, val and test, or a manifest with a "
                "split for each image. Pass split='hash' to divide the images."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The splits that there will be."""
        return planned_splits(self.given_splits, self.ratios, self.strategy)

    def split_of(self, digest: str, given: str | None = None, group: str | None = None) -> str:
        """Returns the split of an image by strategy 'hash', 'group' or 'given'.

        Args:
          digest: SHA-256 of the image's bytes, in hexadecimal.
          given: The split that the input gives to the image, or None.
          group: Its group, or None.
        """
        key = group if group is not None and self.strategy == "group" else digest
        return split_of(key, self._shares(given))

    def stratified(
        self,
        labels: Sequence[Hashable],
        digests: Sequence[str],
        given: Sequence[str | None],
        groups: Sequence[str | None],
    ) -> list[str]:
        """Returns the splits of all images by strategy 'stratified'; see `stratified_splits`.

        Args:
          labels: The class of each image.
          digests: SHA-256 of each image's bytes.
          given: The split that the input gives to each image, or None.
          groups: The group of each image, or None.
        """
        splits = [""] * len(labels)
        for name in set(given):
            rows = [row for row, split in enumerate(given) if split == name]
            units = _units([digests[row] for row in rows], [groups[row] for row in rows])
            shares = self._shares(name)
            train_first = {split: shares[split] for split in SPLITS if split in shares}
            divided = stratified_splits([labels[row] for row in rows], units, train_first)
            for row, split in zip(rows, divided, strict=True):
                splits[row] = split
        return splits

    def _shares(self, given: str | None) -> Mapping[str, float]:
        """How the images of a given split are divided on."""
        if given is None:
            return self.ratios
        return _train_shares(self.given_splits, self.ratios, self.strategy) if given == TRAIN else {given: 1}


def _units(digests: Sequence[str], groups: Sequence[str | None]) -> list[str]:
    """Returns a key for each image, the same where content or group is shared, also by way of others."""
    joined: dict[str, str] = {}

    def first_of(key: str) -> str:
        while (other := joined.setdefault(key, key)) != key:
            joined[key], key = joined[other], other
        return key

    for digest, group in zip(digests, groups, strict=True):
        if group is not None:
            # The smaller one leads, so that the order of images does not matter.
            leader, other = sorted((first_of(digest), first_of(f"group {group}")))
            joined[other] = leader
    return [first_of(digest) for digest in digests]


def _train_shares(given_splits: Collection[str], shares: Mapping[str, float], strategy: str) -> dict[str, float]:
    """How the images of a given split 'train' are divided on."""
    carved = {TRAIN} if EVAL in given_splits or strategy == "given" else {TRAIN, EVAL}
    return {name: share for name, share in shares.items() if name in carved}
