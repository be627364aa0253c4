"""What "auto" stands for, once the folder of images is known."""

import dataclasses
import os
import statistics
from collections.abc import Sequence
from typing import Any, Literal

from keras_ext import features
from keras_ext.custom_code import absolute_reference, is_reference
from keras_ext.directory_index import DirectoryIndex
from keras_ext.image_file import ImageFileError, decodable_image
from keras_ext.image_input import InputSettings, read_images
from keras_ext.image_source import ImageSource
from keras_ext.splits import SplitPlan
from pipelines.image_classification.config import Config
from pipelines.image_classification.evaluation import resolve_evaluation
from pipelines.image_classification.search_space import check_search_space
from pipelines.reading import open_elsewhere, shown_progress

_SAMPLE = 200
_STEP, _SMALLEST, _LARGEST = 32, 32, 224


def resolve(config: Config) -> Config:
    """Returns the configuration with absolute paths and a value for every "auto".

    Raises:
      ValueError: The folder of images cannot be used, there are no such weights, no such split or slice to score, or
        settings do not go together.
    """
    _check_frozen(config)
    check_search_space(config)
    manifest = config.ingest.manifest
    if manifest and os.path.isfile(manifest):  # otherwise it may lie with the images
        manifest = os.path.abspath(manifest)
    config = dataclasses.replace(
        config,
        images=input_paths(config.images),
        output=os.path.abspath(config.output),
        ingest=dataclasses.replace(config.ingest, manifest=manifest),
    )
    index = read_input(config)
    size = _image_size(index) if config.image.size == "auto" else config.image.size
    return dataclasses.replace(
        config,
        image=dataclasses.replace(config.image, size=size),
        model=dataclasses.replace(
            config.model, weights=_weights(config), builder=_absolute("model.builder", config.model.builder)
        ),
        augmentation=dataclasses.replace(config.augmentation, layers=tuple(map(_layer, config.augmentation.layers))),
        evaluation=dataclasses.replace(
            resolve_evaluation(config.evaluation, config.ingest, index), split=_scored_split(index, config)
        ),
    )


def read_input(config: Config) -> DirectoryIndex:
    """Lists the images of a configuration; a download says on standard error how far it is."""
    with shown_progress():
        return read_images(config.images, InputSettings(**config.ingest.reading), open_elsewhere=open_elsewhere)


def input_path(images: str) -> str:
    """Returns the absolute path of images; an address stays as it is."""
    return images if "://" in images else os.path.abspath(images)


def input_paths(images: str | Sequence[str]) -> str | tuple[str, ...]:
    """Returns the absolute path of images, or those of several folders."""
    if isinstance(images, str):
        return input_path(images)
    paths = tuple(map(input_path, images))
    return paths if len(paths) > 1 else paths[0]


def _check_frozen(config: Config) -> None:
    frozen = config.train.frozen_epochs or "train.frozen_epochs" in config.tuner.settings
    if frozen and not (config.model.weights or config.model.builder):
        raise ValueError(
            "train.frozen_epochs keeps the weights that a network comes with, and a random one comes with none. "
            "Set model.weights, or a model.builder that loads some."
        )


def _layer(table: dict[str, Any]) -> dict[str, Any]:
    layer = table.get("layer")
    own = isinstance(layer, str) and is_reference(layer)
    return {**table, "layer": _absolute("augmentation.layers", layer)} if own else table


def _absolute(setting: str, reference: str | None) -> str | None:
    if reference is None:
        return None
    try:
        return absolute_reference(reference)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None


def _weights(config: Config) -> str | None:
    weights = config.model.weights
    if weights is None:
        return None
    if not os.path.exists(weights):
        raise ValueError(f"model.weights must be a local file or folder. Received: '{weights}', which does not exist.")
    return os.path.abspath(weights)


def _scored_split(index: DirectoryIndex, config: Config) -> Literal["test", "eval"]:
    planned = SplitPlan(index.given_splits, dataclasses.asdict(config.ingest.ratios), config.ingest.split).names
    if features.EVAL not in planned:
        raise ValueError(
            "ingest.split='given' leaves no eval split, by which training stops: the images give only "
            f"{', '.join(planned)}. Add a folder 'val', or leave ingest.split at 'hash', which takes it from train."
        )
    split = config.evaluation.split
    if split == "auto":
        return "test" if features.TEST in planned else "eval"
    if split not in planned:
        raise ValueError(f"evaluation.split must be among {', '.join(planned)}. Received: '{split}'.")
    return split


def _image_size(index: DirectoryIndex) -> tuple[int, int]:
    """The median shorter side of a sample of images, as a multiple of 32 pixels between 32 and 224."""
    stride = max(1, len(index.records) // _SAMPLE)
    paths = sorted((record.path for record in index.records[::stride]), key=index.source.position)
    sides = [side for path in paths if (side := _shorter_side(index.source, path))]
    if not sides:
        return _LARGEST, _LARGEST
    side = round(statistics.median(sides) / _STEP) * _STEP
    side = min(max(side, _SMALLEST), _LARGEST)
    return side, side


def _shorter_side(source: ImageSource, path: str) -> int | None:
    try:
        info = decodable_image(source.read(path), verify="header").info
    except (OSError, ImageFileError):  # an unreadable file is ingest's to report
        return None
    return min(info.height, info.width)
