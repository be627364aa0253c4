"""What a user may pass as images: a folder, several, an archive, its address, or a manifest."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from keras_ext.archive import open_archive
from keras_ext.choices import check_choice
from keras_ext.directory_index import DirectoryIndex
from keras_ext.directory_layout import EXPECTED, read_layout, read_unlabelled
from keras_ext.download import MAX_BYTES, check_sha256, downloaded, is_address
from keras_ext.file_pattern import check_pattern, read_pattern
from keras_ext.image_file import MAX_PIXELS
from keras_ext.image_listing import ImageListing, listed
from keras_ext.image_source import MAX_FILE_BYTES, ImageSource
from keras_ext.local_folder import LocalFolder
from keras_ext.manifest import Manifest, is_manifest, read_manifest, read_manifest_in

FINGERPRINTS: Final = ("time", "content")

_MEANT: Final = ("class", "group")  # what slices of an evaluation are called in any case


@dataclass(frozen=True)
class InputSettings:
    """How images are found and read, wherever they lie.

    Args:
      classes: The classes to use, in the order of their index. By default all that are found, sorted by name.
      manifest: A .csv, .jsonl or .parquet file that names the images and their labels; its paths are relative to the
        images. A manifest passed as the images itself, or that lies in the archive or at the address of the images,
        names files relative to its own folder.
      columns: The columns of the manifest; see `DirectoryIndex.from_manifest`.
      extra_columns: Further columns of the manifest, or named groups of the pattern, that examples keep as texts.
      pattern: A regular expression for paths, with the named groups label, split and group; see
        `keras_ext.file_pattern.check_pattern`.
      labelled: Whether the images have labels. Without, folders mean nothing.
      follow_links: Whether linked folders are entered, each folder once.
      fingerprint: 'time' takes a file for unchanged that has the same path, size and time; 'content' reads everything,
        and then times do not count.
      sha256: What an archive that is fetched from an address must be, in hexadecimal.
      cache_dir: Where archives that are fetched are kept; see `keras_ext.download.downloaded`.
      max_file_bytes: Larger files are rejected.
      max_unpacked_bytes: Archives that unpack to more are refused; see `keras_ext.archive.open_archive`.
      max_pixels: Images of more pixels are rejected, before they are decoded.

    Raises:
      ValueError: A setting has no meaning, or two exclude each other.
    """

    classes: Sequence[str] | None = None
    manifest: str | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)
    extra_columns: Sequence[str] = field(default_factory=list)
    pattern: str | None = None
    labelled: bool = True
    follow_links: bool = False
    fingerprint: str = "time"
    sha256: str | None = None
    cache_dir: str | None = None
    max_file_bytes: int = MAX_FILE_BYTES
    max_unpacked_bytes: int | None = None
    max_pixels: int = MAX_PIXELS

    @classmethod
    def from_json(cls, text: str) -> "InputSettings":
        """Reads what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Returns the settings as text."""
        return json.dumps(dataclasses.asdict(self))

    def __post_init__(self) -> None:
        if isinstance(self.classes, str):
            raise TypeError(f"classes must be a list of class names. Received: classes={self.classes!r}.")
        if self.pattern is not None:
            check_pattern(self.pattern, self.labelled, self.extra_columns)
        if self.pattern is not None and self.manifest is not None:
            raise ValueError("pattern and manifest exclude each other: both say what an image is. Pass one.")
        _check_extra_columns(self.extra_columns)
        if self.classes and not self.labelled:
            raise ValueError("classes have no meaning where images have no labels. Leave them out.")
        check_choice("fingerprint", self.fingerprint, FINGERPRINTS)
        check_sha256(self.sha256)
        for name in ("max_file_bytes", "max_unpacked_bytes", "max_pixels"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}.")


def read_images(
    images: str | Sequence[str],
    settings: InputSettings | None = None,
    split_folders: Mapping[str, str] | None = None,
    open_elsewhere: Callable[[str, InputSettings], ImageSource] | None = None,
) -> DirectoryIndex:
    """Lists images, whatever they are in.

    Args:
      images: A folder; a zip, tar or tar.gz file; the http or https address of one; a manifest; several folders.
      settings: How they are read.
      split_folders: Folder to split, where names alone do not say it; see `DirectoryIndex.from_directory`.
      open_elsewhere: Opens other addresses, such as 'gs://bucket/images'.

    Raises:
      ValueError: There are no such images, or they cannot be understood.
    """
    settings = settings or InputSettings()
    if not isinstance(images, str) and len(images) == 1:
        [images] = images
    if isinstance(images, str):
        source, roots = _source(images, settings, open_elsewhere), [""]
    else:
        source, roots = _common_source(images, settings)
    listing = _listing(images, source, roots, settings, split_folders)
    return DirectoryIndex.from_listing(source, listing, settings.classes, by_content=settings.fingerprint == "content")


def _source(
    images: str, settings: InputSettings, open_elsewhere: Callable[[str, InputSettings], ImageSource] | None
) -> ImageSource:
    if is_address(images):
        images = downloaded(images, settings.cache_dir, settings.sha256, settings.max_unpacked_bytes or MAX_BYTES)
    elif "://" in images:
        if open_elsewhere is None:
            raise ValueError(f"images must be local, or an http or https address. Received: {images!r}.")
        return open_elsewhere(images.rpartition("/")[0] if is_manifest(images) else images, settings)
    if os.path.isfile(images) and not is_manifest(images):
        return open_archive(images, settings.max_file_bytes, settings.max_unpacked_bytes)
    folder = (os.path.dirname(images) or ".") if is_manifest(images) else images
    return LocalFolder(folder, settings.follow_links, settings.max_file_bytes)


def _common_source(folders: Sequence[str], settings: InputSettings) -> tuple[ImageSource, list[str]]:
    """Returns the folder that holds all of several ones, and where they lie in it."""
    paths = [os.path.abspath(folder) for folder in folders]
    missing = [folder for folder, path in zip(folders, paths, strict=True) if not os.path.isdir(path)]
    if missing or not paths:
        raise ValueError(f"Several inputs must be folders of this machine. Received: {listed(missing) or 'none'}.")
    for path in paths:
        inside = [other for other in paths if os.path.join(other, "").startswith(os.path.join(path, ""))]
        if len(inside) > 1:
            raise ValueError(f"Several inputs must not lie in one another. Received: {listed(inside)}.")
    common = os.path.commonpath(paths)
    source = LocalFolder(common, settings.follow_links, settings.max_file_bytes)
    return source, [os.path.relpath(path, common) for path in paths]


def _listing(
    images: str | Sequence[str],
    source: ImageSource,
    roots: Sequence[str],
    settings: InputSettings,
    split_folders: Mapping[str, str] | None,
) -> ImageListing:
    if manifest := _manifest(images, source, settings):
        return manifest.listing(source)
    if settings.extra_columns and not settings.pattern:
        raise ValueError(
            "extra_columns are columns of a manifest or named groups of a pattern. "
            f"Received: {listed(settings.extra_columns)}, and neither of both."
        )
    if settings.pattern:
        parts = [
            read_pattern(source, settings.pattern, settings.labelled, root, settings.extra_columns) for root in roots
        ]
    elif settings.labelled:
        parts = [read_layout(source, split_folders, root) for root in roots]
    else:
        parts = [read_unlabelled(source, root) for root in roots]
    return _merged(parts) if len(parts) > 1 else parts[0]


def _manifest(images: str | Sequence[str], source: ImageSource, settings: InputSettings) -> Manifest | None:
    """Reads the manifest that says what the images are, if one does; it may lie with them."""
    itself = isinstance(images, str) and is_manifest(images)
    path = settings.manifest or (str(images) if itself else None)
    if path is None:
        return None
    columns = settings.columns if settings.labelled else {"label": None, **settings.columns}
    elsewhere = "://" in source.name
    if os.path.isfile(path) or not (source.is_archive or elsewhere):
        return read_manifest(path, columns, extra_columns=settings.extra_columns)
    path = path.removeprefix(source.name + "/") if elsewhere else path
    return read_manifest_in(source, path, columns, settings.extra_columns)


def _check_extra_columns(names: Sequence[str]) -> None:
    if isinstance(names, str) or len(set(names)) < len(names) or set(names) & set(_MEANT):
        raise ValueError(
            f"extra_columns must be a list of different names, none of {', '.join(_MEANT)}, which have a meaning. "
            f"Received: {names!r}."
        )


def _merged(parts: Sequence[ImageListing]) -> ImageListing:
    if len({part.layout for part in parts}) > 1 or len({bool(part.where) for part in parts}) > 1:
        raise ValueError(f"Several inputs must all give splits, or none. {EXPECTED}")
    splits = dict.fromkeys(split for part in parts for split in part.where)
    return ImageListing(
        layout=parts[0].layout,
        found=[pair for part in parts for pair in part.found],
        loose=[file for part in parts for file in part.loose],
        ignored=sum(part.ignored for part in parts),
        warnings=list(dict.fromkeys(warning for part in parts for warning in part.warnings)),
        where={split: ", ".join(part.where[split] for part in parts if split in part.where) for split in splits},
    )
