"""Images in a folder of this machine: listed quickly, read in one go."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator

from keras_ext.image_file import ImageFileError
from keras_ext.image_listing import ScannedFile, printable
from keras_ext.image_source import MAX_FILE_BYTES, DirectoryScan, is_image_name

_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # the latter on Windows alone
# What can befall a single file. Anything else (no memory, too many open files) is the machine's fault and an error.
_REASONS = {
    errno.ENOENT: "vanished while reading",
    errno.ENOTDIR: "vanished while reading",
    errno.EISDIR: "vanished while reading",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "cannot be read from disk",
    errno.ELOOP: "broken link",
}


class LocalFolder:
    """An `ImageSource` of a folder.

    Args:
      directory: The folder.
      follow_links: Whether linked folders are entered, each folder once. Links to files are always followed.
      max_bytes: Larger files are refused.
    """

    sequential = False
    is_archive = False

    def __init__(self, directory: str, follow_links: bool = False, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.name = directory
        self.max_bytes = max_bytes
        self._follow_links = follow_links

    def scan(self, folder: str = "") -> DirectoryScan:
        """Overrides `ImageSource.scan`."""
        where = os.path.join(self.name, folder) if folder else self.name
        if not os.path.isdir(where):
            problem = f"{where!r} is a file." if os.path.exists(where) else f"No such directory: {where!r}."
            raise FileNotFoundError(problem)
        scan = DirectoryScan()
        self._walk(folder, scan)
        scan.files.sort()
        scan.linked_folders.sort()
        return scan

    def find(self, paths: Iterable[str]) -> list[ScannedFile]:
        """Overrides `ImageSource.find`."""
        return [self._find(path) for path in paths]

    def _find(self, path: str) -> ScannedFile:
        try:
            return _scanned(path, os.stat(os.path.join(self.name, path)))
        except (OSError, ValueError):  # a name may hold a zero byte
            return ScannedFile(printable(path), 0, 0, "no such file")

    def position(self, path: str) -> int:
        """Overrides `ImageSource.position`."""
        return 0

    def read(self, path: str) -> bytes:
        """Overrides `ImageSource.read`."""
        return read_file(os.path.join(self.name, path), self.max_bytes)

    def _walk(self, folder: str, scan: DirectoryScan) -> None:
        """Takes in all folders; links come last and in the order of their names, so that it is plain which are new."""
        folders, links = [folder], list[str]()
        entered: set[tuple[int, int]] = set()
        while folders or links:
            path = folders.pop() if folders else links.pop(0)
            try:
                if self._follow_links and not self._is_new(path, entered):
                    scan.linked_folders.append(path)
                    continue
                folders += self._take_in(path, scan, links)
            except OSError as error:
                where = os.path.join(self.name, path)
                raise ValueError(
                    f"Folder {where!r} cannot be listed: {error.strerror}. Make it readable, or take it away."
                ) from error
            links.sort()

    def _is_new(self, folder: str, entered: set[tuple[int, int]]) -> bool:
        """Whether a folder was not entered by another name; from now on it is."""
        status = os.stat(os.path.join(self.name, folder))
        identity = status.st_dev, status.st_ino
        known = identity in entered
        entered.add(identity)
        return not known

    def _take_in(self, folder: str, scan: DirectoryScan, links: list[str]) -> Iterator[str]:
        """Takes in the files of one folder and yields its folders."""
        prefix = folder + "/" if folder else ""
        with os.scandir(os.path.join(self.name, folder)) as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield path
                elif entry.is_dir():
                    (links if self._follow_links else scan.linked_folders).append(path)
                elif is_image_name(entry.name):
                    scan.files.append(_scanned_entry(path, entry))
                else:
                    scan.ignore(path)


def _scanned_entry(path: str, entry: "os.DirEntry[str]") -> ScannedFile:
    try:
        return _scanned(path, entry.stat())
    except OSError:
        return ScannedFile(printable(path), 0, 0, "broken link")


def _scanned(path: str, status: os.stat_result) -> ScannedFile:
    problem = ""
    if printable(path) != path:
        problem = "name is not valid UTF-8"
    elif not stat.S_ISREG(status.st_mode):
        problem = "not a regular file"  # reading a pipe or a device could wait for ever
    return ScannedFile(printable(path), status.st_size, status.st_mtime_ns, problem, stat.S_IMODE(status.st_mode))


def read_file(path: str | bytes, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Reads a file of this machine.

    Raises:
      ImageFileError: The file cannot be used; the message is a short reason.
      OSError: The machine is at fault, not the file.
    """
    try:
        file = os.open(path, _READ_ONLY)  # a Python file object costs as much as opening and reading a small image
        try:
            return _contents(file, max_bytes)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        raise ImageFileError(_REASONS[error.errno]) from error


def _contents(file: int, max_bytes: int) -> bytes:
    size = os.fstat(file).st_size
    if size > max_bytes:
        raise ImageFileError(f"larger than {max_bytes / (1 << 20):g} MiB")
    contents = os.read(file, size)
    while len(contents) < size and (more := os.read(file, size - len(contents))):  # elsewhere a read may fall short
        contents += more
    return contents
