"""The image files below a folder: names, sizes and times, found quickly and without opening any file."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from keras_ext.features import IMAGE_EXTENSIONS


class ScannedFile(NamedTuple):
    """One file with an image extension.

    Attributes:
      path: Relative to the input, with '/' between folders.
      size: In bytes.
      mtime_ns: When it was last changed.
      problem: Why it cannot be used, or '' if nothing is known against it.
      mode: Its permissions.
    """

    path: str
    size: int
    mtime_ns: int
    problem: str = ""
    mode: int = 0


@dataclass
class DirectoryScan:
    """What lies below a folder: hidden files and folders are not looked at, linked folders not entered.

    Attributes:
      files: The image files, sorted by path.
      ignored: How many visible files are not images.
      folders_of_ignored: The topmost folders, below the input, in which such files lie.
      linked_folders: Visible symbolic links to folders.
    """

    files: list[ScannedFile] = field(default_factory=list)
    ignored: int = 0
    folders_of_ignored: set[str] = field(default_factory=set)
    linked_folders: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, directory: str, folder: str = "") -> "DirectoryScan":
        """Scans `directory`/`folder`; the paths are relative to `directory`."""
        scan = cls()
        folders = [folder]
        while folders:
            folders += scan._read(directory, folders.pop())
        scan.files.sort()
        return scan

    def _read(self, directory: str, folder: str) -> Iterator[str]:
        """Takes in the files of one folder and yields its folders."""
        prefix = folder + "/" if folder else ""
        with os.scandir(os.path.join(directory, folder)) as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield path
                elif entry.is_dir():
                    self.linked_folders.append(path)
                elif os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS:
                    self.files.append(_scanned(path, entry))
                else:
                    self.ignored += 1
                    self.folders_of_ignored.update(path.split("/")[:-1][:1])


def _scanned(path: str, entry: os.DirEntry[str]) -> ScannedFile:
    try:
        status = entry.stat()
    except OSError:
        return ScannedFile(printable(path), 0, 0, "broken link")
    problem = ""
    if printable(path) != path:
        problem = "name is not valid UTF-8"
    elif not stat.S_ISREG(status.st_mode):
        problem = "not a regular file"  # reading a pipe or a device could wait for ever
    return ScannedFile(printable(path), status.st_size, status.st_mtime_ns, problem, stat.S_IMODE(status.st_mode))


def printable(path: str) -> str:
    """Returns `path` with the bytes that are no UTF-8 escaped, so that it can be stored and shown."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def fingerprint_of(files: Iterable[ScannedFile]) -> str:
    """Returns SHA-256 (hex) over paths, sizes, times and permissions.

    It is another one after a file was added, removed, moved or edited, or became readable.
    """
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\0{file.mode}\0".encode())
    return digest.hexdigest()
