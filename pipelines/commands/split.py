"""`keras-ext split`: split folders of images, by the rules that the pipeline splits by; without TFX."""

import argparse
import contextlib
import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.features import SPLITS, TRAIN
from keras_ext.image_file import ImageFileError
from keras_ext.image_listing import listed
from keras_ext.image_reader import ImageReader, pays_in_threads
from keras_ext.image_source import ImageSource
from keras_ext.local_folder import LocalFolder
from keras_ext.splits import SplitPlan
from pipelines.config import read_config
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import input_path, read_input
from pipelines.wording import counted

_Item = TypeVar("_Item")


def main(options: argparse.Namespace) -> int:
    """Writes `<split>/<class>/<image>` and prints how many there are of each."""
    console = Console(markup=False, highlight=False)  # names of files and classes are data
    output = os.path.abspath(options.output)
    images = input_path(options.images)
    _check_output(output, images)
    ingest = read_config(Config, options.config, options.set, images=images, output=output).ingest
    index = read_input(Config(images=images, output=output, ingest=ingest))
    ratios = dict(zip(SPLITS, options.ratios, strict=True)) if options.ratios else dataclasses.asdict(ingest.ratios)
    plan = SplitPlan(index.given_splits, ratios, options.strategy or ingest.split)
    threaded = pays_in_threads(index.size_bytes, index.found)
    digests, rejected = _digests(index, ImageReader(index.source, "decode", ingest.max_pixels, threaded), console)
    records = [record for record in index.records if record.path in digests]
    splits = _splits(records, digests, plan)
    targets = _targets(records, splits, index)
    counts = Counter((record.label, split) for record, split in zip(records, splits, strict=True))
    _check_counts(counts, index, plan)
    with _whole_folder(output) as partial:
        for record, target in _tracked(zip(records, targets, strict=True), len(records), "Writing", console):
            _place(index.source, record.path, os.path.join(partial, target))
    _print_outcome(console, index, plan, counts, sorted([*index.rejected, *rejected]))
    return 0


def _check_output(output: str, images: str) -> None:
    if os.path.lexists(output) and not (os.path.isdir(output) and not os.listdir(output)):
        raise ValueError(f"--output must be a new or an empty folder. Received: '{output}', which is not.")
    if os.path.join(output, "").startswith(os.path.join(images, "")):
        raise ValueError(f"--output must not lie in the images, as it would be read with them. Received: '{output}'.")


def _tracked(items: Iterable[_Item], total: int, title: str, console: Console) -> Iterable[_Item]:
    return track(items, title, total, console=console, transient=True, disable=not console.is_terminal)


def _digests(
    index: DirectoryIndex, reader: ImageReader, console: Console
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Returns path to SHA-256 of each image that can be decoded, and (path, reason) of the others."""
    digests, rejected = {}, []
    records = sorted(index.records, key=lambda record: index.source.position(record.path))
    for record, image in _tracked(reader.read_all(records), len(records), "Reading", console):
        if isinstance(image, ImageFileError):
            rejected.append((record.path, str(image)))
        else:
            digests[record.path] = image.digest
    return digests, rejected


def _splits(records: Sequence[Record], digests: Mapping[str, str], plan: SplitPlan) -> list[str]:
    if plan.strategy == "stratified":
        labels, given = [record.label for record in records], [record.split for record in records]
        groups = [record.group for record in records]
        return plan.stratified(labels, [digests[record.path] for record in records], given, groups)
    return [plan.split_of(digests[record.path], record.split, record.group) for record in records]


def _targets(records: Iterable[Record], splits: Iterable[str], index: DirectoryIndex) -> list[str]:
    """Returns where each image goes, relative to the output.

    Raises:
      ValueError: A class cannot be a folder, or two images would be one file.
    """
    hidden = [name for name in index.class_names if name.startswith(".") or "/" in name or "\0" in name]
    if hidden:
        raise ValueError(f"These classes cannot be names of folders: {listed(map(repr, hidden))}. Name them otherwise.")
    targets: dict[str, str] = {}
    for record, split in zip(records, splits, strict=True):
        target = "/".join((split, record.label or "", *_below_class(record, index)))
        if target in targets:
            raise ValueError(f"'{targets[target]}' and '{record.path}' would both become '{target}'. Rename one.")
        targets[target] = record.path
    return list(targets)


def _below_class(record: Record, index: DirectoryIndex) -> list[str]:
    """Returns the parts of a path below the folders of its split and class, where it has these."""
    parts = [part for part in record.path.split("/") if part not in ("", "..")]
    if index.layout == "<split>/<class>/<image>":
        return parts[2:]
    return parts[1:] if len(parts) > 1 and parts[0] == record.label else parts


def _check_counts(counts: Mapping[tuple[str | None, str], int], index: DirectoryIndex, plan: SplitPlan) -> None:
    absent = [name for name in index.class_names if not counts[name, TRAIN]]
    if absent:
        raise ValueError(
            f"Classes without a usable image in the train split: {listed(absent)}. Add images of them, give train a "
            "larger ratio, or use --strategy stratified."
        )
    empty = [split for split in plan.names if not any(counts[name, split] for name in index.class_names)]
    if empty:
        raise ValueError(f"The split {empty[0]!r} is empty. Add images, or raise its ratio, or set it to 0.")


@contextlib.contextmanager
def _whole_folder(output: str) -> Iterator[str]:
    """Yields a folder that becomes `output` at the end, or vanishes where something fails."""
    partial = f"{output}.partial-{os.getpid()}"
    os.makedirs(partial)
    try:
        yield partial
        os.rename(partial, output)  # also over an empty folder
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _place(source: ImageSource, path: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not isinstance(source, LocalFolder):
        with open(target, "wb") as file:
            file.write(source.read(path))
        return
    original = os.path.realpath(os.path.join(source.name, path))  # not the link to it
    try:
        os.link(original, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(original, target)


def _print_outcome(
    console: Console,
    index: DirectoryIndex,
    plan: SplitPlan,
    counts: Mapping[tuple[str | None, str], int],
    rejected: Sequence[tuple[str, str]],
) -> None:
    table = Table("class", box=None)
    for split in plan.names:
        table.add_column(split, justify="right")
    for name in index.class_names:
        table.add_row(name, *(f"{counts[name, split]:,}" for split in plan.names))
    totals = [sum(counts[name, split] for name in index.class_names) for split in plan.names]
    table.add_section()
    table.add_row("all", *(f"{total:,}" for total in totals), style="bold")
    for path, reason in rejected:
        console.print(f"{path}: {reason}", style="red", soft_wrap=True)
    for warning in [*index.warnings, *_absences(index, plan, counts)]:
        console.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
    console.print(table)
    console.print(
        f"Found {counted(index.found, 'image')}: {sum(totals):,} written, {len(rejected):,} cannot be used. "
        f"Ignored {counted(index.ignored, 'other file')}.",
        style="bold",
    )


def _absences(index: DirectoryIndex, plan: SplitPlan, counts: Mapping[tuple[str | None, str], int]) -> Iterator[str]:
    for split in plan.names:
        absent = [name for name in index.class_names if not counts[name, split]]
        if absent and split not in index.given_splits:
            yield f"Classes without an image in the split {split!r}: {listed(absent)}."
