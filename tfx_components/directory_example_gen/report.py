"""What ingest found, wrote and rejected: the report, and the checks that it must pass."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.features import TEST, TRAIN
from keras_ext.image_findings import Findings
from keras_ext.image_listing import listed
from keras_ext.splits import SplitPlan
from tfx_components.directory_example_gen.tally import Ingested, Tally

FINDINGS_FILE: Final = "findings.csv"

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


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
      split: The strategy by which images were divided.
      splits: Split to class to the number of images.
      formats: Format of the files to the number of images.
      sizes: 'width', 'height' and 'shorter_side' in pixels and 'bytes', each with its 'least', 'median' and 'most'.
      rejected_by_reason: Reason to the number of files, the most frequent first.
      findings: Duplicates, conflicting labels and flagged images: counts, and the first of each by name. All of them
        are in `findings.csv`.
      warnings: What is unusual, in sentences.
    """

    found: int
    written: int
    rejected: int
    ignored: int
    layout: str
    class_names: Sequence[str]
    split: str
    splits: Mapping[str, Mapping[str, int]]
    formats: Mapping[str, int]
    sizes: Mapping[str, Mapping[str, int]]
    rejected_by_reason: Mapping[str, int]
    findings: Mapping[str, Any]
    warnings: Sequence[str]

    @classmethod
    def of(cls, index: DirectoryIndex, ingested: Ingested, plan: SplitPlan, findings: Findings) -> "Report":
        """Puts together what was listed and what became of it."""
        tally = ingested.tally
        labels = index.class_names or ("",)  # unlabelled images count as those of one class without a name
        splits = {split: {name: tally.written[split, name] for name in labels} for split in plan.names}
        rejected = rejected_files(index, tally)
        return cls(
            found=index.found,
            written=sum(tally.written.values()),
            rejected=len(rejected),
            ignored=index.ignored,
            layout=index.layout,
            class_names=index.class_names,
            split=plan.strategy,
            splits=splits,
            formats=dict(sorted(tally.formats.items())),
            sizes=sizes_of(ingested.facts),
            rejected_by_reason=dict(Counter(sorted(reason for _, reason in rejected)).most_common()),
            findings=findings.as_dict(),
            warnings=[
                *index.warnings,
                *_absence_warnings(index, splits),
                *_group_warnings(ingested, plan),
                *findings.warnings,
            ],
        )

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        splits = ", ".join(f"{split} {sum(counts.values()):,}" for split, counts in self.splits.items())
        classes = f" in {len(self.class_names)} classes" if self.class_names else ""
        return (
            f"{self.written:,} of {self.found:,} images{classes} written ({splits}); "
            f"{self.rejected:,} rejected, {self.ignored:,} other files ignored"
        )


def sizes_of(facts: np.ndarray) -> dict[str, dict[str, int]]:
    """Returns the least, the median and the greatest width, height, shorter side and size of some images."""
    if not len(facts):
        return {}
    values = {
        "width": facts["width"],
        "height": facts["height"],
        "shorter_side": np.minimum(facts["width"], facts["height"]),
        "bytes": facts["size"],
    }
    return {
        name: {"least": int(some.min()), "median": int(np.median(some)), "most": int(some.max())}
        for name, some in values.items()
    }


def rejected_files(index: DirectoryIndex, tally: Tally) -> list[tuple[str, str]]:
    """Returns (path, reason) of every file that was rejected, by its name or by its content, sorted by path."""
    return sorted([*index.rejected, *tally.rejected])


def csv_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns CSV text that no spreadsheet takes for formulas: what looks like one begins with an apostrophe."""
    return "".join(",".join(map(_cell, row)) + "\n" for row in (columns, *rows))


def _cell(text: str) -> str:
    # Not by the csv module, which before Python 3.13 leaves a carriage return without quotes.
    safe = f"'{text}" if text.startswith(_FORMULA) else text
    return '"' + safe.replace('"', '""') + '"' if any(character in safe for character in ',"\r\n') else safe


def rejected_table(rejected: Iterable[tuple[str, str]]) -> str:
    """Returns the rejected files as CSV text."""
    return csv_table(("path", "reason"), rejected)


def findings_table(findings: Findings) -> str:
    """Returns everything that was found as CSV text."""
    return csv_table(("finding", "group", "path", "class", "split"), findings.rows())


def check_groups(records: Sequence[Record], plan: SplitPlan) -> None:
    """Refuses a division by groups where there are none.

    Raises:
      ValueError: No record has a group.
    """
    if plan.strategy == "group" and not any(record.group is not None for record in records):
        raise ValueError(
            "split='group' needs groups: a column 'group' of a manifest, or (?P<group>...) in a pattern. "
            "Pass split='hash' to divide images by their content."
        )


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
            units = "groups" if report.split == "group" else "images"
            raise ValueError(
                f"The split {split!r} is empty: {report.written} images in all. Add {units}, or raise its ratio"
                + ("" if report.split == "group" else ", or divide exactly with split='stratified'")
                + (", or set its ratio to 0, and eval judges the model." if split == TEST else ".")
            )


def _group_warnings(ingested: Ingested, plan: SplitPlan) -> list[str]:
    """Warns of groups in several splits, and of images that have no group where groups decide."""
    splits: dict[str, set[str | None]] = {}
    for record, place in zip(ingested.records, ingested.places, strict=True):
        if record.group is not None:
            splits.setdefault(record.group, set()).add(place.split)
    across = sorted(group for group, names in splits.items() if len(names) > 1)
    warnings = []
    if across:
        hint = "" if plan.given_splits else " Pass split='group' to keep each in one."
        warnings.append(f"Groups that lie in several splits: {listed(across)}.{hint}")
    without = sum(record.group is None for record in ingested.records)
    if plan.strategy == "group" and without:
        warnings.append(f"Images without a group, divided by their content: {without:,}.")
    return warnings


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
