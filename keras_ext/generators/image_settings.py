"""The settings of `ImageDataGenerator`: their checks, and what follows from them for arrays and layers."""

import difflib
import inspect
import numbers
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_ext.choices import check_choice
from keras_ext.generators.random_transform import RandomTransform, is_discrete, random_transform
from keras_ext.layers.ranges import factor_range, symmetric_range, two_numbers
from keras_ext.layers.warp import FILL_MODES

SETTINGS = (
    *("featurewise_center", "samplewise_center", "featurewise_std_normalization", "samplewise_std_normalization"),
    *("zca_whitening", "zca_epsilon", "rotation_range", "width_shift_range", "height_shift_range"),
    *("brightness_range", "shear_range", "zoom_range", "channel_shift_range", "fill_mode", "cval"),
    *("horizontal_flip", "vertical_flip", "rescale", "preprocessing_function", "data_format"),
    *("interpolation_order", "dtype"),
)
STATISTICS = ("mean", "std", "zca_whitening_matrix")

BYTES = (0.0, 255.0)
"""Black and white of uint8 images."""

_INTERPOLATIONS = {0: "nearest", 1: "bilinear"}


class ImageSettings:
    """The arguments of `keras_ext.ImageDataGenerator`, which documents them."""

    def __init__(  # noqa: PLR0913 - the familiar arguments, in the familiar order
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: float | Sequence[float] = 0.0,
        height_shift_range: float | Sequence[float] = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[np.ndarray], np.ndarray] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: str | None = None,
        **unknown: Any,
    ) -> None:
        check_arguments("ImageDataGenerator", unknown, ImageSettings.__init__)
        self.data_format = check_choice(
            "data_format", data_format or keras.config.image_data_format(), ("channels_last", "channels_first")
        )
        self.dtype = dtype or keras.config.floatx()
        self.featurewise_center = featurewise_center
        self.samplewise_center = samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.brightness_range = brightness_range
        self.shear_range = shear_range
        self.zoom_range = list(factor_range("zoom_range", zoom_range))
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.validation_split = 0.0 if validation_split is None else validation_split
        self.interpolation_order = interpolation_order
        self.mean: np.ndarray | None = None
        self.std: np.ndarray | None = None
        self.zca_whitening_matrix: np.ndarray | None = None
        self._check_ranges()
        self._check_others()
        self._switch_on_what_is_implied()

    @property
    def channel_axis(self) -> int:
        """Axis of the channels in a batch."""
        return 3 if self.data_format == "channels_last" else 1

    @property
    def row_axis(self) -> int:
        """Axis of the rows in a batch."""
        return 1 if self.data_format == "channels_last" else 2

    @property
    def col_axis(self) -> int:
        """Axis of the columns in a batch."""
        return self.row_axis + 1

    def as_images(self, x: Any) -> np.ndarray:
        """Returns an array of uint8 as it is, any other as floats of the generator's dtype."""
        x = np.asarray(x)
        return x if x.dtype == np.uint8 else np.asarray(x, self.dtype)

    def checked_images(self, x: Any) -> np.ndarray:
        """Returns what is given as images in the form that they are processed in.

        Raises:
          ValueError: It is not of rank 4.
        """
        images = self.as_images(x)
        if images.ndim != 4:
            raise ValueError(
                "x must be images of shape (images, height, width, channels), of rank 4. "
                f"Received: shape={images.shape}. Give grey images a channel: x[..., None]."
            )
        channels = images.shape[self.channel_axis]
        if channels not in (1, 3, 4):
            warnings.warn(
                f"Images have 1, 3 or 4 channels, with data_format={self.data_format!r} on axis {self.channel_axis}. "
                f"Received: {channels}, shape={images.shape}.",
                stacklevel=4,
            )
        return images

    def color_range(self, images: np.ndarray) -> tuple[float, float]:
        """Returns the values that stand for black and white, which brightness and channel shift keep within."""
        recolors = self.brightness_range is not None or self.channel_shift_range
        if images.dtype == np.uint8 or not recolors or not images.size:
            return BYTES
        low, high = float(images.min()), float(images.max())
        if low < 0:
            return -max(-low, high), max(-low, high)
        return 0.0, 1.0 if high <= 1 else max(high, 255.0)

    def in_data_format(self, shape: tuple[int, int, int]) -> tuple[int, ...]:
        """Returns height, width and channels in the order of the data format."""
        return shape if self.data_format == "channels_last" else (shape[2], *shape[:2])

    def part(self, subset: str | None, count: int) -> tuple[int, int]:
        """Returns where a subset of `count` things starts and stops: validation is the first part."""
        if subset == "validation" and not self.validation_split:
            raise ValueError("subset='validation' needs a validation_split. Received: validation_split=0.0.")
        first = int(count * self.validation_split)
        return {"validation": (0, first), "training": (first, count)}.get(subset or "", (0, count))

    def random_transform_layer(self, color_range: tuple[float, float]) -> RandomTransform:
        """Returns the layer that augments; it draws by keys."""
        return random_transform(
            rotation=self.rotation_range,
            height_shift=_hashable(self.height_shift_range),
            width_shift=_hashable(self.width_shift_range),
            shear=self.shear_range,
            zoom=_hashable(self.zoom_range),
            horizontal_flip=self.horizontal_flip,
            vertical_flip=self.vertical_flip,
            brightness=_hashable(self.brightness_range),
            channel_shift=self.channel_shift_range,
            fill_mode=self.fill_mode,
            cval=self.cval,
            interpolation=_INTERPOLATIONS[self.interpolation_order],
            value_range=color_range,
            data_format=self.data_format,
        )

    def _switch_on_what_is_implied(self) -> None:
        if self.zca_whitening and self.featurewise_std_normalization:
            self._switch("featurewise_std_normalization", False, "zca_whitening")
        for setting, implied in (
            ("zca_whitening", "featurewise_center"),
            ("featurewise_std_normalization", "featurewise_center"),
            ("samplewise_std_normalization", "samplewise_center"),
        ):
            if getattr(self, setting) and not getattr(self, implied):
                self._switch(implied, True, setting)

    def _switch(self, setting: str, value: bool, reason: str) -> None:
        warnings.warn(f"{reason}=True sets {setting}={value}.", stacklevel=4)
        setattr(self, setting, value)

    def _check_ranges(self) -> None:
        symmetric_range("rotation_range", self.rotation_range)
        symmetric_range("shear_range", self.shear_range, limit=90.0)
        symmetric_range("channel_shift_range", self.channel_shift_range)
        for name in ("width_shift_range", "height_shift_range"):
            value = getattr(self, name)
            if not is_discrete(value):
                symmetric_range(name, value)
            elif not all(isinstance(one, numbers.Real) for one in np.ravel(value)) or not np.size(value):
                raise ValueError(
                    f"{name} must be a number, or a sequence of numbers to draw from. Received: {name}={value!r}."
                )
        if self.brightness_range is not None:
            two_numbers("brightness_range", self.brightness_range, lowest=0.0)

    def _check_others(self) -> None:
        for name in ("rescale", "cval", "zca_epsilon"):
            value = getattr(self, name)
            if not isinstance(value or 0, numbers.Real):
                raise TypeError(f"{name} must be a number. Received: {name}={value!r}.")
        function = self.preprocessing_function
        if function is not None and not callable(function):
            raise TypeError(
                f"preprocessing_function must be a function of an image. Received: preprocessing_function={function!r}."
            )
        check_choice("fill_mode", self.fill_mode, FILL_MODES)
        if self.interpolation_order not in _INTERPOLATIONS:
            raise ValueError(
                "interpolation_order must be 0 (nearest neighbour) or 1 (bilinear); splines of a higher order are not "
                f"supported. Received: interpolation_order={self.interpolation_order!r}."
            )
        split = self.validation_split
        if not isinstance(split, numbers.Real) or (split and not 0 < split < 1):
            raise ValueError(
                "validation_split must be strictly between 0 and 1, or 0 for none. "
                f"Received: validation_split={self.validation_split!r}."
            )


def check_arguments(function: str, unknown: Iterable[str], known: Callable[..., Any]) -> None:
    """Refuses arguments that a function does not have.

    Raises:
      TypeError: There is one; the message names the nearest that there is.
    """
    for name in unknown:
        names = [parameter for parameter in inspect.signature(known).parameters if parameter not in ("self", "unknown")]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
        raise TypeError(f"{function}() has no argument {name!r}. Did you mean {near!r}?")


def _hashable(value: Any) -> Any:
    return value if value is None or np.ndim(value) == 0 else tuple(value)
