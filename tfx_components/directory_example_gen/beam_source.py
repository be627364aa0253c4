"""Images wherever Beam's `FileSystems` reads: gs, s3, hdfs. They show neither links nor empty folders."""

from collections.abc import Iterable
from typing import BinaryIO, NamedTuple, cast

from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from keras_ext.archive import open_archive
from keras_ext.image_file import ImageFileError
from keras_ext.image_input import InputSettings
from keras_ext.image_listing import ScannedFile, printable
from keras_ext.image_source import MAX_FILE_BYTES, DirectoryScan, ImageSource, is_image_name

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class BeamFile(NamedTuple):
    """The file of an archive in such a file system; see `keras_ext.archive_source.ArchiveFile`."""

    path: str

    def open(self) -> BinaryIO:
        """Overrides `ArchiveFile.open`."""
        return _open(self.path)

    def stamp(self) -> tuple[int, int]:
        """Overrides `ArchiveFile.stamp`."""
        [match] = FileSystems.match([self.path])
        if not match.metadata_list:
            raise ValueError(f"No such file: {self.path!r}.")
        [metadata] = match.metadata_list
        return metadata.size_in_bytes, _nanoseconds(metadata)


class BeamFolder:
    """An `ImageSource` of a folder in such a file system.

    Args:
      address: The folder, such as 'gs://bucket/images'.
      max_bytes: Larger files are refused.
    """

    is_archive = False
    sequential = False

    def __init__(self, address: str, max_bytes: int = MAX_FILE_BYTES) -> None:
        if any(character in address for character in "*?["):
            raise ValueError(f"Beam's file systems read '*', '?' and '[' as patterns. Received: {address!r}.")
        self.name = address.rstrip("/")
        self._max_bytes = max_bytes

    def scan(self, folder: str = "") -> DirectoryScan:
        """Overrides `ImageSource.scan`."""
        where = f"{self.name}/{folder}" if folder else self.name
        [match] = FileSystems.match([f"{where}/**"])
        scan = DirectoryScan()
        for metadata in match.metadata_list:
            path = metadata.path[len(self.name) + 1 :]
            if any(part.startswith(".") for part in path.split("/")):
                continue
            if is_image_name(path):
                scan.files.append(_scanned(path, metadata))
            else:
                scan.ignore(path)
        scan.files.sort()
        return scan

    def find(self, paths: Iterable[str]) -> list[ScannedFile]:
        """Overrides `ImageSource.find`."""
        [match] = FileSystems.match([f"{self.name}/**"])
        known = {metadata.path[len(self.name) + 1 :]: metadata for metadata in match.metadata_list}
        return [
            _scanned(path, known[path]) if path in known else ScannedFile(printable(path), 0, 0, "no such file")
            for path in paths
        ]

    def position(self, path: str) -> int:
        """Overrides `ImageSource.position`."""
        return 0

    def read(self, path: str) -> bytes:
        """Overrides `ImageSource.read`."""
        address = f"{self.name}/{path}"
        try:
            with _open(address) as file:
                data = file.read(self._max_bytes + 1)
        except OSError as error:  # BeamIOError among them
            if FileSystems.exists(address):
                raise
            raise ImageFileError("vanished while reading") from error
        if len(data) > self._max_bytes:
            raise ImageFileError(f"larger than {self._max_bytes / (1 << 20):g} MiB")
        return data


def open_elsewhere(address: str, settings: InputSettings) -> ImageSource:
    """Opens a folder or an archive at an address such as 'gs://bucket/images'; see `read_images`."""
    if address.lower().endswith(_ARCHIVES):
        file = BeamFile(address)
        file.stamp()  # refuses what is not there
        return open_archive(file, settings.max_file_bytes, settings.max_unpacked_bytes)
    return BeamFolder(address, settings.max_file_bytes)


def _open(address: str) -> BinaryIO:
    # By default Beam would unpack what is named .gz on its own.
    return cast(BinaryIO, FileSystems.open(address, compression_type=CompressionTypes.UNCOMPRESSED))


def _scanned(path: str, metadata: FileMetadata) -> ScannedFile:
    problem = "" if printable(path) == path else "name is not valid UTF-8"
    return ScannedFile(printable(path), metadata.size_in_bytes, _nanoseconds(metadata), problem)


def _nanoseconds(metadata: FileMetadata) -> int:
    return int(metadata.last_updated_in_seconds * 10**9)
