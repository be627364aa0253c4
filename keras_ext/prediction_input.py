"""Images to be classified: every one is taken, whatever is known of its class."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence

from keras_ext.directory_index import DirectoryIndex
from keras_ext.directory_layout import read_layout
from keras_ext.file_pattern import read_pattern
from keras_ext.image_input import InputSettings, read_images
from keras_ext.image_listing import ImageListing, Record, listed
from keras_ext.image_source import ImageSource, is_image_name
from keras_ext.local_folder import LocalFolder
from keras_ext.manifest import is_manifest, read_manifest, read_manifest_in


def read_images_to_classify(
    images: str | Sequence[str],
    settings: InputSettings | None = None,
    open_elsewhere: Callable[[str, InputSettings], ImageSource] | None = None,
) -> DirectoryIndex:
    """Lists images as `read_images` does, but needs no labels, and leaves no image out for want of one.

    Where folders, a manifest or a pattern say what an image is, its record has that label, be it one class or many;
    where nothing does, labels are None and a warning says why.

    Args:
      images: A folder; a zip, tar or tar.gz file; the http or https address of one; a manifest; several folders; or
        image files, one or several, whose names are then the paths as given.
      settings: How they are read; `classes` means nothing here. With `labelled=False` no labels are looked for.
      open_elsewhere: Opens other addresses; see `read_images`.

    Raises:
      ValueError: There are no images.

    Example:

    >>> index = read_images_to_classify("holidays.zip")
    """
    settings = settings or InputSettings()
    files = [images] if isinstance(images, str) else list(images)
    if all(_is_image_file(file, settings) for file in files):
        return _named_files(files, settings)
    columns = {**settings.columns, "label": None}
    unlabelled = dataclasses.replace(
        settings, labelled=False, classes=None, pattern=None, columns=columns, extra_columns=()
    )
    index = read_images(images, unlabelled, open_elsewhere=open_elsewhere)
    says_labels = settings.manifest or settings.pattern or is_manifest(files[0])
    if not settings.labelled or not (says_labels or any("/" in record.path for record in index.records)):
        return index
    try:
        labels = {record.path: record.label or None for record, _ in _labelled(files, settings, index.source)}
    except ValueError as error:
        return dataclasses.replace(index, warnings=(*index.warnings, f"Labels are not known: {error}"))
    return _with_labels(index, labels.get)


def with_labels_of(index: DirectoryIndex, class_names: Sequence[str]) -> DirectoryIndex:
    """Returns the index without its labels where none of them is one of `class_names`: they mean something else."""
    found = {record.label for record in index.records} - {None}
    if not found or found & set(class_names):
        return index
    warning = (
        f"Labels are not used: none of them ({listed(sorted(map(str, found)))}) is a class of the model "
        f"({listed(class_names)})."
    )
    unlabelled = _with_labels(index, lambda _: None)
    return dataclasses.replace(unlabelled, warnings=(*index.warnings, warning))


def _is_image_file(path: str, settings: InputSettings) -> bool:
    return (
        not settings.manifest
        and is_image_name(os.path.basename(path))
        and not os.path.isdir(path)
        and ("://" not in path)
    )


def _named_files(paths: Sequence[str], settings: InputSettings) -> DirectoryIndex:
    source = LocalFolder("", max_bytes=settings.max_file_bytes)
    unique = list(dict.fromkeys(paths))
    found = [(Record(file.path, None), file) for file in source.find(unique)]
    return DirectoryIndex.from_listing(source, ImageListing("<image>", found))


def _labelled(paths: Sequence[str], settings: InputSettings, source: ImageSource) -> Iterable[tuple[Record, object]]:
    manifest = settings.manifest or (paths[0] if is_manifest(paths[0]) else None)
    if manifest is not None:
        inside = not os.path.isfile(manifest)
        name = manifest.removeprefix(source.name + "/")
        rows = read_manifest_in(source, name, settings.columns) if inside else read_manifest(manifest, settings.columns)
        return rows.listing(source).found
    roots = [""] if len(paths) == 1 else [os.path.relpath(path, source.name) for path in paths]
    if settings.pattern:
        parts = (read_pattern(source, settings.pattern, True, root, settings.extra_columns) for root in roots)
        return [pair for part in parts for pair in part.found]
    return [pair for root in roots for pair in read_layout(source, root=root).found]


def _with_labels(index: DirectoryIndex, label_of: Callable[[str], str | None]) -> DirectoryIndex:
    records = tuple(dataclasses.replace(record, label=label_of(record.path)) for record in index.records)
    class_names = tuple(sorted({record.label for record in records if record.label is not None}))
    return dataclasses.replace(index, records=records, class_names=class_names)
