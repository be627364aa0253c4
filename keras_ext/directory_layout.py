"""What the folders of an input mean: splits or classes, by their names and by where the images lie."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from keras_ext.directory_scan import DirectoryScan, ScannedFile
from keras_ext.features import SPLIT_OF_FOLDER, SPLITS, TRAIN

EXPECTED = (
    "Expected <directory>/<class>/<image>, such as images/cats/a.jpg, "
    "or <directory>/<split>/<class>/<image>, such as images/train/cats/a.jpg."
)


@dataclass(frozen=True)
class ClassFolders:
    """A folder whose folders are classes.

    Attributes:
      path: The folder, relative to the input; '' is the input itself.
      split: The split of the images in it, or None.
      classes: Class name to image files.
      loose: Image files beside the class folders.
    """

    path: str
    split: str | None
    classes: dict[str, list[ScannedFile]]
    loose: list[ScannedFile]

    @classmethod
    def of(cls, path: str, split: str | None, files: Iterable[ScannedFile]) -> "ClassFolders":
        """Sorts the files below `path` by class.

        Raises:
          ValueError: They all lie in the folder itself.
        """
        classes, loose = _by_folder(files, path)
        if not classes:
            where = f"{path!r}" if path else "The input"
            raise ValueError(f"{where} holds {len(loose)} images and no class folders. {EXPECTED}")
        return cls(path, split, classes, loose)


@dataclass(frozen=True)
class DirectoryLayout:
    """The class folders of an input, and what lies beside them.

    Attributes:
      folders: One for each split folder, or one for the input itself.
      loose: Image files beside the split folders.
      ignored: How many visible files are not images.
      warnings: What is unusual, in sentences.
    """

    folders: list[ClassFolders]
    loose: list[ScannedFile] = field(default_factory=list)
    ignored: int = 0
    warnings: list[str] = field(default_factory=list)


def read_layout(directory: str, split_folders: Mapping[str, str] | None = None) -> DirectoryLayout:
    """Scans a folder and says which of its folders are splits and which are classes.

    Args:
      directory: The input.
      split_folders: Folder to split, where this is known; by default splits are recognised by their names.

    Raises:
      ValueError: There are no images, or they lie where they have no meaning.
    """
    if not os.path.isdir(directory):
        problem = f"{directory!r} is a file." if os.path.exists(directory) else f"No such directory: {directory!r}."
        raise ValueError(f"{problem} {EXPECTED}")
    return _named_layout(directory, split_folders) if split_folders else _recognised_layout(directory)


def _recognised_layout(directory: str) -> DirectoryLayout:
    scan = _scan(directory, "")
    folders, loose = _by_folder(scan.files, "")
    splits = _split_folders_among(folders)
    warnings = _link_warnings([scan])
    if splits:
        parts = [ClassFolders.of(path, split, folders[path]) for path, split in splits.items()]
        return DirectoryLayout(parts, loose, scan.ignored, warnings)
    plain = ClassFolders.of("", None, scan.files)
    warnings += _split_warnings(plain.classes) + _no_class_warnings(scan, plain.classes)
    return DirectoryLayout([plain], [], scan.ignored, warnings)


def _named_layout(directory: str, split_folders: Mapping[str, str]) -> DirectoryLayout:
    _check_named(split_folders)
    scans = {path: _scan(directory, path) for path in split_folders}
    parts = [ClassFolders.of(path, split, scans[path].files) for path, split in split_folders.items()]
    ignored = sum(scan.ignored for scan in scans.values())
    return DirectoryLayout(parts, [], ignored, _link_warnings(scans.values()))


def _scan(directory: str, folder: str) -> DirectoryScan:
    where = os.path.join(directory, folder) if folder else directory
    if not os.path.isdir(where):
        raise ValueError(f"No such directory: {where!r}. {EXPECTED}")
    scan = DirectoryScan.of(directory, folder)
    if not scan.files:
        raise ValueError(f"No images found in {where!r}; it holds {scan.ignored} other files. {EXPECTED}")
    return scan


def _by_folder(files: Iterable[ScannedFile], path: str) -> tuple[dict[str, list[ScannedFile]], list[ScannedFile]]:
    """Sorts files by the name of the folder below `path` in which they lie; the second list lies in none."""
    start = len(path) + 1 if path else 0
    folders: dict[str, list[ScannedFile]] = {}
    loose = []
    for file in files:
        name, slash, _ = file.path[start:].partition("/")
        if slash:
            folders.setdefault(name, []).append(file)
        else:
            loose.append(file)
    return folders, loose


def _split_folders_among(folders: Iterable[str]) -> dict[str, str]:
    """Returns the folders that are splits, each with its split; {} where the folders are classes."""
    named = {folder: SPLIT_OF_FOLDER[folder.lower()] for folder in sorted(folders) if folder.lower() in SPLIT_OF_FOLDER}
    others = sorted(set(folders) - set(named))
    if TRAIN in named.values() and len(named) > 1 and others:
        raise ValueError(
            f"The input holds split folders ({listed(named)}) beside other folders ({listed(others)}). "
            f"Move the other folders away, or into the splits as classes. {EXPECTED}"
        )
    if others or not named:
        return {}
    _check_splits(named)
    return named


def _check_named(split_folders: Mapping[str, str]) -> None:
    for path, split in split_folders.items():
        if split not in SPLITS:
            raise ValueError(f"The split of folder {path!r} must be one of {listed(SPLITS)}. Received: {split!r}.")
        if path != os.path.normpath(path) or path == "." or path.startswith(("/", "..")):
            raise ValueError(f"A split folder must be a plain path below the input. Received: {path!r}.")
        if any(other.startswith(path + "/") for other in split_folders):
            raise ValueError(f"A split folder must not hold another one. Received: {listed(split_folders)}.")
    _check_splits(split_folders)


def _check_splits(split_folders: Mapping[str, str]) -> None:
    splits = list(split_folders.values())
    if TRAIN not in splits:
        raise ValueError(f"The input holds split folders ({listed(split_folders)}) but no 'train'. {EXPECTED}")
    for split in SPLITS:
        if splits.count(split) > 1:
            same = [path for path, other in split_folders.items() if other == split]
            raise ValueError(f"Folders {listed(same)} all mean the split {split!r}. Keep one of them.")


def _split_warnings(classes: Mapping[str, list[ScannedFile]]) -> list[str]:
    """Names of classes that look as if splits were meant."""
    warnings = [
        f"Folder {name!r} is taken as a class, as it lies beside other class folders."
        for name in sorted(classes)
        if name.lower() in SPLIT_OF_FOLDER
    ]
    nested = [frozenset(_by_folder(files, name)[0]) for name, files in classes.items()]
    if len(nested) > 1 and len(nested[0]) > 1 and len(set(nested)) == 1:
        warnings.append(
            f"The class folders {listed(sorted(classes))} all hold folders of the same names "
            f"({listed(sorted(nested[0]))}). If they are meant as splits, name them train, val and test."
        )
    return warnings


def _no_class_warnings(scan: DirectoryScan, classes: Iterable[str]) -> list[str]:
    without = sorted(scan.folders_of_ignored - set(classes))
    return [f"Folders that hold other files but no images are no classes: {listed(without)}."] if without else []


def _link_warnings(scans: Iterable[DirectoryScan]) -> list[str]:
    linked = [path for scan in scans for path in scan.linked_folders]
    return [f"Linked folders are not followed: {listed(sorted(linked))}."] if linked else []


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Returns the first names for a sentence: 'a, b, c and 4 more'."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
