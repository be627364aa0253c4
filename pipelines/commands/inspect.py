"""`keras-ext inspect`: what is in a folder of images, without TFX and without writing anything."""

import argparse
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.features import SPLITS
from keras_ext.image_facts import FACTS, ImageFact, facts_of
from keras_ext.image_file import ImageFileError
from keras_ext.image_findings import Findings, Group, Place, telling_first
from keras_ext.image_listing import listed, one_line
from keras_ext.image_reader import Image, ImageReader, pays_in_threads
from pipelines.config import read_config
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import input_paths, read_input
from pipelines.wording import counted

_TOGETHER = 64  # images measured at once
_NAMED = 3  # of each finding


def main(options: argparse.Namespace) -> int:
    """Prints layout, classes, sizes, findings and unreadable files; opens and decodes every image."""
    console = Console(markup=False, highlight=False)  # names of files and classes are data
    warnings.filterwarnings("ignore", module=r"PIL\.")  # what is damaged is told by the name of the file
    config = read_config(Config, options.config, options.set, images=input_paths(options.images), output="")
    ingest = config.ingest
    index = read_input(config)
    threaded = pays_in_threads(index.size_bytes, index.found)
    look = _look_at(index, ImageReader(index.source, "decode", ingest.max_pixels, threaded, ingest.check_images))
    findings = Findings.of(look.facts, look.places, ingest.checks if ingest.check_images else None)
    problems = sorted([*index.rejected, *look.problems])
    console.print(f"Layout {index.layout}")
    console.print(_class_table(index, look.places))
    console.print(_size_line(look.facts), soft_wrap=True)
    for warning in [*index.warnings, *findings.warnings]:
        console.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
    if table := _findings_table(findings):
        console.print(table)
    if problems:
        console.print(f"Rejected {counted(len(problems), 'file')}:", style="red")
    for path, reason in problems:
        console.print(f"{one_line(path)}: {reason}", style="red", soft_wrap=True)
    console.print(
        f"Found {counted(index.found, 'image')}: {len(look.places):,} can be used, {len(problems):,} cannot. "
        f"Ignored {counted(index.ignored, 'other file')}.",
        style="bold",
    )
    return 0


@dataclass
class _Look:
    """What remains of the images that were looked at."""

    places: list[Place] = field(default_factory=list)
    facts: np.ndarray = field(default_factory=lambda: np.zeros(0, FACTS))
    problems: list[tuple[str, str]] = field(default_factory=list)


def _look_at(index: DirectoryIndex, reader: ImageReader) -> _Look:
    records = sorted(index.records, key=lambda record: index.source.position(record.path))
    look, waiting, measured = _Look(), list[ImageFact](), [np.zeros(0, FACTS)]
    for record, image in _tracked(reader.read_all(records), len(records)):
        if isinstance(image, ImageFileError):
            look.problems.append((record.path, str(image)))
            continue
        look.places.append(Place(record.path, record.label, record.split))
        waiting.append(_fact(record, image))
        if len(waiting) == _TOGETHER:
            measured.append(facts_of(waiting))
            waiting.clear()
    look.facts = np.concatenate([*measured, facts_of(waiting)])
    return look


def _tracked(
    images: Iterator[tuple[Record, Image | ImageFileError]], total: int
) -> Iterator[tuple[Record, Image | ImageFileError]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(images, total=total, description="Reading images")


def _fact(record: Record, image: Image) -> ImageFact:
    split = SPLITS.index(record.split) if record.split else -1
    name = image.original_format or image.info.format
    return ImageFact(0, split, name, image.info, image.digest, image.size, image.thumbnail)


def _class_table(index: DirectoryIndex, places: Iterable[Place]) -> Table:
    counts = Counter((place.label, place.split) for place in places)
    splits = index.given_splits or (None,)
    table = Table("index", "class", box=None)
    for split in splits:
        table.add_column(split or "images", justify="right")
    for position, name in enumerate(index.class_names):
        table.add_row(str(position), one_line(name), *(f"{counts[name, split]:,}" for split in splits))
    return table


def _size_line(facts: np.ndarray) -> str:
    if not len(facts):
        return "No image can be read."
    formats = Counter(name.decode() for name in facts["format"].tolist())
    named = ", ".join(f"{name} {count:,}" for name, count in formats.most_common())
    return f"Width {_range(facts['width'])}, height {_range(facts['height'])} pixels; {named}"


def _range(values: np.ndarray) -> str:
    ordered = np.sort(values)
    if ordered[0] == ordered[-1]:
        return str(ordered[0])
    return f"{ordered[0]} to {ordered[-1]} (median {ordered[(len(ordered) - 1) // 2]})"


def _findings_table(findings: Findings) -> Table | None:
    """Names the first images of each kind of finding; None where nothing was found."""
    table = Table("finding", box=None)
    table.add_column("images", justify="right")
    table.add_column("such as", overflow="fold")
    groups = {
        "exact duplicates": findings.exact_duplicates,
        "near duplicates": findings.near_duplicates,
        "conflicting labels": findings.conflicting_labels,
    }
    for name, found in groups.items():
        if found:
            table.add_row(name, f"{sum(map(len, found)):,}", "; ".join(map(_group, telling_first(found)[:_NAMED])))
    for name, places in findings.flagged.items():
        if places:
            paths = listed((place.path for place in places), limit=_NAMED)
            table.add_row(name.replace("_", " "), f"{len(places):,}", paths)
    return table if table.row_count else None


def _group(group: Group) -> str:
    return " = ".join(map(str, group[:_NAMED])) + (" = ..." if len(group) > _NAMED else "")
