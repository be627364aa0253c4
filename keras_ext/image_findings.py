"""What is remarkable about a set of images: duplicates, contradictory labels, images that are hardly meant."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_ext.image_checks import ImageChecks
from keras_ext.image_facts import contents_of
from keras_ext.image_listing import one_line
from keras_ext.near_duplicates import SIDE, near_duplicates

_GROUPS_SHOWN, _IMAGES_SHOWN = 100, 20


class Place(NamedTuple):
    """Where an image is: what a finding says of it."""

    path: str
    label: str | None
    split: str | None

    def __str__(self) -> str:
        return one_line(f"{self.path} ({self.split})" if self.split else self.path)


Group = list[Place]


@dataclass(frozen=True)
class Findings:
    """What was found; nothing of it changes what is written.

    Attributes:
      exact_duplicates: Groups of images of the same bytes.
      near_duplicates: Groups of images that show the same; see `keras_ext.near_duplicates`. Exact duplicates of one
        that is near another are in the group too.
      conflicting_labels: Groups of images of the same bytes and different labels.
      flagged: The names of the checks in `ImageChecks` to the images that they flag.
    """

    exact_duplicates: list[Group]
    near_duplicates: list[Group]
    conflicting_labels: list[Group]
    flagged: dict[str, list[Place]]

    @classmethod
    def of(cls, facts: np.ndarray, places: Sequence[Place], checks: ImageChecks | None) -> "Findings":
        """Looks at all images together.

        Args:
          facts: See `keras_ext.image_facts`.
          places: Where each of the images is, in the same order.
          checks: The thresholds, or None to look at contents only.
        """
        contents = contents_of(facts)
        _, first, copies = np.unique(contents, return_index=True, return_counts=True)
        exact = _members(contents, [[content] for content in np.flatnonzero(copies > 1).tolist()])
        near: list[list[int]] = []
        flags: dict[str, np.ndarray] = {}
        if checks is not None:
            # A smaller image holds less than the picture that it would be compared by: many digits of 8 x 8 look alike.
            shown = np.flatnonzero(np.minimum(facts["width"], facts["height"])[first] >= SIDE)
            compared = facts[first[shown]]
            groups = near_duplicates(compared["hash"], compared["picture"], checks.near_duplicates)
            near = [shown[group].tolist() for group in groups]
            flags = checks.flagged(facts["measures"], np.stack([facts["width"], facts["height"]], axis=1))
        duplicates = [[places[row] for row in rows] for rows in exact]
        return cls(
            exact_duplicates=duplicates,
            near_duplicates=[[places[row] for row in rows] for rows in _members(contents, near)],
            conflicting_labels=_of_several_labels(duplicates),
            flagged={name: [places[row] for row in np.flatnonzero(flag)] for name, flag in flags.items()},
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns counts, and the first of each kind by name, as JSON can hold them."""
        groups = {
            "exact_duplicates": self.exact_duplicates,
            "near_duplicates": self.near_duplicates,
            "conflicting_labels": self.conflicting_labels,
        }
        flagged = {
            name: {"images": len(places), "first": [place.path for place in places[:_GROUPS_SHOWN]]}
            for name, places in self.flagged.items()
        }
        return {**{name: _group_report(kind) for name, kind in groups.items()}, "flagged": flagged}

    def rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yields (finding, group, path, class, split) of everything that was found, nothing left out."""
        for name, groups in (
            ("exact_duplicate", self.exact_duplicates),
            ("near_duplicate", self.near_duplicates),
            ("conflicting_label", self.conflicting_labels),
        ):
            for number, group in enumerate(groups, 1):
                yield from ((name, str(number), one.path, one.label or "", one.split or "") for one in group)
        for name, places in self.flagged.items():
            yield from ((name, "", one.path, one.label or "", one.split or "") for one in places)

    @property
    def warnings(self) -> list[str]:
        """What harms training or its evaluation, in sentences."""
        kinds = (
            ("of the same bytes lie in several splits", list(filter(_straddles, self.exact_duplicates))),
            ("that show the same lie in several splits", list(filter(_straddles, self.near_duplicates))),
            ("of the same bytes have different labels", self.conflicting_labels),
            ("that show the same have different labels", _of_several_labels(self.near_duplicates)),
        )
        return [f"{_counted(groups)} {what}: {_named(groups[0])}." for what, groups in kinds if groups]


def telling_first(groups: Sequence[Group]) -> list[Group]:
    """Returns the groups that lie in several splits before the others."""
    return sorted(groups, key=lambda group: not _straddles(group))


def _straddles(group: Group) -> bool:
    return len({place.split for place in group}) > 1


def _of_several_labels(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if len({place.label for place in group}) > 1]


def _members(contents: np.ndarray, groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Returns the rows of all images that have one of the contents of a group, for each group."""
    group_of = np.full(contents.max(initial=-1) + 1, -1)
    for number, group in enumerate(groups):
        group_of[group] = number
    members: list[list[int]] = [[] for _ in groups]
    numbers = group_of[contents]
    for row in np.flatnonzero(numbers >= 0).tolist():
        members[numbers[row]].append(row)
    return members


def _group_report(groups: Sequence[Group]) -> dict[str, Any]:
    return {
        "groups": len(groups),
        "images": sum(len(group) for group in groups),
        "groups_in_several_splits": sum(map(_straddles, groups)),
        "first": [
            [{"path": one.path, "class": one.label, "split": one.split} for one in group[:_IMAGES_SHOWN]]
            for group in telling_first(groups)[:_GROUPS_SHOWN]
        ],
    }


def _counted(groups: Sequence[Group]) -> str:
    return f"{len(groups):,} groups of images" if len(groups) > 1 else "1 group of images"


def _named(group: Group) -> str:
    """Names two images of a group, of different splits or labels where there are such."""
    first = group[0]
    other = next((one for one in group if (one.split, one.label) != (first.split, first.label)), group[1])
    return f"{first} and {other}"
