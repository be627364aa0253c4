"""Images to zero mean, unit variance or white noise."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ext.choices import check_choice
from keras_ext.image_statistics import ImageStatistics, check_whitening
from keras_ext.layers.image_batches import image_batches

_EPSILON = 1e-6
_DATA_FORMATS = ("channels_last", "channels_first")


@keras.saving.register_keras_serializable(package="keras_ext")
class Standardization(keras.layers.Layer):
    """Rescales, centres, scales and whitens images, as `ImageDataGenerator` names it and in its order.

    The steps that are switched on, in this order: `rescale`; each image by its own mean and standard deviation
    (samplewise); each channel by its mean and standard deviation over all images (featurewise); ZCA whitening. What is
    featurewise and ZCA need `adapt` first, or `mean` and `variance`.

    Unlike `ImageDataGenerator`, a batch's images never mix in a samplewise step, and the statistics are those of what
    the featurewise steps see: of images after rescaling and after the samplewise steps.

    All arithmetic is in float32, also under a mixed precision policy. The statistics are weights: saved with the model,
    in `.keras`, in weights files and in a SavedModel.

    Args:
      samplewise_center: Whether to subtract each image's mean.
      samplewise_std_normalization: Whether to divide each image by its standard deviation plus 1e-6; centres too.
      featurewise_center: Whether to subtract each channel's mean over all images.
      featurewise_std_normalization: Whether to divide each channel by its standard deviation plus 1e-6; centres too.
      zca_whitening: Whether to remove all correlation between the values of an image while staying as close to it as
        possible; centres featurewise too. For images of up to 12,288 values (64 × 64 × 3).
      zca_epsilon: Added to the singular values before dividing by them. Those that are zero within the precision of
        float64 are left out: see `keras_ext.image_statistics.ImageStatistics.zca_whitening_matrix`.
      rescale: Factor for all values, such as 1/255, or None.
      mean: Each channel's mean, or one number for all, instead of `adapt`; after rescaling and samplewise steps.
      variance: Each channel's variance, likewise.
      data_format: `"channels_last"` or `"channels_first"`; None: Keras's setting.

    Input shape:
      `(batch, height, width, channels)` or `(height, width, channels)`, any integers or floats.

    Output shape:
      The same, in the compute dtype.

    Raises:
      ValueError: Arguments that exclude each other; images that are too large to be whitened; a call before the
        statistics are known.

    Example:

    >>> standardize = Standardization(featurewise_center=True, featurewise_std_normalization=True)
    >>> standardize.adapt(dataset)  # batches of images, or (images, labels), read once
    >>> model = keras.Sequential([standardize, backbone])
    """

    def __init__(  # noqa: PLR0913 - the arguments of ImageDataGenerator
        self,
        samplewise_center: bool = False,
        samplewise_std_normalization: bool = False,
        featurewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rescale: float | None = None,
        mean: float | Sequence[float] | None = None,
        variance: float | Sequence[float] | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Inputs are cast here, to float32, not by Keras to what may be float16.
        super().__init__(**{**kwargs, "autocast": False})
        if zca_whitening and featurewise_std_normalization:
            raise ValueError(
                "zca_whitening and featurewise_std_normalization exclude each other: whitening already gives every "
                "value the same variance. Received: both True. Pass one."
            )
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.featurewise_center = featurewise_center or featurewise_std_normalization or zca_whitening
        self.featurewise_std_normalization = featurewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = _checked_number("zca_epsilon", zca_epsilon, least=0)
        self.rescale = None if rescale is None else _checked_number("rescale", rescale)
        self.input_mean = None if mean is None else _checked_numbers("mean", mean)
        self.input_variance = None if variance is None else _checked_numbers("variance", variance, least=0)
        self._check_given_statistics()
        self.data_format = check_choice("data_format", data_format or keras.config.image_data_format(), _DATA_FORMATS)
        self._channel_axis = -1 if self.data_format == "channels_last" else -3
        self._adapted = mean is not None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._check_rank(input_shape)
        if self.featurewise_center:
            channels = input_shape[self._channel_axis]
            if channels is None:
                raise ValueError(
                    "Featurewise standardization needs a known number of channels. "
                    f"Received: shape={input_shape}, data_format={self.data_format!r}."
                )
            self.mean = self._add_statistic("mean", self.input_mean, 0.0, channels)
            self.variance = self._add_statistic("variance", self.input_variance, 1.0, channels)
            self.count = self._add_weight("count", ())  # of images
            if self._adapted:
                self.count.assign(1.0)
        if self.zca_whitening:
            values = check_whitening(tuple(input_shape[-3:]))
            self.zca_whitening_matrix = self._add_weight("zca_whitening_matrix", (values, values))

    def adapt(self, data: Any) -> None:
        """Computes the statistics of all images in one pass, in float64; memory does not grow with their number.

        Each call starts anew.

        Args:
          data: An array or tensor of images `(images, height, width, channels)`; or a `tf.data.Dataset` or another
            iterable of batches: images alone, or tuples with the images first, such as `(images, labels)`.

        Raises:
          ValueError: No images; a dataset without end; images that do not fit each other, or hold NaN or infinity.
        """
        if not self.featurewise_center:
            return
        statistics = ImageStatistics(self._channel_axis, whitening=self.zca_whitening)
        for images in image_batches(data):
            self._check_rank(images.shape, ranks=(4,))
            if self.built:
                self._check_fits(images.shape)
            statistics.update(ops.convert_to_numpy(self._samplewise(images)))
            if not self.built:
                self.build((None, *images.shape[1:]))
        self._check_statistics(statistics)
        if self.zca_whitening:
            self.zca_whitening_matrix.assign(statistics.zca_whitening_matrix(self.zca_epsilon).astype(np.float32))
        self.mean.assign(statistics.mean.astype(np.float32))
        self.variance.assign(statistics.variance.astype(np.float32))
        self.count.assign(float(statistics.count))
        self._adapted = True

    def call(self, inputs: Any) -> Any:
        self._check_rank(inputs.shape)
        if len(inputs.shape) == 3:
            return self.call(inputs[None])[0]
        images = self._samplewise(inputs)
        if self.featurewise_center:
            self._check_adapted()
            images = images - self._along_channels(self.mean)
        if self.featurewise_std_normalization:
            images = images / (ops.sqrt(self._along_channels(self.variance)) + _EPSILON)
        if self.zca_whitening:
            images = self._whitened(images)
        return ops.cast(images, self.compute_dtype)

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        self._adapted = self.featurewise_center and float(ops.convert_to_numpy(self.count)) > 0

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        self._check_rank(inputs.shape)
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "samplewise_center": self.samplewise_center,
            "samplewise_std_normalization": self.samplewise_std_normalization,
            "featurewise_center": self.featurewise_center,
            "featurewise_std_normalization": self.featurewise_std_normalization,
            "zca_whitening": self.zca_whitening,
            "zca_epsilon": self.zca_epsilon,
            "rescale": self.rescale,
            "mean": self.input_mean,
            "variance": self.input_variance,
            "data_format": self.data_format,
        }

    def _samplewise(self, images: Any) -> Any:
        """What comes before the featurewise steps, of a batch; `adapt` measures its result."""
        images = ops.cast(ops.convert_to_tensor(images), "float32")
        if self.rescale is not None:
            images = images * self.rescale
        if self.samplewise_center:
            images = images - ops.mean(images, axis=(1, 2, 3), keepdims=True)
        if self.samplewise_std_normalization:
            images = images / (ops.sqrt(ops.mean(ops.square(images), axis=(1, 2, 3), keepdims=True)) + _EPSILON)
        return images

    def _whitened(self, images: Any) -> Any:
        self._check_fits(images.shape)
        shape = ops.shape(images)
        rows = ops.reshape(images, (shape[0], self.zca_whitening_matrix.shape[0]))
        return ops.reshape(ops.matmul(rows, self.zca_whitening_matrix), shape)

    def _along_channels(self, statistic: Any) -> Any:
        return ops.reshape(statistic, (-1, 1, 1) if self._channel_axis == -3 else (-1,))

    def _add_weight(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_weight(
            name=name, shape=shape, initializer="zeros", dtype="float32", trainable=False, autocast=False
        )

    def _add_statistic(self, name: str, given: tuple[float, ...] | None, default: float, channels: int) -> Any:
        values = (default,) if given is None else given
        if len(values) not in (1, channels):
            raise ValueError(f"{name} must be one number, or one for each of {channels} channels. Received: {values}.")
        weight = self._add_weight(name, (channels,))
        weight.assign(np.broadcast_to(np.asarray(values, np.float32), (channels,)))
        return weight

    def _check_given_statistics(self) -> None:
        expected = {"mean": self.featurewise_center, "variance": self.featurewise_std_normalization}
        given = {"mean": self.input_mean is not None, "variance": self.input_variance is not None}
        if not any(given.values()):
            return
        if self.zca_whitening:
            raise ValueError("zca_whitening needs adapt(), not mean and variance. Received: both. Leave them out.")
        if given != expected:
            raise ValueError(
                "mean goes with featurewise_center, mean and variance with featurewise_std_normalization. Received: "
                f"mean={self.input_mean}, variance={self.input_variance}, featurewise_center={self.featurewise_center},"
                f" featurewise_std_normalization={self.featurewise_std_normalization}."
            )

    def _check_rank(self, shape: Sequence[int | None], ranks: tuple[int, ...] = (3, 4)) -> None:
        if len(shape) not in ranks:
            single = " or a single one" if 3 in ranks else ""
            raise ValueError(
                f"Standardization takes batches of images{single}: (batch, height, width, channels), data_format="
                f"{self.data_format!r}. Received: shape={tuple(shape)}. Batch a dataset of single images: .batch(128)."
            )

    def _check_fits(self, shape: Sequence[int | None]) -> None:
        channels = shape[self._channel_axis]
        if channels not in (None, self.mean.shape[0]):
            raise ValueError(f"The layer was built for {self.mean.shape[0]} channels. Received: shape={tuple(shape)}.")
        sizes = [size for size in shape[1:] if size is not None]
        if self.zca_whitening and len(sizes) == 3 and math.prod(sizes) != self.zca_whitening_matrix.shape[0]:
            raise ValueError(
                f"The layer was built to whiten images of {self.zca_whitening_matrix.shape[0]} values. "
                f"Received: {math.prod(sizes)}, shape={tuple(shape)}. Resize the images."
            )

    def _check_adapted(self) -> None:
        if not self._adapted and keras.backend.backend() == "tensorflow":
            with tf.init_scope():  # what model.set_weights brought
                self._adapted = float(ops.convert_to_numpy(self.count)) > 0
        if not self._adapted:
            raise ValueError(
                "The statistics of the images are not known yet. Call layer.adapt(dataset), load weights, or pass "
                "mean and variance."
            )

    def _check_statistics(self, statistics: ImageStatistics) -> None:
        if not statistics.count:
            raise ValueError("adapt needs at least one image. Received: none. A generator can be read only once.")
        if not np.isfinite(statistics.variance).all():
            raise ValueError(
                f"adapt takes finite numbers. Received images with a mean of {statistics.mean} and a variance of "
                f"{statistics.variance}. Look for NaN and infinity."
            )


def _checked_number(argument: str, value: float, least: float = -math.inf) -> float:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < least:
        range_text = "" if least == -math.inf else f", at least {least}"
        raise ValueError(f"{argument} must be a finite number{range_text}. Received: {argument}={value!r}.")
    return float(value)


def _checked_numbers(argument: str, values: float | Sequence[float], least: float = -math.inf) -> tuple[float, ...]:
    if np.ndim(values) > 1:
        raise ValueError(f"{argument} must be one number, or one for each channel. Received: {argument}={values!r}.")
    return tuple(_checked_number(argument, value, least) for value in np.atleast_1d(values).tolist())
