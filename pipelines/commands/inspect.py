"""`keras-ext inspect`: what is in a folder of images, without TFX and without writing anything."""

import argparse
import os
import statistics
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.image_file import ImageFileError, ImageInfo, read_image_info

_Seen: TypeAlias = tuple[Record, ImageInfo | str]  # what the file holds, or why it cannot be used


def main(options: argparse.Namespace) -> int:
    """Prints layout, classes, sizes and unreadable files; opens and decodes every image."""
    console = Console(markup=False, highlight=False)  # names of files and classes are data
    index = DirectoryIndex.from_directory(options.images)
    seen = _look_at(index)
    read = [(record, found) for record, found in seen if isinstance(found, ImageInfo)]
    problems = [*index.rejected, *((record.path, found) for record, found in seen if isinstance(found, str))]
    console.print(f"Layout {index.layout}")
    console.print(_class_table(index, [record for record, _ in read]))
    console.print(_size_line([info for _, info in read]))
    for warning in index.warnings:
        console.print(f"Warning: {warning}", style="yellow")
    for path, reason in problems:
        console.print(f"{path}: {reason}", style="red", soft_wrap=True)
    console.print(
        f"Found {index.found:,} images: {len(read):,} can be used, {len(problems):,} cannot. "
        f"Ignored {index.ignored:,} other files.",
        style="bold",
    )
    return 0


def _look_at(index: DirectoryIndex) -> list[_Seen]:
    # Decoding releases the interpreter's lock, so threads use every core.
    with ThreadPoolExecutor(os.cpu_count()) as pool, Progress(transient=True) as progress:
        looked = pool.map(lambda record: (record, _look_at_one(index.directory, record)), index.records)
        return list(progress.track(looked, total=len(index.records), description="Reading images"))


def _look_at_one(directory: str, record: Record) -> ImageInfo | str:
    try:
        with open(os.path.join(directory, record.path), "rb") as file:
            return read_image_info(file.read())
    except OSError as error:
        return error.strerror or str(error)
    except ImageFileError as error:
        return str(error)


def _class_table(index: DirectoryIndex, records: Iterable[Record]) -> Table:
    counts = Counter((record.label, record.split) for record in records)
    splits = index.given_splits or (None,)
    table = Table("index", "class", box=None)
    for split in splits:
        table.add_column(split or "images", justify="right")
    for position, name in enumerate(index.class_names):
        table.add_row(str(position), name, *(f"{counts[name, split]:,}" for split in splits))
    return table


def _size_line(infos: list[ImageInfo]) -> str:
    if not infos:
        return "No image can be read."
    formats = Counter(info.format for info in infos)
    named = ", ".join(f"{name} {count:,}" for name, count in formats.most_common())
    return (
        f"Width {_range(info.width for info in infos)}, height {_range(info.height for info in infos)} pixels; {named}"
    )


def _range(values: Iterable[int]) -> str:
    ordered = sorted(values)
    if ordered[0] == ordered[-1]:
        return str(ordered[0])
    return f"{ordered[0]} to {ordered[-1]} (median {statistics.median_low(ordered)})"
