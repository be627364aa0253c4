"""What ingest found, wrote and rejected: the report, and the checks that it must pass."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from keras_ext.directory_index import DirectoryIndex
from keras_ext.directory_layout import listed
from keras_ext.features import TEST, TRAIN
from keras_ext.splits import planned_splits
from tfx_components.directory_example_gen.tally import Tally


class TooManyRejected(ValueError):
    """More files were rejected than is accepted; `rejected_table` is the table of all, as CSV text."""

    def __init__(self, message: str, table: str) -> None:
        super().__init__(message)
        self.rejected_table = table


@dataclass(frozen=True)
class Report:
    """The outcome of an ingest; its fields are the keys of `report.json`.

    Attributes:
      found: Files with an image extension.
      written: Images that became examples.
      rejected: Files that did not; found = written + rejected.
      ignored: Other visible files.
      layout: How the folder was read.
      class_names: The classes in the order of their index.
      splits: Split to class to the number of images.
      formats: Format to the number of images.
      rejected_by_reason: Reason to the number of files, the most frequent first.
      warnings: What is unusual, in sentences.
    """

    found: int
    written: int
    rejected: int
    ignored: int
    layout: str
    class_names: Sequence[str]
    splits: Mapping[str, Mapping[str, int]]
    formats: Mapping[str, int]
    rejected_by_reason: Mapping[str, int]
    warnings: Sequence[str]

    @classmethod
    def of(cls, index: DirectoryIndex, tally: Tally, ratios: Mapping[str, float]) -> "Report":
        """Puts together what was listed and what became of it."""
        names = planned_splits(index.given_splits, ratios)
        splits = {split: {name: tally.written[split, name] for name in index.class_names} for split in names}
        rejected = rejected_files(index, tally)
        return cls(
            found=index.found,
            written=sum(tally.written.values()),
            rejected=len(rejected),
            ignored=index.ignored,
            layout=index.layout,
            class_names=index.class_names,
            splits=splits,
            formats=dict(sorted(tally.formats.items())),
            rejected_by_reason=dict(Counter(sorted(reason for _, reason in rejected)).most_common()),
            warnings=[*index.warnings, *_absence_warnings(index, splits)],
        )

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        splits = ", ".join(f"{split} {sum(counts.values()):,}" for split, counts in self.splits.items())
        return (
            f"{self.written:,} of {self.found:,} images in {len(self.class_names)} classes written ({splits}); "
            f"{self.rejected:,} rejected, {self.ignored:,} other files ignored"
        )


def rejected_files(index: DirectoryIndex, tally: Tally) -> list[tuple[str, str]]:
    """Returns (path, reason) of every file that was rejected, by its name or by its content, sorted by path."""
    return sorted([*index.rejected, *tally.rejected])


def rejected_table(rejected: Iterable[tuple[str, str]]) -> str:
    """Returns the rejected files as CSV text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *rejected])
    return text.getvalue()


def check_report(report: Report, rejected: Sequence[tuple[str, str]], max_rejected: float) -> None:
    """Refuses an outcome that no model should be trained on.

    Args:
      report: The outcome.
      rejected: The rejected files; see `rejected_files`.
      max_rejected: The largest share of them that is accepted.

    Raises:
      RuntimeError: The counts do not add up, which is a bug.
      TooManyRejected: More files were rejected than `max_rejected`.
      ValueError: A split is empty, or a class is absent from train.
    """
    if report.found != report.written + report.rejected:
        raise RuntimeError(
            f"found {report.found} images, but wrote {report.written} and rejected {report.rejected}: "
            "this is a bug in DirectoryExampleGen; please report it."
        )
    if report.rejected > max_rejected * report.found:
        first = listed((f"{path} ({reason})" for path, reason in rejected), limit=3)
        raise TooManyRejected(
            f"{report.rejected} of {report.found} image files cannot be used, more than max_rejected={max_rejected} "
            f"allows: {first}. Repair or remove them, or raise max_rejected.",
            rejected_table(rejected),
        )
    absent = [name for name, count in report.splits[TRAIN].items() if not count]
    if absent:
        raise ValueError(
            f"Classes without a usable image in the train split: {listed(absent)}. "
            "Add images of them, or leave these classes out with `classes`."
        )
    for split, counts in report.splits.items():
        if not any(counts.values()):
            raise ValueError(
                f"The split {split!r} is empty: {report.written} images in all. Add images, or raise its ratio"
                + (", or set it to 0, and eval judges the model." if split == TEST else ".")
            )


def _absence_warnings(index: DirectoryIndex, splits: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Warns of classes absent from a split, unless the index did so already; for train this is an error later."""
    given = {(record.split, record.label) for record in index.records}
    warnings = []
    for split, counts in splits.items():
        known = split in index.given_splits
        absent = [name for name, count in counts.items() if not count and (not known or (split, name) in given)]
        if absent and split != TRAIN:
            warnings.append(f"Classes without an image in the split {split!r}: {listed(absent)}.")
    return warnings
