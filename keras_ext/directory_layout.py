"""What the folders of an input mean: splits or classes, by their names and by where the images lie."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keras_ext.features import SPLIT_OF_FOLDER, SPLITS, TRAIN
from keras_ext.image_listing import ImageListing, Record, ScannedFile, listed
from keras_ext.image_source import DirectoryScan, ImageSource

EXPECTED = (
    "Expected <directory>/<class>/<image>, such as images/cats/a.jpg, "
    "or <directory>/<split>/<class>/<image>, such as images/train/cats/a.jpg."
)
UNLABELLED = "Images without labels: `keras-ext predict` classifies them, and in Python labels=None reads them."


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
    def of(cls, input_name: str, path: str, split: str | None, files: Iterable[ScannedFile]) -> "ClassFolders":
        """Sorts the files below `path` by class.

        Raises:
          ValueError: They all lie in the folder itself.
        """
        classes, loose = _by_folder(files, path)
        if not classes:
            where = os.path.join(input_name, path) if path else input_name
            raise ValueError(f"{where!r} holds {len(loose)} images and no class folders. {EXPECTED} {UNLABELLED}")
        return cls(path, split, classes, loose)

    def records(self) -> list[tuple[Record, ScannedFile]]:
        """Returns a record of each file that lies in a class folder."""
        return [(Record(file.path, name, self.split), file) for name, files in self.classes.items() for file in files]


def read_layout(source: ImageSource, split_folders: Mapping[str, str] | None = None, root: str = "") -> ImageListing:
    """Lists a source and says which of its folders are splits and which are classes.

    Args:
      source: The input.
      split_folders: Folder to split, where this is known; by default splits are recognised by their names.
      root: The folder in which the input begins.

    Raises:
      ValueError: There are no images, or they lie where they have no meaning.
    """
    return _named_layout(source, split_folders) if split_folders else _recognised_layout(source, root)


def read_unlabelled(source: ImageSource, root: str = "") -> ImageListing:
    """Lists the images of a source, or of its folder `root`, without any meaning of the folders in it.

    Raises:
      ValueError: There are no images.
    """
    scan = _scan(source, root)
    found = [(Record(file.path, None), file) for file in scan.files]
    return ImageListing("<image>", found, scan.outside, scan.ignored, _link_warnings([scan]))


def _recognised_layout(source: ImageSource, root: str) -> ImageListing:
    scan = _scan(source, root)
    if source.is_archive:
        root = _only_folder(scan.files)
    folders, loose = _by_folder(scan.files, root)
    splits = _split_folders_among(folders)
    warnings = _link_warnings([scan])
    if splits:
        prefix = root + "/" if root else ""
        parts = [ClassFolders.of(source.name, prefix + name, split, folders[name]) for name, split in splits.items()]
        return _listing(parts, [*scan.outside, *loose], scan.ignored, warnings)
    plain = ClassFolders.of(source.name, root, None, scan.files)
    warnings += _split_warnings(plain)
    if not root:
        warnings += _no_class_warnings(scan, plain.classes)
    return _listing([plain], scan.outside, scan.ignored, warnings)


def _only_folder(files: Iterable[ScannedFile]) -> str:
    """Returns the folder below which an archive begins: most are packed with one folder around all.

    A split folder is none, nor is a folder without folders, which would be a class.
    """
    root = ""
    while True:
        folders, loose = _by_folder(files, root)
        name = next(iter(folders), "")
        if loose or len(folders) != 1 or name.lower() in SPLIT_OF_FOLDER:
            return root
        root = f"{root}/{name}" if root else name


def _named_layout(source: ImageSource, split_folders: Mapping[str, str]) -> ImageListing:
    _check_named(split_folders)
    scans = {path: _scan(source, path) for path in split_folders}
    parts = [ClassFolders.of(source.name, path, split, scans[path].files) for path, split in split_folders.items()]
    outside = [file for scan in scans.values() for file in scan.outside]
    return _listing(parts, outside, sum(scan.ignored for scan in scans.values()), _link_warnings(scans.values()))


def _listing(parts: list[ClassFolders], loose: list[ScannedFile], ignored: int, warnings: list[str]) -> ImageListing:
    loose = [*loose, *(file for part in parts for file in part.loose)]
    return ImageListing(
        layout="<split>/<class>/<image>" if parts[0].split else "<class>/<image>",
        found=[pair for part in parts for pair in part.records()],
        loose=[file if file.problem else file._replace(problem="no class folder") for file in loose],
        ignored=ignored,
        warnings=warnings,
        where={part.split: repr(part.path) for part in parts if part.split},
    )


def _scan(source: ImageSource, folder: str) -> DirectoryScan:
    where = os.path.join(source.name, folder) if folder else source.name
    try:
        scan = source.scan(folder)
    except FileNotFoundError as error:
        raise ValueError(f"{error} {EXPECTED}") from None
    if not scan.files and not scan.outside:
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


def _split_warnings(plain: ClassFolders) -> list[str]:
    """Names of classes that look as if splits were meant."""
    classes, prefix = plain.classes, plain.path + "/" if plain.path else ""
    warnings = [
        f"Folder {name!r} is taken as a class, as it lies beside other class folders."
        for name in sorted(classes)
        if name.lower() in SPLIT_OF_FOLDER
    ]
    nested = [frozenset(_by_folder(files, prefix + name)[0]) for name, files in classes.items()]
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
