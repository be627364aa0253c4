"""What is kept of each image after its bytes are gone: one array, a few hundred bytes an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from keras_ext.image_checks import MEASURES, measured
from keras_ext.image_file import ImageInfo
from keras_ext.near_duplicates import SIDE, fingerprints

# record: position of the image's record; split: position in `features.SPLITS`, -1 where not known;
# measures: NaN where an image was not measured; hash and picture: see `near_duplicates.fingerprints`.
FACTS: Final = np.dtype(
    [
        ("record", np.int64),
        ("split", np.int8),
        ("format", "S8"),
        ("digest", np.uint8, (32,)),
        ("width", np.int32),
        ("height", np.int32),
        ("size", np.int64),
        ("measures", np.float32, (len(MEASURES),)),
        ("hash", np.uint64),
        ("picture", np.uint8, (SIDE, SIDE)),
    ]
)


@dataclass(frozen=True, slots=True)
class ImageFact:
    """One image on its way into the array.

    Attributes:
      record: The position of its record.
      split: The position of its split in `features.SPLITS`, or -1.
      format: The format of the file.
      info: What it holds.
      digest: SHA-256 of the file, in hexadecimal.
      size: Bytes of the file.
      thumbnail: See `image_checks.thumbnail_of`; None where it is not measured.
    """

    record: int
    split: int
    format: str
    info: ImageInfo
    digest: str
    size: int
    thumbnail: np.ndarray | None


def facts_of(images: Sequence[ImageFact]) -> np.ndarray:
    """Returns the facts of some images as an array of type `FACTS`, and measures those that have a thumbnail."""
    facts = np.zeros(len(images), FACTS)
    facts["measures"] = np.nan
    for name in ("record", "split", "format", "size"):
        facts[name] = [getattr(image, name) for image in images]
    for name in ("width", "height"):
        facts[name] = [getattr(image.info, name) for image in images]
    digests = bytes.fromhex("".join(image.digest for image in images))
    facts["digest"] = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    rows = [row for row, image in enumerate(images) if image.thumbnail is not None]
    thumbnails = [image.thumbnail for image in images if image.thumbnail is not None]
    if rows:
        facts["measures"][rows] = measured(thumbnails)
        facts["hash"][rows], facts["picture"][rows] = fingerprints(thumbnails)
    return facts


def contents_of(facts: np.ndarray) -> np.ndarray:
    """Returns the position of each image's content among the distinct ones, which count in the order of the images."""
    known: dict[bytes, int] = {}
    return np.array([known.setdefault(digest.tobytes(), len(known)) for digest in facts["digest"]], np.int64)
