"""Measures of images that are rarely meant to be in a data set: dark, bright, blurry, empty, oddly shaped.

All is measured on a small grey picture, which costs little beside decoding, and many at a time.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from PIL import Image, PngImagePlugin

from keras_ext.image_file import DecodableImage

# Sides of the small pictures, in pixels. An image smaller than the first gets the second.
SIDES: Final = (64, 32)

MEASURES: Final = ("darkest", "brightest", "contrast", "sharpness")

_FLAT = 2  # grey levels: slopes below this are noise of 8-bit pixels


@dataclass(frozen=True)
class ImageChecks:
    """From where on an image is flagged; flagged images are reported, never dropped.

    Values of pixels are shares of white, so 0 is black and 1 is white. The defaults flag few images of ordinary sets;
    values of `dark=0`, `bright=1`, `blurry=0`, `low_information=0`, `odd_aspect=0` or `near_duplicates=-1` turn one
    check off.

    Args:
      dark: Flagged where 99 % of the pixels are darker than this.
      bright: Flagged where 99 % of the pixels are brighter than this.
      blurry: Flagged where sharpness is below this: the steepest edges of the image, reduced to 64 pixels, bend (99th
        percentile of the Laplacian's size) less than they rise (99th percentile of the slope). A hard edge has 1 or
        more at any contrast; a photo 500 pixels wide, blurred with a standard deviation of 8, about 0.9.
      low_information: Flagged where the standard deviation of the pixels is below this: a blank page, a lens cap.
      odd_aspect: Flagged where the longer side is more than this many times the shorter.
      near_duplicates: Of the 64 bits that describe the picture, how many may differ between two that are reported as
        near duplicates; see `keras_ext.near_duplicates`.

    Raises:
      ValueError: A threshold is not a finite number.
    """

    dark: float = 0.2
    bright: float = 0.8
    blurry: float = 0.9
    low_information: float = 0.02
    odd_aspect: float = 3.0
    near_duplicates: int = 6

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number. Received: {name}={value!r}.")
        if not -1 <= self.near_duplicates <= 16 or int(self.near_duplicates) != self.near_duplicates:
            raise ValueError(
                "near_duplicates must be a whole number of bits, from 0 to 16, or -1 for none. "
                f"Received: near_duplicates={self.near_duplicates!r}."
            )

    def flagged(self, measures: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
        """Says which images are flagged.

        Args:
          measures: What `measured` returned, `(images, 4)`; rows of NaN where an image was not measured.
          sizes: Width and height in pixels, `(images, 2)`.

        Returns:
          The name of each check to a bool array `(images,)`.
        """
        darkest, brightest, contrast, sharpness = np.asarray(measures, np.float32).reshape(-1, len(MEASURES)).T
        sides = np.sort(np.asarray(sizes, np.float64).reshape(-1, 2), axis=1)
        return {
            "dark": brightest < self.dark,
            "bright": darkest > self.bright,
            "blurry": sharpness < self.blurry,
            "low_information": contrast < self.low_information,
            "odd_aspect": (self.odd_aspect > 0) & (sides[:, 1] > self.odd_aspect * sides[:, 0]),
        }


def thumbnail_of(decodable: DecodableImage) -> np.ndarray | None:
    """Returns the small grey picture of an image, uint8, 64 × 64 pixels, or 32 × 32 where the image is smaller.

    Transparency is not looked at, as training does not see it. The aspect is not kept.

    Args:
      decodable: An image; it is decoded here where checking it did not.

    Returns:
      The picture, or None where Pillow stumbles over pieces of a PNG file that do not matter to its pixels.
    """
    try:
        image = decodable.decoded or PngImagePlugin.PngImageFile(io.BytesIO(decodable.data))
        return _thumbnail(image)
    except MemoryError:
        raise
    # Pillow reports trouble by many types.
    except Exception:  # noqa: BLE001
        return None


def _thumbnail(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip to 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    side = next((side for side in SIDES if min(image.size) >= side), SIDES[-1])
    grey = image if image.mode == "L" else image.convert("L")
    small = grey.resize((side, side), Image.Resampling.BOX)
    return np.frombuffer(small.tobytes(), np.uint8).reshape(side, side)


def measured(thumbnails: Sequence[np.ndarray]) -> np.ndarray:
    """Measures small pictures of `thumbnail_of`.

    Returns:
      float32 `(thumbnails, 4)`: the 1st and the 99th percentile and the standard deviation of the pixels, as shares of
      white, and the sharpness (NaN where there are no edges to judge by); see `ImageChecks`.
    """
    measures = np.empty((len(thumbnails), len(MEASURES)), np.float32)
    for rows, pictures in by_side(thumbnails):
        measures[rows] = _measured(pictures)
    return measures


def by_side(thumbnails: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns pairs (positions, pictures of one size `(n, side, side)`)."""
    sides = np.array([len(thumbnail) for thumbnail in thumbnails])
    rows = [np.flatnonzero(sides == side) for side in SIDES]
    return [(some, np.stack([thumbnails[row] for row in some])) for some in rows if len(some)]


def _measured(pictures: np.ndarray) -> np.ndarray:
    values = pictures.astype(np.int16)
    edges = values[:, 1:-1, 1:-1]
    bends = np.abs(4 * edges - values[:, :-2, 1:-1] - values[:, 2:, 1:-1] - values[:, 1:-1, :-2] - values[:, 1:-1, 2:])
    slope = np.maximum(*(_percentile(np.abs(np.diff(values, axis=axis)), 0.99) for axis in (1, 2)))
    sharpness = np.where(slope < _FLAT, np.nan, _percentile(bends, 0.99) / np.maximum(slope, _FLAT))
    darkest, brightest = (_percentile(pictures, share) / 255 for share in (0.01, 0.99))
    return np.stack([darkest, brightest, values.std(axis=(1, 2), dtype=np.float32) / 255, sharpness], axis=1)


def _percentile(values: np.ndarray, share: float) -> np.ndarray:
    """Returns the smallest value of each picture that at least this share of its values does not exceed."""
    # Of small integers this sort is a radix sort, much faster than a partition.
    ordered = np.sort(values.reshape(len(values), -1), axis=1, kind="stable")
    return ordered[:, math.ceil(share * ordered.shape[1]) - 1]
