"""Batches of two flows that belong together, such as images and masks."""

# ruff: noqa: SLF001 - a flow of flows

import os
from typing import Any

import numpy as np

from keras_ext.generators.image_iterator import FlowOptions, ImageIterator, Images


class PairedIterator(ImageIterator):
    """Batches `(x, y)` of two flows, each image beside its mask, for `model.fit`, which takes no `zip`.

    Both are augmented by the same draws and come in the order of the first flow, whatever their seeds. What cannot be
    read in one of the flows is left out in both; `zip` cannot know, and would put images beside the masks of others.

    Args:
      inputs: A flow of images without labels.
      targets: Another of as many, in the same order of files.

    Attributes:
      inputs: The first flow. Its `rejected` lists files that are left out, as does that of `targets`.
      targets: The second flow.

    Raises:
      ValueError: Flows of different lengths or subsets, or with labels.

    Example:

    >>> options = {"class_mode": None, "target_size": (128, 128)}
    >>> images = ImageDataGenerator(rotation_range=20).flow_from_directory("images", **options)
    >>> masks = ImageDataGenerator(rotation_range=20).flow_from_directory("masks", color_mode="grayscale", **options)
    >>> model.fit(PairedIterator(images, masks), epochs=10)
    """

    def __init__(self, inputs: ImageIterator, targets: ImageIterator) -> None:
        _check(inputs, targets)
        options = FlowOptions(inputs.batch_size, inputs.shuffle, inputs.seed, inputs.subset, None)
        super().__init__(inputs.image_data_generator, inputs._total, options)
        self.inputs, self.targets = inputs, targets

    @property
    def n(self) -> int:
        return self.inputs.n

    def _made(self, number: int, positions: np.ndarray) -> tuple[Images, Images]:
        problems: tuple[dict[int, str], dict[int, str]] = ({}, {})
        for candidates in self._candidates(positions):
            one = self.inputs._made(number, candidates)
            other = self.targets._made(number, one.positions)
            problems[0].update(one.problems)
            problems[1].update(other.problems)
            if len(other.positions):
                break
        images = one.images[np.isin(one.positions, other.positions)]
        return Images(images, other.positions, problems[0], number), other._replace(problems=problems[1])

    def _finished(self, made: tuple[Images, Images]) -> Any:
        both = (self.inputs, self.targets)
        for flow, images in zip(both, made, strict=True):
            flow._note(images.problems)
        for flow, partner in (both, both[::-1]):
            reasons = {position: f"its pair is left out ({reason})" for position, reason in partner._unreadable.items()}
            flow._note(reasons, announce=False)
        return tuple(
            flow._batch(flow._standardized(images), images.positions) for flow, images in zip(both, made, strict=True)
        )

    def _read(self, positions: np.ndarray) -> Images:
        return self.inputs._read(positions)

    def _color_range(self, images: np.ndarray) -> tuple[float, float]:
        return self.inputs._color_range(images)

    def _batch(self, images: np.ndarray, positions: np.ndarray) -> Any:
        return self.inputs._batch(images, positions)


def _check(inputs: ImageIterator, targets: ImageIterator) -> None:
    for name, flow in (("inputs", inputs), ("targets", targets)):
        if not isinstance(flow, ImageIterator) or isinstance(flow, PairedIterator):
            raise TypeError(f"{name} must be a flow of keras_ext.ImageDataGenerator. Received: {type(flow).__name__}.")
        if getattr(flow, "class_mode", None) is not None or getattr(flow, "y", None) is not None:
            raise ValueError(f"{name} must be a flow without labels. Received: one with labels. Pass class_mode=None.")
    if inputs._total != targets._total or inputs.subset != targets.subset:
        raise ValueError(
            "Two flows that are pairs must have as many images each. "
            f"Received: {inputs._total} with subset={inputs.subset!r} and {targets._total} with "
            f"subset={targets.subset!r}.{_first_difference(inputs, targets)}"
        )


def _first_difference(inputs: ImageIterator, targets: ImageIterator) -> str:
    """Says where the names of the files part, since that is where one is missing."""
    names, others = (getattr(flow, "_filenames", []) for flow in (inputs, targets))
    for name, other in zip(names, others, strict=False):
        if not os.path.basename(other).startswith(os.path.splitext(os.path.basename(name))[0]):
            return f" The first that seem not to belong together: {name!r} and {other!r}."
    return ""
