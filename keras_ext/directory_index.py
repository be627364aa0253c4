"""Labelled images, read as a list of records: what there is, before any image is opened."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_ext import features
from keras_ext.directory_layout import EXPECTED, read_layout, read_unlabelled
from keras_ext.image_file import ImageFileError
from keras_ext.image_listing import ImageListing, Record, ScannedFile, fingerprint_of, listed
from keras_ext.image_source import ImageSource
from keras_ext.local_folder import LocalFolder
from keras_ext.manifest import read_manifest

__all__ = ["DirectoryIndex", "Record"]


@dataclass(frozen=True)
class DirectoryIndex:
    """The images of a folder or another source, with their labels.

    Two layouts are read; folders may be nested below a class:

        images/cats/a.jpg               images/train/cats/a.jpg
        images/cats/outdoors/b.png      images/train/dogs/b.jpg
        images/dogs/c.jpg               images/val/cats/c.jpg

    The second one is meant where all folders that hold images have names of splits (`train`, `eval`, `val`, `valid`,
    `validation`, `test`, in any case) and `train` is among them. Hidden files and folders (leading '.') are not
    looked at, folders without images are no classes, and symbolic links are followed to files but not to folders.

    Attributes:
      directory: The folder.
      records: The images that can be used, sorted by path.
      class_names: The names of the classes; the index of a class is its position. () where nothing has a label.
      given_splits: The splits that the input gives, or () where it gives none.
      rejected: Pairs (path, reason) of image files that cannot be used, sorted by path.
      ignored: How many visible files are not images.
      size_bytes: The total size of the image files.
      fingerprint: SHA-256 over the paths, sizes and modification times of the image files.
      warnings: What is unusual, in sentences.
      layout: How the input was read, such as '<class>/<image>'.
      source: Reads the images: `index.source.read(record.path)` returns the bytes of a file.
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
    layout: str = "<class>/<image>"
    source: ImageSource = field(default_factory=lambda: LocalFolder(""), compare=False)

    @property
    def found(self) -> int:
        """How many image files there are, used or rejected."""
        return len(self.records) + len(self.rejected)

    @classmethod
    def from_directory(
        cls,
        directory: str | os.PathLike[str],
        classes: Sequence[str] | None = None,
        split_folders: Mapping[str, str] | None = None,
        *,
        labels: str | None = "inferred",
        follow_links: bool = False,
    ) -> "DirectoryIndex":
        """Reads the names, sizes and times of the files below a folder; opens no file.

        Args:
          directory: The folder.
          classes: The classes to use, in the order of their index. By default all class folders, sorted by name.
          split_folders: Folder (relative to `directory`) to split ('train', 'eval' or 'test'), where the names alone
            do not say it. By default the layout is recognised.
          labels: 'inferred' from the folders, or None where the images have no labels; folders then mean nothing.
          follow_links: Whether linked folders are entered, each folder once.

        Raises:
          ValueError: The folder does not hold images of at least two classes in one of the layouts.
        """
        if labels not in ("inferred", None):
            raise ValueError(f"labels must be 'inferred' or None. Received: labels={labels!r}.")
        if labels is None and (classes or split_folders):
            raise ValueError("classes and split_folders have no meaning with labels=None. Leave them out.")
        source = LocalFolder(os.fspath(directory), follow_links)
        listing = read_layout(source, split_folders) if labels else read_unlabelled(source)
        return cls.from_listing(source, listing, classes)

    @classmethod
    def from_manifest(
        cls,
        manifest: Any,
        directory: str | os.PathLike[str] | None = None,
        *,
        columns: Mapping[str, str | None] | None = None,
        classes: Sequence[str] | None = None,
        extra_columns: Sequence[str] = (),
    ) -> "DirectoryIndex":
        """Reads a table of images: a row names a file and its label, and optionally split, group and weight.

        A row that cannot be used, as its file is missing or it has no label, is in `rejected`.

        Args:
          manifest: The path of a .csv, .jsonl or .parquet file, or a table: a pandas DataFrame, or a mapping of column
            names to sequences.
          directory: What paths are relative to. By default the folder of the manifest; a table needs it, or absolute
            paths.
          columns: 'path', 'label', 'split', 'group' and 'weight' to the names of the columns, where these are others;
            `{"label": None}` reads images without labels.
          classes: The classes to use, in the order of their index. By default all labels, sorted.
          extra_columns: Further columns, such as the camera, that records keep as texts, to judge slices of images by.

        Raises:
          ValueError: The table cannot be read, a column is missing, or a value has no meaning.

        Example:

        >>> table = {"path": ["/data/1.png", "/data/2.png"], "label": ["cat", "dog"]}
        >>> index = DirectoryIndex.from_manifest(table)
        """
        rows = read_manifest(manifest, columns, extra_columns=extra_columns)
        source = LocalFolder(rows.directory if directory is None else os.fspath(directory))
        return cls.from_listing(source, rows.listing(source), classes)

    @classmethod
    def from_listing(
        cls,
        source: ImageSource,
        listing: ImageListing,
        classes: Sequence[str] | None = None,
        *,
        by_content: bool = False,
    ) -> "DirectoryIndex":
        """Chooses the classes of what was listed.

        Args:
          source: Where the images lie.
          listing: What is in it.
          classes: The classes to use, in the order of their index. By default all, sorted.
          by_content: Whether the fingerprint is that of paths and contents, which have to be read for it, and not of
            sizes and times.

        Raises:
          ValueError: There are not two classes, one of `classes` has no image, or a class has none to learn from.
        """
        class_names, warnings = _class_names(source.name, listing, _checked_classes(classes))
        chosen = set(class_names)
        found = [(record, file) for record, file in listing.found if record.label is None or record.label in chosen]
        files = [*listing.loose, *(file for _, file in found)]
        splits = {record.split for record, _ in found}
        return cls(
            directory=source.name,
            records=tuple(sorted((record for record, file in found if not file.problem), key=lambda one: one.path)),
            class_names=class_names,
            given_splits=tuple(split for split in features.SPLITS if split in splits),
            rejected=tuple(sorted((file.path, file.problem) for file in files if file.problem)),
            ignored=listing.ignored,
            size_bytes=sum(file.size for file in files),
            fingerprint=fingerprint_of(_with_content(source, files) if by_content else files),
            warnings=(*listing.warnings, *warnings, *_absence_warnings(listing, class_names)),
            layout=listing.layout,
            source=source,
        )


def _with_content(source: ImageSource, files: Iterable[ScannedFile]) -> Iterator[ScannedFile]:
    """Replaces what is known of files, but for their paths, by their contents."""
    unusable = [file for file in files if file.problem]
    usable = sorted((file for file in files if not file.problem), key=lambda file: source.position(file.path))
    yield from (ScannedFile(file.path, 0, 0, file.problem, row=file.row) for file in unusable)
    for file in usable:
        try:
            digest = hashlib.sha256(source.read(file.path)).hexdigest()
        except ImageFileError as error:
            digest = str(error)
        yield ScannedFile(file.path, 0, 0, digest=digest, row=file.row)


def _checked_classes(classes: Sequence[str] | None) -> Sequence[str] | None:
    if isinstance(classes, str):
        raise TypeError(f"classes must be a list of class names. Received: classes={classes!r}.")
    return classes


def _class_names(where: str, listing: ImageListing, classes: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """Returns the classes to use, and a warning where some are left out."""
    found = sorted({record.label for record, _ in listing.found if record.label is not None})
    if not found and classes is None and all(record.label is None for record, _ in listing.found):
        return (), []
    names = found if classes is None else list(classes)
    absent = [name for name in names if name not in found]
    if absent:
        raise ValueError(f"classes names classes without images: {listed(absent)}. Found: {listed(found)}.")
    if len(set(names)) < len(names):
        raise ValueError(f"classes must name each class once. Received: {listed(names, limit=20)}.")
    if len(names) < 2:
        expected = f" {EXPECTED}" if listing.layout.startswith("<") else ""
        raise ValueError(f"fewer than two classes: found images of {listed(names)!r} only in {where!r}.{expected}")
    unused = [name for name in found if name not in set(names)]
    return tuple(names), [f"Classes that `classes` does not name are left out: {listed(unused)}."] if unused else []


def _absence_warnings(listing: ImageListing, class_names: Sequence[str]) -> list[str]:
    """Warns of classes that are absent from a given split; refuses them in train."""
    present = {(record.split, record.label) for record, _ in listing.found}
    warnings = []
    for split, where in listing.where.items():
        absent = [name for name in class_names if (split, name) not in present]
        if absent and split == features.TRAIN:
            raise ValueError(
                f"Classes without an image in {where}: {listed(absent)}. A class can only be learned from "
                f"the train split: add images there, or choose the other classes with `classes`."
            )
        if absent:
            warnings.append(f"Classes without an image in {where}: {listed(absent)}.")
    return warnings
