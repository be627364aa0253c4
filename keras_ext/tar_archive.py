"""Tar files, plain or packed by gzip."""

import contextlib
import gzip
import math
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, cast

from keras_ext.archive_source import Archive, Member

_CHUNK: Final = 1 << 20
_MAX_HEADER: Final = 1 << 24  # no name is longer; an archive may claim so, to fill the memory


class TarArchive(Archive):
    """A tar file: members are read by their positions."""

    def _members(self) -> Iterator[Member]:
        with contextlib.ExitStack() as files:
            file = self._open(files)
            reader = _TarReader(file, self._check_unpacked)
            stamp = "-".join(map(str, self._file.stamp()))  # a tar has no checksums of its files
            for info in reader.members():
                digest = reader.checksum(info) if self.sequential else stamp
                if not info.isdir():
                    when = int(info.mtime * 10**9) if math.isfinite(info.mtime) else 0
                    yield Member(info.name, info.size, when, digest, _tar_problem(info), info.offset_data)

    def _open(self, files: contextlib.ExitStack) -> BinaryIO:
        return files.enter_context(self._file.open())

    def _read(self, place: int, size: int) -> bytes:
        with self._lock:
            if self._opened is None or (self.sequential and place < self._opened.tell()):
                self._files.close()
                self._opened = self._open(self._files)
            if self.sequential:
                _skip(self._opened, place - self._opened.tell())
            else:
                self._opened.seek(place)
            data = self._opened.read(size)
        if len(data) < size:
            raise EOFError
        return cast(bytes, data)


class TarStream(TarArchive):
    """A tar.gz file: one stream, in which only the way forward is short."""

    sequential = True

    def position(self, path: str) -> int:
        """Overrides `ImageSource.position`."""
        return int(self._contents.members[path].place)

    def _open(self, files: contextlib.ExitStack) -> BinaryIO:
        return cast(BinaryIO, files.enter_context(gzip.GzipFile(fileobj=super()._open(files))))


def _tar_problem(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "link in the archive"
    return "" if info.isreg() and not info.issparse() else "not a regular file"


class _TarReader:
    """Lists a tar with `tarfile`, and gives it a file that only moves forward and never reads much at once."""

    def __init__(self, file: BinaryIO, check_unpacked: Callable[[int], None]) -> None:
        self._file = file
        self._check = check_unpacked
        self._last = b""

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yields the members.

        Raises:
          EOFError: The file ends, or is no tar any more, before its end is marked.
        """
        with tarfile.TarFile(fileobj=cast(BinaryIO, self)) as tar:
            while info := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]
                yield info
        # `tarfile` takes anything that is no header for the end.
        if self._last.strip(b"\0"):
            raise EOFError
        while self._file.read(_CHUNK):  # up to the checksum of a tar.gz
            self._check(self._file.tell())

    def checksum(self, info: tarfile.TarInfo) -> str:
        """Reads a member through and returns its checksum."""
        self.seek(info.offset_data)
        left, checksum = info.size if info.isreg() else 0, 0
        while left:
            chunk = self.read(min(left, _CHUNK))
            if not chunk:
                raise EOFError
            left -= len(chunk)
            checksum = zlib.crc32(chunk, checksum)
        return f"{checksum:08x}"

    def tell(self) -> int:
        """As a file does."""
        return self._file.tell()

    def read(self, size: int) -> bytes:
        """As a file does."""
        if size > _MAX_HEADER:
            raise tarfile.ReadError("a header is too large")
        self._last = self._file.read(size)
        self._check(self._file.tell())
        return self._last

    def seek(self, position: int) -> None:
        """As a file does."""
        if self._file.seekable() and not isinstance(self._file, gzip.GzipFile):
            self._file.seek(position)
            return
        _skip(self._file, position - self._file.tell(), self._check)


def _skip(file: BinaryIO, count: int, check: Callable[[int], None] | None = None) -> None:
    while count > 0 and (chunk := file.read(min(count, _CHUNK))):
        count -= len(chunk)
        if check is not None:
            check(file.tell())
