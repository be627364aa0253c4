"""What a reading of an input yields, whatever its layout: records, and the files behind them."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from keras_ext.features import SPLIT_OF_FOLDER

# Control characters, line and paragraph separators, and what turns the direction of text around.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Record:
    """One image.

    Attributes:
      path: Where the image is, relative to the input, with '/' between folders.
      label: The name of its class, or None where the input is unlabelled.
      split: 'train', 'eval' or 'test' where the input says so, otherwise None.
      group: What must stay in one split (a patient, a scene), or None.
      weight: A sample weight, or None.
      columns: Pairs (name, text) of the further columns that were asked for and have a value.
    """

    path: str
    label: str | None
    split: str | None = None
    group: str | None = None
    weight: float | None = None
    columns: tuple[tuple[str, str], ...] = ()


class ScannedFile(NamedTuple):
    """One file, as a listing shows it; nothing was opened.

    Attributes:
      path: Relative to the input, with '/' between folders.
      size: In bytes.
      mtime_ns: When it was last changed.
      problem: Why it cannot be used, or '' if nothing is known against it.
      mode: Its permissions.
      digest: What is known of its content: a checksum, or ''.
      row: What a manifest says of it.
    """

    path: str
    size: int
    mtime_ns: int
    problem: str = ""
    mode: int = 0
    digest: str = ""
    row: str = ""


@dataclass
class ImageListing:
    """The images of an input, before classes are chosen.

    Attributes:
      layout: How the input was read, such as '<class>/<image>'.
      found: Records with their files; a file with a problem is not used.
      loose: Files without a place in the layout, each with its problem.
      ignored: How many visible files are not images.
      warnings: What is unusual, in sentences.
      where: Split to where it comes from, for messages.
    """

    layout: str
    found: list[tuple[Record, ScannedFile]]
    loose: list[ScannedFile] = field(default_factory=list)
    ignored: int = 0
    warnings: list[str] = field(default_factory=list)
    where: dict[str, str] = field(default_factory=dict)


def fingerprint_of(files: Iterable[ScannedFile]) -> str:
    """Returns SHA-256 (hex) over paths, sizes, times, permissions and known checksums.

    It is another one after a file was added, removed, moved or edited, or became readable.
    """
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\0{file.mode}\0{file.digest}\0{file.row}\0".encode())
    return digest.hexdigest()


def split_named(name: str, where: str) -> str:
    """Returns the split that a name means: 'eval' for 'val'.

    Args:
      name: 'train', 'eval', 'val', 'valid', 'validation' or 'test', in any case.
      where: Who says so; the error begins with it.

    Raises:
      ValueError: It is no such name.
    """
    if name.lower() not in SPLIT_OF_FOLDER:
        raise ValueError(f"{where}: the split must be one of {', '.join(SPLIT_OF_FOLDER)}. Received: {name!r}.")
    return SPLIT_OF_FOLDER[name.lower()]


def printable(path: str) -> str:
    """Returns `path` with what is no UTF-8 escaped, so that it can be stored and shown."""
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a pair, which no file system gives but JSON may
        return path.encode("utf-8", "backslashreplace").decode()


def one_line(text: str) -> str:
    """Returns `text` with what would break a line, or steer a terminal, escaped: names may hold anything."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Returns the first names for a sentence: 'a, b, c and 4 more'."""
    names = [one_line(name) for name in names]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
