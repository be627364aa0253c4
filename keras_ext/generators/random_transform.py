"""The random part of `ImageDataGenerator`, and its familiar names, on `RandomAffine`."""

import functools
import hashlib
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ext.choices import check_choice
from keras_ext.layers import RandomAffine
from keras_ext.layers.keyed_random import keyed_uniform

Shift = float | Sequence[float]

# Name in ImageDataGenerator's dictionary: name in RandomAffine's, and the value that changes nothing.
FAMILIAR: dict[str, tuple[str, Any]] = {
    "theta": ("rotation", 0),
    "tx": ("height_shift", 0),
    "ty": ("width_shift", 0),
    "shear": ("shear", 0),
    "zx": ("height_zoom", 1),
    "zy": ("width_zoom", 1),
    "flip_horizontal": ("horizontal_flip", False),
    "flip_vertical": ("vertical_flip", False),
    "channel_shift_intensity": ("channel_shift", None),
    "brightness": ("brightness", None),
}


class RandomTransform(RandomAffine):
    """`RandomAffine` whose shifts may also be drawn from single values, as `ImageDataGenerator` has it.

    Args:
      height_shift: A float is a range, as in `RandomAffine`. An integer n stands for the pixels 0 to n - 1, a sequence
        for its values, fractions of the side when all are below 1; each is drawn with either sign.
      width_shift: Likewise.
      **kwargs: Of `RandomAffine`.
    """

    def __init__(self, height_shift: Shift = 0.0, width_shift: Shift = 0.0, **kwargs: Any) -> None:
        given = {"height_shift": height_shift, "width_shift": width_shift}
        self.values = {name: shift_values(value) for name, value in given.items() if is_discrete(value)}
        ranges: dict[str, Any] = {name: 0.0 if name in self.values else value for name, value in given.items()}
        super().__init__(**ranges, **kwargs)

    @property
    def is_identity(self) -> bool:
        """Whether nothing is ever drawn but what leaves images as they are."""
        neutral = {"height_zoom": 1.0, "width_zoom": 1.0, "brightness": 1.0}
        ranges = self._ranges()
        return not self.values and all(ends == (neutral.get(name, 0.0),) * 2 for name, ends in ranges.items())

    def get_random_transformation(self, inputs: Any, keys: Any = None, epoch: Any = 0) -> dict[str, Any]:
        drawn = super().get_random_transformation(inputs, keys, epoch)
        if self.values:
            uniform = keyed_uniform(0, keys, epoch, list(self.values))
            sides = dict(zip(("height_shift", "width_shift"), self._image_size(inputs), strict=True))
            for name, values in self.values.items():
                chosen = tf.gather(values, tf.cast(uniform[name] * len(values), tf.int32))
                is_fraction = max(map(abs, values)) < 1
                drawn[name] = chosen * tf.cast(sides[name], tf.float32) if is_fraction else chosen
        return drawn


@functools.lru_cache(maxsize=64)
def random_transform(**settings: Any) -> RandomTransform:
    """Returns the layer of these settings, the same one each time; tell it what to draw by `draw_number`."""
    return RandomTransform(seed=0, dtype="float32", **settings)


def draw_number(*parts: int) -> int:
    """Returns a number of 63 bits for a seed, an epoch and whatever else decides a draw; it serves as the epoch."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def is_discrete(shift: Shift) -> bool:
    """Whether a shift is drawn from single values: an integer or a sequence, but no float."""
    return not isinstance(shift, numbers.Real) or isinstance(shift, numbers.Integral)


def shift_values(shift: Shift) -> list[float]:
    """Returns the values that `shift` is drawn from, all equally often."""
    values = shift if isinstance(shift, Sequence) else range(abs(int(shift)))
    return [sign * float(value) for value in values for sign in (1, -1)] or [0.0]


def to_familiar(transformation: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was drawn for one image as numbers, by `ImageDataGenerator`'s names."""
    drawn = {name: np.asarray(values)[0].item() for name, values in transformation.items()}
    return {name: drawn.get(ours, unchanged) for name, (ours, unchanged) in FAMILIAR.items()}


def from_familiar(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the transformation of one image that `parameters`, which may be few, describe.

    Raises:
      ValueError: An unknown parameter.
    """
    for name in parameters:
        check_choice("A parameter of a transformation", name, FAMILIAR)
    values = {ours: parameters.get(name, unchanged) for name, (ours, unchanged) in FAMILIAR.items()}
    return {name: [value] for name, value in values.items() if value is not None}
