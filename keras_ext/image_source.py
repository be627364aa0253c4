"""Where images lie, behind one small interface: a folder, an archive, a file system elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from keras_ext.features import IMAGE_EXTENSIONS
from keras_ext.image_listing import ScannedFile

# An example must stay below protobuf's limit of 2 GiB.
MAX_FILE_BYTES = 1 << 29


@dataclass
class DirectoryScan:
    """What lies below a folder; hidden files and folders are not looked at.

    Attributes:
      files: The image files, sorted by path.
      outside: Image files whose names lead out of the input, each with its problem.
      ignored: How many visible files are not images.
      folders_of_ignored: The topmost folders, below the input, in which such files lie.
      linked_folders: Visible symbolic links to folders that were not entered.
    """

    files: list[ScannedFile] = field(default_factory=list)
    outside: list[ScannedFile] = field(default_factory=list)
    ignored: int = 0
    folders_of_ignored: set[str] = field(default_factory=set)
    linked_folders: list[str] = field(default_factory=list)

    def ignore(self, path: str) -> None:
        """Counts a file that is not an image."""
        self.ignored += 1
        folder, slash, _ = path.partition("/")
        if slash:
            self.folders_of_ignored.add(folder)


class ImageSource(Protocol):
    """Lists and reads images. It can be pickled, and read from several threads.

    Attributes:
      name: What the user calls it: a folder, the path of an archive, an address.
      is_archive: Whether it is packed, usually with one folder around all.
      sequential: Whether only the way forward is short: files must be read by rising `position`, not in threads.
    """

    name: str
    is_archive: bool
    sequential: bool

    def scan(self, folder: str = "") -> DirectoryScan:
        """Lists what lies below `folder`; paths are relative to the source itself.

        Raises:
          FileNotFoundError: There is no such folder; the message says so in a sentence.
          ValueError: The source cannot be listed.
        """
        ...

    def find(self, paths: Iterable[str]) -> list[ScannedFile]:
        """Looks named files up, in the order of `paths`; one that is not there has the problem 'no such file'."""
        ...

    def position(self, path: str) -> int:
        """Returns where a file lies among the others: a sequential source is read by rising positions."""
        ...

    def read(self, path: str) -> bytes:
        """Reads a file.

        Raises:
          ImageFileError: This file cannot be read; the message is a short reason.
          OSError: The machine is at fault, not the file.
        """
        ...


def is_image_name(name: str) -> bool:
    """Whether a file is an image by its extension."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in IMAGE_EXTENSIONS
