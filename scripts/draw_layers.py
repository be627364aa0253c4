#!/usr/bin/env python3
"""Draws the pictures of docs/layers.md: what each layer does to a photo.

The photos are those of scikit-learn's `load_sample_images`, so that nothing is fetched.
"""

import argparse
import io
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_image

from keras_ext.layers import Augmentation, DecodeImage, RandomAffine, Standardization

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
_SIDE, _GAP, _LABEL = 128, 8, 16  # pixels
_COLUMNS = 6  # as many are as wide as a page of text
_GREY = (128, 128, 128, 255)  # can be read on white and on black
Tile = tuple[str, np.ndarray]


def main() -> None:
    """Writes one picture for each function below."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (geometry, filling, colour, sampling, draws, augmentation, decoding, standardization):
        strip(draw()).save(folder / f"{draw.__name__}.webp", quality=70, method=6)


def geometry() -> Iterator[Tile]:
    """RandomAffine's maps, one at a time; two equal numbers draw always the same."""
    yield "as it is", photo()
    for arguments in (
        {"rotation": (20, 20)},
        {"width_shift": (0.2, 0.2)},
        {"height_shift": (0.2, 0.2)},
        {"shear": (20, 20)},
        {"zoom": (0.6, 0.6)},
        {"zoom": (1.6, 1.6)},
    ):
        yield affine(**arguments)
    yield affine(horizontal_flip=True)
    yield affine(vertical_flip=True)


def filling() -> Iterator[Tile]:
    """What lies outside the image."""
    for mode in ("nearest", "reflect", "wrap", "constant"):
        yield affine(f'fill_mode="{mode}"', rotation=(10, 10), zoom=(1.8, 1.8), fill_mode=mode)
    yield affine("cval=128", rotation=(10, 10), zoom=(1.8, 1.8), fill_mode="constant", cval=128)


def colour() -> Iterator[Tile]:
    """Brightness is a factor, a channel shift one value for all channels."""
    for value in (0.5, 1.5):
        yield affine(brightness=(value, value))
    for value in (-60, 60):
        yield affine(channel_shift=(value, value))


def sampling() -> Iterator[Tile]:
    """How pixels are looked up, and another size in the same resampling."""
    for interpolation in ("bilinear", "nearest"):
        yield affine(f'"{interpolation}"', rotation=(20, 20), zoom=(0.12, 0.12), interpolation=interpolation)
    yield "zoom=0.5", drawn(RandomAffine(zoom=0.5, seed=0))
    yield "zoom=0.5, tie_zoom=True", drawn(RandomAffine(zoom=0.5, tie_zoom=True, seed=0))
    yield "size=(64, 128)", drawn(RandomAffine(rotation=(20, 20), size=(64, 128)))


def draws() -> Iterator[Tile]:
    """Draws of a usual augmentation."""
    layer = RandomAffine(rotation=20, width_shift=0.1, height_shift=0.1, zoom=0.2, horizontal_flip=True, seed=1)
    images = layer(np.stack([photo()] * _COLUMNS), training=True)
    yield from (("", np.asarray(image)) for image in images)


def augmentation() -> Iterator[Tile]:
    """Layers of Keras by name; the last two blend two photos, and their labels."""
    batch = {"images": np.stack([photo(), photo("flower.jpg")]).astype("float32"), "labels": np.eye(2)}
    batch = {name: tf.constant(value) for name, value in batch.items()}
    yield "as it is", photo()
    for seed, name, arguments in (
        (0, "RandomErasing", {"factor": 1.0}),
        (2, "RandAugment", {}),
        (1, "MixUp", {"alpha": 20.0}),
        (4, "CutMix", {}),
    ):
        augment = Augmentation([{"layer": name, **arguments}], seed=seed)
        yield name, np.asarray(augment(batch, training=True)["images"][0])


def decoding() -> Iterator[Tile]:
    """A file of 4 : 3 becomes a square; a photo of a phone lies in its file, and EXIF says how it was held."""
    file, lying = jpeg(load_sample_image("china.jpg")), jpeg(np.rot90(load_sample_image("china.jpg")), orientation=6)
    yield "stretched", np.asarray(DecodeImage(_SIDE, _SIDE)(file))
    yield "crop_to_aspect_ratio", np.asarray(DecodeImage(_SIDE, _SIDE, crop_to_aspect_ratio=True)(file))
    yield "pad_to_aspect_ratio", np.asarray(DecodeImage(_SIDE, _SIDE, pad_to_aspect_ratio=True)(file))
    yield '"grayscale"', np.asarray(DecodeImage(_SIDE, _SIDE, color_mode="grayscale", crop_to_aspect_ratio=True)(file))
    for upright in (True, False):
        decode = DecodeImage(_SIDE, _SIDE, crop_to_aspect_ratio=True, exif_orientation=upright)
        yield f"exif_orientation={upright}", np.asarray(decode(lying))


def standardization() -> Iterator[Tile]:
    """Values from -2 to 2, drawn from black to white; whitening as it was learnt from parts of both photos."""
    images = np.stack([photo(), photo("flower.jpg")]) / 255
    yield "as it is", photo()
    samplewise = Standardization(samplewise_center=True, samplewise_std_normalization=True)
    yield "samplewise", values(samplewise(images)[0])
    featurewise = Standardization(featurewise_center=True, featurewise_std_normalization=True)
    featurewise.adapt(images)
    yield "featurewise", values(featurewise(images)[0])
    yield "ZCA", whitened(images)


def affine(label: str | None = None, **arguments: Any) -> Tile:
    """Returns what RandomAffine makes of the photo; it flips where it may."""
    layer = RandomAffine(**arguments, seed=0)
    images = photo()[np.newaxis]
    drawn = layer.get_random_transformation(images)
    flips = {name: tf.constant([True]) for name in ("horizontal_flip", "vertical_flip") if arguments.get(name)}
    written = label or ", ".join(f"{name}={value}" for name, value in arguments.items())
    return written, np.asarray(layer.transform(images, {**drawn, **flips})[0])


def drawn(layer: RandomAffine) -> np.ndarray:
    """Returns one draw of a layer."""
    return np.asarray(layer(photo()[np.newaxis], training=True)[0])


def photo(name: str = "china.jpg") -> np.ndarray:
    """Returns a square photo, uint8."""
    return np.asarray(DecodeImage(_SIDE, _SIDE, crop_to_aspect_ratio=True)(jpeg(load_sample_image(name))))


def jpeg(pixels: np.ndarray, orientation: int = 1) -> bytes:
    """Returns a JPEG file with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=95, exif=exif)
    return buffer.getvalue()


def values(standardized: Any) -> np.ndarray:
    """Returns values from -2 to 2 as uint8."""
    return np.clip((np.asarray(standardized) + 2) / 4 * 255, 0, 255)


def whitened(images: np.ndarray, side: int = 16) -> np.ndarray:
    """Returns the first image in tiles that are whitened by what all tiles have in common."""
    count = _SIDE // side
    tiles = images.reshape(len(images), count, side, count, side, 3).swapaxes(2, 3).reshape(-1, side, side, 3)
    layer = Standardization(zca_whitening=True, zca_epsilon=0.1)
    layer.adapt(tiles)
    first = np.asarray(layer(tiles[: count * count])).reshape(count, count, side, side, 3)
    return values(first.swapaxes(1, 2).reshape(_SIDE, _SIDE, 3))


def strip(tiles: Iterable[Tile]) -> Image.Image:
    """Returns tiles in rows, each above its label, on nothing."""
    tiles = list(tiles)
    row = _SIDE + _GAP + (_LABEL if any(label for label, _ in tiles) else 0)
    columns, rows = min(len(tiles), _COLUMNS), math.ceil(len(tiles) / _COLUMNS)
    picture = Image.new("RGBA", (columns * (_SIDE + _GAP) - _GAP, rows * row - _GAP))
    draw = ImageDraw.Draw(picture)
    for number, (label, pixels) in enumerate(tiles):
        left, top = number % _COLUMNS * (_SIDE + _GAP), number // _COLUMNS * row
        tile = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
        picture.paste(Image.fromarray(tile.squeeze()), (left, top))
        middle = (left + _SIDE / 2, top + _SIDE + 4)
        draw.text(middle, label, fill=_GREY, font=ImageFont.load_default(11), anchor="mt")
    return picture


if __name__ == "__main__":
    main()
