"""Labels, splits and groups from the names of files, by a regular expression."""

import re
from collections.abc import Sequence
from typing import Final

from keras_ext.choices import check_choice
from keras_ext.features import SPLITS
from keras_ext.image_listing import ImageListing, Record, ScannedFile, listed, split_named
from keras_ext.image_source import ImageSource

_GROUPS: Final = ("label", "split", "group")


def check_pattern(pattern: str, labelled: bool = True, extra_columns: Sequence[str] = ()) -> re.Pattern[str]:
    """Returns the compiled pattern.

    Args:
      pattern: A regular expression that matches a whole path, relative to the input, with the named groups `label`
        and, if wanted, `split` and `group`.
      labelled: Whether there must be a label.
      extra_columns: Further named groups that it has, such as the camera, which records keep as `columns`.

    Raises:
      ValueError: It is no regular expression, or its groups have other names.

    Example:

    >>> check_pattern(r"(?P<group>[^/]+)/(?P<label>[a-z]+)_[0-9]+[.]jpg").fullmatch("site-3/cat_17.jpg")["label"]
    'cat'
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern must be a regular expression. Received: pattern={pattern!r}: {error}.") from None
    for name in compiled.groupindex:
        check_choice("pattern group", name, (*_GROUPS, *extra_columns))
    for name in extra_columns:
        check_choice("extra_columns", name, compiled.groupindex)
    if labelled and "label" not in compiled.groupindex:
        raise ValueError(
            "pattern must have a group named label, such as (?P<label>[a-z]+)_[0-9]+[.]jpg. "
            f"Received: pattern={pattern!r}."
        )
    return compiled


def read_pattern(
    source: ImageSource, pattern: str, labelled: bool = True, root: str = "", extra_columns: Sequence[str] = ()
) -> ImageListing:
    """Lists the images of a source and reads labels, splits and groups from their paths.

    Args:
      source: The input.
      pattern: See `check_pattern`. An image whose path it does not match is rejected.
      labelled: Whether the images have labels.
      root: The folder in which the input begins; the pattern matches what follows it.
      extra_columns: See `check_pattern`.

    Raises:
      ValueError: The pattern has no meaning, or matches no image.
    """
    compiled = check_pattern(pattern, labelled, extra_columns)
    scan = source.scan(root)
    start = len(root) + 1 if root else 0
    listing = ImageListing("pattern", [], list(scan.outside), scan.ignored)
    for file in scan.files:
        match = compiled.fullmatch(file.path, start)
        record = _record(file, match.groupdict(), labelled) if match else None
        if record is None:
            listing.loose.append(file._replace(problem=file.problem or "its name does not match the pattern"))
        else:
            listing.found.append((record, file))
    if not listing.found:
        first = listed((file.path[start:] for file in scan.files), limit=2) or "no images"
        raise ValueError(
            f"pattern matches no image. It must match a whole path. Received: {pattern!r}; found: {first}."
        )
    _check_splits(listing)
    return listing


def _record(file: ScannedFile, groups: dict[str, str | None], labelled: bool) -> Record | None:
    label, split, group = (groups.get(name) or None for name in _GROUPS)
    if labelled and label is None:
        return None
    columns = tuple((name, text) for name, text in groups.items() if text and name not in _GROUPS)
    given_split = split and split_named(split, file.path)
    return Record(file.path, label if labelled else None, given_split, group, columns=columns)


def _check_splits(listing: ImageListing) -> None:
    without = next((record.path for record, _ in listing.found if record.split is None), None)
    given = {record.split for record, _ in listing.found if record.split}
    if without is not None and given:
        raise ValueError(f"pattern gives some images a split and others none, such as {without!r}.")
    listing.where = {split: f"the split {split!r}" for split in SPLITS if split in given}
