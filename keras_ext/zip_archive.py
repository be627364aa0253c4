"""Zip files, read by their directory."""

import stat
import zipfile
from collections.abc import Iterator
from typing import cast

from keras_ext.archive_source import Archive, Member


class ZipArchive(Archive):
    """A zip file."""

    def _members(self) -> Iterator[Member]:
        infos = self._zip().infolist()
        self._check_unpacked(sum(info.file_size for info in infos))
        for info in infos:
            if not info.is_dir():
                when = int("".join(f"{part:02d}" for part in info.date_time)) * 10**9
                yield Member(_zip_name(info), info.file_size, when, f"{info.CRC:08x}", _zip_problem(info), info)

    def _read(self, place: zipfile.ZipInfo, size: int) -> bytes:
        with self._zip().open(place) as file:
            # Without a size, all that is packed is unpacked before it is cut to what the header says. A header that
            # lies is told by the checksum.
            return file.read(size)

    def _zip(self) -> zipfile.ZipFile:
        with self._lock:
            if self._opened is None:
                self._opened = self._files.enter_context(zipfile.ZipFile(self._files.enter_context(self._file.open())))
            return cast(zipfile.ZipFile, self._opened)


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = info.filename.replace("\\", "/")  # some programs on Windows write these, against the standard
    if info.flag_bits & 0x800:
        return name
    try:  # and others write UTF-8 without saying so
        return name.encode("cp437").decode()
    except UnicodeError:
        return name


def _zip_problem(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link in the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "not a regular file"
    if info.flag_bits & 0x1:
        return "encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "packed by an unsupported method"
    return ""
