"""What archives have in common: how they are listed, what in them is refused, and how damage is told."""

import contextlib
import errno
import functools
import gzip
import os
import re
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

from keras_ext.image_file import ImageFileError
from keras_ext.image_listing import ScannedFile, printable
from keras_ext.image_source import DirectoryScan, is_image_name

# Images hardly shrink. What unpacks to a hundred times its size, and more than a GiB, is taken for a bomb.
_MAX_GROWTH: Final = 100
_ALWAYS_ALLOWED: Final = 1 << 30
# What the libraries raise over damaged archives, beside the OSError of a place before the file's beginning.
_DAMAGED: Final = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, gzip.BadGzipFile, EOFError, NotImplementedError,
    OverflowError, RuntimeError, UnicodeError,
)  # fmt: skip


class ArchiveFile(Protocol):
    """The file of an archive, wherever it is. It can be hashed and pickled."""

    @property
    def path(self) -> str:
        """What the user calls it."""
        ...

    def open(self) -> BinaryIO:
        """Opens it for reading and seeking."""
        ...

    def stamp(self) -> tuple[int, int]:
        """Returns its size in bytes and when it was last changed, in nanoseconds."""
        ...

    def __hash__(self) -> int: ...


class LocalFile(NamedTuple):
    """An archive on this machine."""

    path: str

    def open(self) -> BinaryIO:
        """Overrides `ArchiveFile.open`."""
        return open(self.path, "rb")

    def stamp(self) -> tuple[int, int]:
        """Overrides `ArchiveFile.stamp`."""
        status = os.stat(self.path)
        return status.st_size, status.st_mtime_ns


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
      name: As the archive has it.
      place: What reads it: a `ZipInfo`, or where it begins in a tar.
    """

    name: str
    size: int
    mtime_ns: int
    digest: str
    problem: str
    place: Any


@dataclass
class Contents:
    """What lies in an archive: the listing, and the members by path."""

    scan: DirectoryScan = field(default_factory=DirectoryScan)
    members: dict[str, Member] = field(default_factory=dict)


class Limits(NamedTuple):
    """How large a file in an archive, and all of them together, may be; see `open_archive`."""

    file_bytes: int
    unpacked_bytes: int | None


class Archive:
    """An `ImageSource` of an archive.

    What a careless program would write outside of the folder that it unpacks to (absolute paths, '..', links,
    devices) has a problem here, and nothing is ever written. Make it with `open_archive`.
    """

    is_archive = True
    sequential = False

    def __init__(self, file: ArchiveFile, limits: Limits) -> None:
        self.name = file.path
        self._file = file
        self._limits = limits
        self._opened: Any = None
        self._files = contextlib.ExitStack()
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[ArchiveFile, Limits]:
        return self._file, self._limits

    def __setstate__(self, state: tuple[ArchiveFile, Limits]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __del__(self) -> None:
        self._files.close()

    def scan(self, folder: str = "") -> DirectoryScan:
        """Overrides `ImageSource.scan`."""
        scan = self._contents.scan
        if not folder:
            return scan
        files = [file for file in scan.files if file.path.startswith(folder + "/")]
        if not files:
            raise FileNotFoundError(f"No such folder in {self.name!r}: {folder!r}.")
        return DirectoryScan(files, scan.outside, scan.ignored, scan.folders_of_ignored)

    def find(self, paths: Iterable[str]) -> list[ScannedFile]:
        """Overrides `ImageSource.find`."""
        members = self._contents.members
        return [
            _scanned(path, members[path]) if path in members else ScannedFile(printable(path), 0, 0, "no such file")
            for path in paths
        ]

    def position(self, path: str) -> int:
        """Overrides `ImageSource.position`."""
        return 0

    def read(self, path: str) -> bytes:
        """Overrides `ImageSource.read`."""
        member = self._contents.members[path]
        try:
            return self._read(member.place, member.size)
        except (OSError, ValueError, *_DAMAGED) as error:
            if isinstance(error, OSError) and not _is_damage(error):
                raise
            raise ImageFileError("damaged in the archive") from error

    @functools.cached_property
    def _contents(self) -> Contents:
        # mypy takes a class for something that cannot be hashed.
        return _contents(type(self), self._file, self._file.stamp(), self._limits)  # type: ignore[arg-type]

    def _members(self) -> Iterator[Member]:
        """Lists the files, other things than files left out."""
        raise NotImplementedError

    def _read(self, place: Any, size: int) -> bytes:
        raise NotImplementedError

    @functools.cached_property
    def _limit(self) -> int:
        return self._limits.unpacked_bytes or max(_MAX_GROWTH * self._file.stamp()[0], _ALWAYS_ALLOWED)

    def _check_unpacked(self, unpacked: int) -> None:
        if unpacked > self._limit:
            raise ValueError(
                f"{self.name!r} would unpack to more than {self._limit / (1 << 30):.3g} GiB, as archive bombs do. "
                "Raise the limit (max_unpacked_bytes) if it is none."
            )


@functools.lru_cache(maxsize=2)  # a run lists its archive several times, and reads it by the listing
def _contents(
    kind: type[Archive],
    file: ArchiveFile,
    stamp: tuple[int, int],  # noqa: ARG001 - a file that changed is listed again
    limits: Limits,
) -> Contents:
    contents = Contents()
    archive = kind(file, limits)
    try:
        for member in archive._members():  # noqa: SLF001 - of the class above
            _take_in(contents, member, limits.file_bytes)
    except (OSError, *_DAMAGED) as error:
        if not _is_damage(error):
            raise
        raise ValueError(f"{file.path!r} is damaged: {str(error) or 'it ends too early'}.") from error
    scanned = [_scanned(path, member) for path, member in contents.members.items()]
    contents.scan.files = sorted(file for file in scanned if is_image_name(file.path))
    contents.scan.ignored += len(scanned) - len(contents.scan.files)
    return contents


def _is_damage(error: Exception) -> bool:
    return isinstance(error, _DAMAGED) or (isinstance(error, OSError) and error.errno == errno.EINVAL)


def _take_in(contents: Contents, member: Member, max_bytes: int) -> None:
    path, safe = _plain_path(member.name)
    if any(part.startswith(".") and part != ".." for part in path.split("/")):
        return
    if not safe:
        if is_image_name(path):
            contents.scan.outside.append(_scanned(member.name, member._replace(problem="unsafe path in the archive")))
        else:
            contents.scan.ignored += 1
        return
    if member.size > max_bytes and not member.problem:
        member = member._replace(problem=f"larger than {max_bytes / (1 << 20):g} MiB")
    if path in contents.members:
        earlier = contents.members.pop(path)
        contents.scan.outside.append(_scanned(path, earlier._replace(problem="listed twice in the archive")))
    contents.members[path] = member


def _scanned(path: str, member: Member) -> ScannedFile:
    problem = member.problem or ("" if printable(path) == path else "name is not valid UTF-8")
    return ScannedFile(printable(path), member.size, member.mtime_ns, problem, 0, member.digest)


def _plain_path(name: str) -> tuple[str, bool]:
    """Returns the path without '.' and empty parts, and whether it stays inside."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts), not (name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name))
