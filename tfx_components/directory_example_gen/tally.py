"""Counts of what was written and rejected, small enough to travel from workers to the report."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_ext.features import SPLITS
from keras_ext.image_findings import Place
from keras_ext.image_listing import Record


@dataclass
class Tally:
    """What became of some image files.

    Attributes:
      written: (split, class) to the number of images.
      formats: Format to the number of images.
      rejected: Pairs (path, reason).
    """

    written: Counter[tuple[str, str]] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, str]] = field(default_factory=list)

    def add(self, split: str, label: str, image_format: str) -> None:
        """Counts a written image."""
        self.written[split, label] += 1
        self.formats[image_format] += 1

    def reject(self, path: str, reason: str) -> None:
        """Notes a file that could not be used."""
        self.rejected.append((path, reason))

    def as_dict(self) -> dict[str, Any]:
        """Returns the tally as JSON can hold it."""
        written = [[split, label, count] for (split, label), count in sorted(self.written.items())]
        return {"written": written, "formats": dict(self.formats), "rejected": [list(row) for row in self.rejected]}

    @classmethod
    def merged(cls, tallies: Iterable[dict[str, Any]]) -> "Tally":
        """Adds up tallies that `as_dict` made; in any order, to the same sum."""
        total = cls()
        for tally in tallies:
            for split, label, count in tally["written"]:
                total.written[split, label] += count
            total.formats.update(tally["formats"])
            total.rejected += [(path, reason) for path, reason in tally["rejected"]]
        total.rejected.sort()
        return total


def merge_tallies(tallies: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Adds up tallies; for Beam, which combines sums with sums again."""
    return Tally.merged(tallies).as_dict()


@dataclass(frozen=True)
class Ingested:
    """What was written.

    Attributes:
      tally: The counts, and the files that were rejected while reading.
      records: The records of the images that were written, sorted by path.
      facts: What is known of each of them, in the same order; see `keras_ext.image_facts`.
    """

    tally: Tally
    records: list[Record]
    facts: np.ndarray

    @property
    def places(self) -> list[Place]:
        """Where each image is and went."""
        splits = [SPLITS[split] for split in self.facts["split"]]
        return [Place(one.path, one.label, split) for one, split in zip(self.records, splits, strict=True)]
