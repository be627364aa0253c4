"""Images in a zip, tar or tar.gz file, read where they lie: nothing is unpacked to disk."""

from typing import Final

from keras_ext.archive_source import Archive, ArchiveFile, Limits, LocalFile
from keras_ext.image_source import MAX_FILE_BYTES
from keras_ext.tar_archive import TarArchive, TarStream
from keras_ext.zip_archive import ZipArchive

# First bytes, where they are, and what they belong to.
_KINDS: Final[tuple[tuple[bytes, int, type[Archive]], ...]] = (
    (b"PK", 0, ZipArchive),
    (b"\x1f\x8b", 0, TarStream),
    (b"ustar", 257, TarArchive),
)


def open_archive(
    file: ArchiveFile | str, max_file_bytes: int = MAX_FILE_BYTES, max_unpacked_bytes: int | None = None
) -> Archive:
    """Returns an archive as an `ImageSource`; its content says what it is.

    Args:
      file: A path, or the file of an archive that lies elsewhere.
      max_file_bytes: Larger files in it are refused.
      max_unpacked_bytes: If all files together are larger, the archive is refused. By default 100 times the size of
        the archive, and 1 GiB at least.

    Raises:
      ValueError: It is no such archive.
    """
    file = LocalFile(file) if isinstance(file, str) else file
    with file.open() as opened:
        start = opened.read(512)
    for magic, at, kind in _KINDS:
        if start.startswith(magic, at):
            return kind(file, Limits(max_file_bytes, max_unpacked_bytes))
    raise ValueError(f"{file.path!r} is no archive of images. Expected a zip, tar or tar.gz file.")
