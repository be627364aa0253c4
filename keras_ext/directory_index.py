"""A folder of labelled images, read as a list of records: what there is, before any image is opened."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keras_ext import features
from keras_ext.directory_layout import EXPECTED, DirectoryLayout, listed, read_layout
from keras_ext.directory_scan import ScannedFile, fingerprint_of


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image.

    Attributes:
      path: Where the image is, relative to the input, with '/' between folders.
      label: The name of its class.
      split: 'train', 'eval' or 'test' where the input says so, otherwise None.
      group: What must stay in one split (a patient, a scene), or None.
      weight: A sample weight, or None.
    """

    path: str
    label: str
    split: str | None = None
    group: str | None = None
    weight: float | None = None


@dataclass(frozen=True)
class DirectoryIndex:
    """The labelled images of a folder.

    Two layouts are read; folders may be nested below a class:

        images/cats/a.jpg               images/train/cats/a.jpg
        images/cats/outdoors/b.png      images/train/dogs/b.jpg
        images/dogs/c.jpg               images/val/cats/c.jpg

    The second one is meant where all folders that hold images have names of splits (`train`, `eval`, `val`, `valid`,
    `validation`, `test`, in any case) and `train` is among them. Hidden files and folders (leading '.') are not
    looked at, folders without images are no classes, and symbolic links are followed to files but not to folders.

    Attributes:
      directory: The folder.
      records: The images that have a label, sorted by path.
      class_names: The names of the classes; the index of a class is its position.
      given_splits: The splits that the folders give, or () where they give none.
      rejected: Pairs (path, reason) of image files that cannot be used, sorted by path.
      ignored: How many visible files are not images.
      size_bytes: The total size of the image files.
      fingerprint: SHA-256 over the paths, sizes and modification times of the image files.
      warnings: What is unusual, in sentences.
    """

    directory: str
    records: tuple[Record, ...]
    class_names: tuple[str, ...]
    given_splits: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    ignored: int
    size_bytes: int
    fingerprint: str
    warnings: tuple[str, ...]

    @property
    def found(self) -> int:
        """How many image files there are, used or rejected."""
        return len(self.records) + len(self.rejected)

    @property
    def layout(self) -> str:
        """The layout that was recognised."""
        return "<split>/<class>/<image>" if self.given_splits else "<class>/<image>"

    @classmethod
    def from_directory(
        cls,
        directory: str | os.PathLike[str],
        classes: Sequence[str] | None = None,
        split_folders: Mapping[str, str] | None = None,
    ) -> "DirectoryIndex":
        """Reads the names, sizes and times of the files below a folder; opens no file.

        Args:
          directory: The folder.
          classes: The classes to use, in the order of their index. By default all class folders, sorted by name.
          split_folders: Folder (relative to `directory`) to split ('train', 'eval' or 'test'), where the names alone
            do not say it. By default the layout is recognised.

        Raises:
          ValueError: The folder does not hold images of at least two classes in one of the layouts.
        """
        if isinstance(classes, str):
            raise TypeError(f"classes must be a list of class names. Received: classes={classes!r}.")
        directory = os.fspath(directory)
        layout = read_layout(directory, split_folders)
        class_names, warnings = _class_names(layout, classes)
        records, rejected, files = _records(layout, class_names)
        given = {folder.split for folder in layout.folders}
        return cls(
            directory=directory,
            records=tuple(sorted(records, key=lambda record: record.path)),
            class_names=class_names,
            given_splits=tuple(split for split in features.SPLITS if split in given),
            rejected=tuple(sorted(rejected)),
            ignored=layout.ignored,
            size_bytes=sum(file.size for file in files),
            fingerprint=fingerprint_of(files),
            warnings=(*layout.warnings, *warnings, *_absence_warnings(layout, class_names)),
        )


def _class_names(layout: DirectoryLayout, classes: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """Returns the classes to use, and a warning where some are left out."""
    found = sorted({name for folder in layout.folders for name in folder.classes})
    names = found if classes is None else list(classes)
    absent = [name for name in names if name not in found]
    if absent:
        raise ValueError(f"classes names folders without images: {listed(absent)}. Found: {listed(found)}.")
    if len(set(names)) < len(names):
        raise ValueError(f"classes must name each class once. Received: {listed(names, limit=20)}.")
    if len(names) < 2:
        raise ValueError(f"fewer than two classes: found images of {listed(names)!r} only. {EXPECTED}")
    unused = [name for name in found if name not in set(names)]
    return tuple(names), [f"Folders that `classes` does not name are left out: {listed(unused)}."] if unused else []


def _records(
    layout: DirectoryLayout, class_names: Sequence[str]
) -> tuple[list[Record], list[tuple[str, str]], list[ScannedFile]]:
    """Returns the records, the rejected files and both together as they were scanned."""
    loose = [*layout.loose, *(file for folder in layout.folders for file in folder.loose)]
    records, rejected, files = [], [(file.path, file.problem or "no class folder") for file in loose], loose
    for folder in layout.folders:
        for name in class_names:
            for file in folder.classes.get(name, ()):
                files.append(file)
                if file.problem:
                    rejected.append((file.path, file.problem))
                else:
                    records.append(Record(file.path, name, folder.split))
    return records, rejected, files


def _absence_warnings(layout: DirectoryLayout, class_names: Sequence[str]) -> list[str]:
    """Warns of classes that are absent from a given split; refuses them in train."""
    warnings = []
    for folder in layout.folders:
        absent = [name for name in class_names if name not in folder.classes]
        if absent and folder.split == features.TRAIN:
            raise ValueError(
                f"Classes without an image in {folder.path!r}: {listed(absent)}. A class can only be learned from "
                f"the train split: add images there, or choose the other classes with `classes`."
            )
        if absent:
            warnings.append(f"Classes without an image in {folder.path!r}: {listed(absent)}.")
    return warnings
