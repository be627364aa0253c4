"""Batches of the images of a folder, each class in a folder of its own."""

import difflib
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ext.choices import check_choice
from keras_ext.directory_index import DirectoryIndex
from keras_ext.directory_layout import read_unlabelled
from keras_ext.generators.file_iterator import FileIterator, class_targets
from keras_ext.generators.image_files import ImageFiles
from keras_ext.generators.image_iterator import FlowOptions
from keras_ext.generators.image_processing import ImageProcessing
from keras_ext.image_listing import listed
from keras_ext.image_source import DirectoryScan
from keras_ext.local_folder import LocalFolder

CLASS_MODES = ("categorical", "binary", "sparse", "input")

_HERE = ("", ".")


class DirectoryIterator(FileIterator):
    """What `ImageDataGenerator.flow_from_directory` returns.

    Attributes:
      classes: The class index of each image, int32 `(samples,)`.
      labels: The same.
      num_classes: The number of classes.
    """

    def __init__(
        self,
        generator: ImageProcessing,
        directory: str | os.PathLike[str],
        files: ImageFiles,
        classes: Sequence[str] | None,
        class_mode: str | None,
        follow_links: bool,
        options: FlowOptions,
    ) -> None:
        if class_mode is not None:
            check_choice("class_mode", class_mode, CLASS_MODES)
        if isinstance(classes, str):
            raise TypeError(f"classes must be a list of class names. Received: classes={classes!r}.")
        if not isinstance(directory, str | os.PathLike):
            raise TypeError(f"directory must be the path of a folder. Received: directory={directory!r}.")
        directory = os.fspath(directory)
        folder = _Folder(directory, follow_links)
        index = DirectoryIndex.from_listing(folder, read_unlabelled(folder))
        for message in index.warnings:
            warnings.warn(message, stacklevel=3)
        paths = [record.path for record in index.records]
        by_class, loose = _by_class(directory, paths, classes, needed=class_mode in ("categorical", "binary", "sparse"))
        if class_mode == "binary" and len(by_class) != 2:
            raise ValueError(
                f"class_mode='binary' needs two classes. Found {len(by_class)}: {listed(map(repr, by_class))}."
            )
        chosen = [names[slice(*generator.part(options.subset, len(names)))] for names in by_class.values()]
        self.class_indices = {name: i for i, name in enumerate(by_class)}
        self.num_classes = len(by_class)
        self._classes = np.repeat(np.arange(len(chosen), dtype=np.int32), [len(names) for names in chosen])
        filenames = [name for names in chosen for name in names]
        rejected = [*index.rejected, *((path, "no class folder") for path in loose)]
        super().__init__(generator, directory, filenames, files, class_mode, options, rejected)
        _report(len(filenames), len(by_class), len(rejected))

    @property
    def classes(self) -> np.ndarray:
        """The class index of each image."""
        return self._kept(self._classes)

    @property
    def labels(self) -> np.ndarray:
        """The class index of each image."""
        return self.classes

    def _targets(self, images: np.ndarray, positions: np.ndarray) -> Any:
        if self.class_mode == "input":
            return super()._targets(images, positions)
        return class_targets(self.class_mode, self._classes[positions], self.num_classes, self.dtype)


class _Folder(LocalFolder):
    """A folder of class folders, which may always be links; whether those below are entered, the argument says."""

    def scan(self, folder: str = "") -> DirectoryScan:
        scan = super().scan(folder)
        linked = [name for name in scan.linked_folders if "/" not in name]
        for name in linked:
            below = super().scan(name)
            scan.files += below.files
            scan.ignored += below.ignored
            scan.linked_folders += below.linked_folders
        scan.linked_folders = [name for name in scan.linked_folders if name not in linked]
        return scan


def _by_class(
    directory: str, paths: Sequence[str], classes: Sequence[str] | None, needed: bool
) -> tuple[dict[str, list[str]], list[str]]:
    """Returns class name to files, as `ImageDataGenerator` always sorted them, and the files outside of class folders.

    Where labels are not needed, images that lie in no folder are all of one class.
    """
    paths = sorted(paths, key=lambda path: path.rpartition("/")[::2])
    if classes and all(name in _HERE for name in classes):
        return {classes[0]: list(paths)}, []
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.partition("/")[0] if "/" in path else "", []).append(path)
    loose = folders.pop("", [])
    if not folders and needed:
        raise ValueError(
            f"{directory!r} holds {len(loose)} images and no class folders. Expected <directory>/<class>/<image>. "
            "Pass class_mode=None for images without labels, or the folder above this one."
        )
    if not folders:
        return {"": loose}, []
    if classes:
        _check_classes(directory, folders, classes)
    return {name: folders.get(name, []) for name in classes or sorted(folders)}, loose


def _check_classes(directory: str, folders: Mapping[str, list[str]], classes: Sequence[str]) -> None:
    if len(set(classes)) < len(classes):
        raise ValueError(f"classes must name each class once. Received: {listed(map(repr, classes))}.")
    absent = [name for name in classes if name not in folders]
    unused = [name for name in folders if name not in classes]
    missing = [name for name in absent if not os.path.isdir(os.path.join(directory, name))]
    if missing and unused:
        near = difflib.get_close_matches(missing[0], unused, n=1, cutoff=0)
        raise ValueError(
            f"classes lists {missing[0]!r}, but {directory!r} has no such folder. Did you mean {near[0]!r}? A class "
            "without images here needs an empty folder."
        )
    if len(absent) == len(classes):
        raise ValueError(f"None of the classes has an image in {directory!r}. Received: classes={list(classes)}.")
    if absent:
        warnings.warn(f"Classes without an image in {directory!r}: {listed(map(repr, absent))}.", stacklevel=5)


def _report(found: int, classes: int, rejected: int) -> None:
    left_out = f" {rejected} files are left out: see `.rejected`." if rejected else ""
    print(f"Found {found} images belonging to {classes} classes.{left_out}")
