"""Which images of an input a dataset is of."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from keras_ext.choices import check_choice
from keras_ext.features import EVAL, SPLITS, TEST, TRAIN
from keras_ext.image_file import ImageFileError
from keras_ext.image_listing import Record, listed
from keras_ext.image_source import ImageSource
from keras_ext.splits import SplitPlan

STRATEGIES = ("keras", "hash", "stratified", "group")
BOTH = "both"
_SPLIT_OF_SUBSET = {"training": TRAIN, "validation": EVAL, TRAIN: TRAIN, EVAL: EVAL, TEST: TEST}


@dataclass(frozen=True)
class SubsetChoice:
    """What was asked for; see `image_dataset_from_directory`.

    Raises:
      ValueError: A value is unknown, or two exclude each other.
    """

    validation_split: float | None
    subset: str | None
    split_strategy: str
    shuffle: bool
    seed: int | None

    def __post_init__(self) -> None:
        check_choice("split_strategy", self.split_strategy, STRATEGIES)
        if self.subset is not None:
            check_choice("subset", self.subset, (*_SPLIT_OF_SUBSET, BOTH))
        if self.validation_split is None:
            return
        if not 0 < self.validation_split < 1:
            raise ValueError(
                "validation_split must be a number between 0 and 1, neither of them. "
                f"Received: validation_split={self.validation_split!r}. Leave it out to use all images."
            )
        if self.subset is None or self.subset == TEST:
            raise ValueError(
                "With validation_split, subset must be 'training', 'validation' or 'both'. "
                f"Received: subset={self.subset!r}."
            )
        if self.split_strategy == "keras" and self.shuffle and self.seed is None:
            raise ValueError(
                "With validation_split and shuffle=True, pass a seed: otherwise the subsets of two calls overlap. "
                "Received: seed=None. With split_strategy='hash' or 'stratified' none is needed."
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of which there shall be a dataset."""
        return (TRAIN, EVAL) if self.subset == BOTH else (_SPLIT_OF_SUBSET[self.subset],) if self.subset else ()


def subset_positions(records: Sequence[Record], source: ImageSource, choice: SubsetChoice) -> list[np.ndarray]:
    """Returns the positions in `records` that each dataset is of, in the order of the datasets.

    Raises:
      ValueError: The input does not have these splits, or one of them is empty.
    """
    given = {record.split for record in records} - {None}
    order = _order(len(records), choice)
    if not choice.subset:
        _check_ungiven(given)
        return [order]
    splits = np.array([record.split or TRAIN for record in records])
    if choice.validation_split is None:
        _check_given(given, choice)
    elif EVAL in given:
        raise ValueError(
            "validation_split has no meaning where the input itself gives a validation split. Leave it out. "
            f"Received: validation_split={choice.validation_split}; splits given: {_named(given)}."
        )
    else:
        train = order[splits[order] == TRAIN]
        splits[train] = _divided(train, records, source, choice)
    positions = [order[splits[order] == split] for split in choice.splits]
    for split, found in zip(choice.splits, positions, strict=True):
        if not len(found):
            raise ValueError(
                f"The {split} subset is empty, of {len(records)} images in all. Received: "
                f"validation_split={choice.validation_split}. Pass another one, or add images."
            )
    return positions


def _check_ungiven(given: set[str | None]) -> None:
    if given:
        raise ValueError(
            f"The input gives splits ({_named(given)}); subset must name one of them, or 'both' for train and eval. "
            "Received: subset=None."
        )


def _check_given(given: set[str | None], choice: SubsetChoice) -> None:
    absent = [split for split in choice.splits if split not in given]
    if absent:
        raise ValueError(
            f"subset={choice.subset!r} needs validation_split, or an input that gives the split {absent[0]!r}. "
            f"Received: validation_split=None; splits given: {_named(given) or 'none'}."
        )


def _named(splits: set[str | None]) -> str:
    return ", ".join(split for split in SPLITS if split in splits)


def _order(count: int, choice: SubsetChoice) -> np.ndarray:
    """Returns all positions, shuffled as Keras does: to the same order from the same seed."""
    order = np.arange(count)
    if choice.shuffle and choice.seed is not None:
        np.random.RandomState(choice.seed).shuffle(order)
    return order


def _divided(
    positions: np.ndarray, records: Sequence[Record], source: ImageSource, choice: SubsetChoice
) -> Sequence[str]:
    """Returns 'train' or 'eval' for each position."""
    share = choice.validation_split or 0.0
    if choice.split_strategy == "keras":
        validation = int(share * len(positions))
        return [TRAIN] * (len(positions) - validation) + [EVAL] * validation
    plan = SplitPlan((), {TRAIN: 1 - share, EVAL: share}, choice.split_strategy)
    chosen = [records[position] for position in positions]
    groups = [record.group for record in chosen]
    if plan.strategy == "group":
        _check_groups(chosen)
        return [plan.split_of("", group=group) for group in groups]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(_digester(source), [record.path for record in chosen]))
    if plan.strategy == "stratified":
        return plan.stratified([record.label for record in chosen], digests, [None] * len(chosen), groups)
    return [plan.split_of(digest) for digest in digests]


def _check_groups(records: Sequence[Record]) -> None:
    ungrouped = [record.path for record in records if record.group is None]
    if ungrouped:
        raise ValueError(
            f"split_strategy='group' needs a group for each image. Without one: {listed(ungrouped, limit=3)}. "
            "Pass group_of, or the column of the groups."
        )


def _digester(source: ImageSource) -> Callable[[str], str]:
    def digest(path: str) -> str:
        try:
            return hashlib.sha256(source.read(path)).hexdigest()
        except ImageFileError:
            return path  # it will be rejected when it is read again

    return digest
