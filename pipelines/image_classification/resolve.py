"""What "auto" stands for, once the folder of images is known."""

import dataclasses
import os
import statistics
from typing import Literal

from keras_ext import features
from keras_ext.directory_index import DirectoryIndex
from keras_ext.image_file import ImageFileError, read_image_info
from keras_ext.splits import planned_splits
from pipelines.image_classification.config import Config

_SAMPLE = 200
_STEP, _SMALLEST, _LARGEST = 32, 32, 224


def resolve(config: Config) -> Config:
    """Returns the configuration with absolute paths and a value for every "auto".

    Raises:
      ValueError: The folder of images cannot be used, there are no such weights, or no such split to score.
    """
    config = dataclasses.replace(config, images=os.path.abspath(config.images), output=os.path.abspath(config.output))
    index = DirectoryIndex.from_directory(config.images, classes=config.ingest.classes or None)
    size = _image_size(index) if config.image.size == "auto" else config.image.size
    return dataclasses.replace(
        config,
        image=dataclasses.replace(config.image, size=size),
        model=dataclasses.replace(config.model, weights=_weights(config)),
        evaluation=dataclasses.replace(config.evaluation, split=_scored_split(index, config)),
    )


def _weights(config: Config) -> str | None:
    weights = config.model.weights
    if weights is None:
        return None
    if not os.path.exists(weights):
        raise ValueError(f"model.weights must be a local file or folder. Received: '{weights}', which does not exist.")
    return os.path.abspath(weights)


def _scored_split(index: DirectoryIndex, config: Config) -> Literal["test", "eval"]:
    planned = planned_splits(index.given_splits, dataclasses.asdict(config.ingest.ratios))
    split = config.evaluation.split
    if split == "auto":
        return "test" if features.TEST in planned else "eval"
    if split not in planned:
        raise ValueError(f"evaluation.split must be among {', '.join(planned)}. Received: '{split}'.")
    return split


def _image_size(index: DirectoryIndex) -> tuple[int, int]:
    """The median shorter side of a sample of images, as a multiple of 32 pixels between 32 and 224."""
    stride = max(1, len(index.records) // _SAMPLE)
    sides = [
        side
        for record in index.records[::stride]
        if (side := _shorter_side(os.path.join(index.directory, record.path)))
    ]
    if not sides:
        return _LARGEST, _LARGEST
    side = round(statistics.median(sides) / _STEP) * _STEP
    side = min(max(side, _SMALLEST), _LARGEST)
    return side, side


def _shorter_side(path: str) -> int | None:
    try:
        with open(path, "rb") as file:
            info = read_image_info(file.read(), verify="header")
    except (OSError, ImageFileError):  # an unreadable file is ingest's to report
        return None
    return min(info.height, info.width)
