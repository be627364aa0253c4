"""What `ImageDataGenerator` does to images: transforms them, standardizes them, and finds out their statistics."""

import secrets
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_ext.generators.image_settings import BYTES, ImageSettings
from keras_ext.generators.random_transform import draw_number, from_familiar, to_familiar
from keras_ext.image_statistics import ImageStatistics
from keras_ext.layers.image_batches import image_batches

_EPSILON = 1e-6
_IMAGE_AXES = (-3, -2, -1)


class ImageProcessing(ImageSettings):
    """The settings of `keras_ext.ImageDataGenerator`, and what it does to images."""

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Computes what `featurewise_center`, `featurewise_std_normalization` and `zca_whitening` need.

        All data is read once, and memory does not grow with it. The statistics are those of images after `rescale` (and
        augmentation), before samplewise steps and without `preprocessing_function`, as ever.

        Args:
          x: An array of images; or batches of them, raw: a `tf.data.Dataset`, or the flow of a generator without
            settings.
          augment: Whether to fit to augmented images.
          rounds: How often the data is augmented.
          seed: An integer that decides the augmentation, or None.

        Raises:
          ValueError: Images of another rank; images too large for ZCA whitening.
        """
        statistics = ImageStatistics(self.channel_axis - 4, whitening=self.zca_whitening)
        root = secrets.randbits(62) if seed is None else seed
        for epoch in range(rounds if augment else 1):
            position = 0
            for batch in image_batches(_once(x)):
                images = self.checked_images(batch)
                if augment:
                    layer, keys = (
                        self.random_transform_layer(self.color_range(images)),
                        np.arange(len(images)) + position,
                    )
                    images = np.asarray(layer(images, training=True, keys=keys, epoch=draw_number(root, epoch)))
                statistics.update(images * self.rescale if self.rescale else images)
                position += len(images)
        if not statistics.count:
            raise ValueError("fit needs at least one image. Received: none.")
        self._take(statistics)

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Standardizes an image or a batch, in place where it holds floats, and returns it.

        Each image of a batch is standardized by itself.
        """
        standardized = self._standardized(x if self.preprocessing_function is None else self.preprocessing_function(x))
        if isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.floating) and x.shape == standardized.shape:
            x[...] = standardized
            return x
        return standardized

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None) -> dict[str, Any]:
        """Draws for an image of a shape of three numbers.

        Returns:
          `theta` and `shear` in degrees; `tx` and `ty`, pixels upwards and to the left; `zx` and `zy`, factors of
          height and width; `flip_horizontal`, `flip_vertical`; `channel_shift_intensity` and `brightness`, or None.
        """
        key = secrets.randbits(62) if seed is None else int(seed)
        image = np.broadcast_to(np.uint8(0), (1, *img_shape))
        return to_familiar(self.random_transform_layer(BYTES).get_random_transformation(image, keys=[key]))

    def apply_transform(self, x: np.ndarray, transform_parameters: Mapping[str, Any]) -> np.ndarray:
        """Does to an image what `transform_parameters` say, which are named as by `get_random_transform`.

        Raises:
          ValueError: An unknown parameter, or an array of another rank.
        """
        x = np.asarray(x)
        if x.ndim != 3:
            raise ValueError(f"x must be one image, of three axes. Received: shape={x.shape}.")
        images = self.as_images(x)[np.newaxis]
        layer = self.random_transform_layer(self.color_range(images))
        changed = np.asarray(layer.transform_images(images, from_familiar(transform_parameters)))[0]
        if np.issubdtype(x.dtype, np.integer):
            limits = np.iinfo(x.dtype)
            changed = np.clip(np.rint(changed), limits.min, limits.max)
        return changed.astype(x.dtype)

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Augments an image."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    @property
    def transforms_by_itself(self) -> bool:
        """Whether a subclass draws or applies transformations in a way of its own."""
        return self._overrides("get_random_transform") or self._overrides("apply_transform")

    def transformed_one_by_one(self, images: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Returns images transformed by what a subclass has made of these methods."""
        images = images.astype(self.dtype)
        for image, seed in zip(images, seeds, strict=True):
            image[...] = self.apply_transform(image, self.get_random_transform(image.shape, seed))
        return images

    def finished(self, images: np.ndarray) -> np.ndarray:
        """Returns augmented images standardized, each by itself, as an array of its own."""
        if self._overrides("standardize") and len(images):
            return np.stack([self.standardize(image) for image in images.astype(self.dtype)])
        if self.preprocessing_function is not None and len(images):
            shape = images.shape[1:]
            images = np.stack([self.preprocessing_function(image) for image in images.astype(self.dtype)])
            if images.shape[1:] != shape:
                raise ValueError(
                    "preprocessing_function must return an image of the shape that it is given. "
                    f"Received: shape={images.shape[1:]} for shape={shape}."
                )
        return self._standardized(images)

    def _overrides(self, method: str) -> bool:
        return getattr(getattr(self, method), "__func__", None) is not getattr(ImageProcessing, method)

    def _standardized(self, images: np.ndarray) -> np.ndarray:
        # Everything after the first line may work in place.
        images = np.multiply(images, self.rescale or 1, dtype=self.dtype)
        if self.samplewise_center:
            images -= images.mean(_IMAGE_AXES, keepdims=True)
        if self.samplewise_std_normalization:
            images /= images.std(_IMAGE_AXES, keepdims=True) + _EPSILON
        if self.featurewise_center and (mean := self._known("mean", "featurewise_center")) is not None:
            images -= mean
        if (
            self.featurewise_std_normalization
            and (std := self._known("std", "featurewise_std_normalization")) is not None
        ):
            images /= std + _EPSILON
        if self.zca_whitening and (matrix := self._known("zca_whitening_matrix", "zca_whitening")) is not None:
            images = (images.reshape(-1, len(matrix)) @ matrix).reshape(images.shape).astype(self.dtype)
        return images

    def _known(self, statistic: str, setting: str) -> np.ndarray | None:
        value = getattr(self, statistic)
        if value is None:
            warnings.warn(
                f"{setting}=True, but the statistics of the images are not known, so that this step is left out. Call "
                f"fit(images) first, or set {statistic}.",
                stacklevel=5,
            )
        return value

    def _take(self, statistics: ImageStatistics) -> None:
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = -1
        if self.featurewise_center:
            self.mean = statistics.mean.astype(self.dtype).reshape(shape)
        if self.featurewise_std_normalization:
            self.std = np.sqrt(statistics.variance).astype(self.dtype).reshape(shape)
        if self.zca_whitening:
            self.zca_whitening_matrix = statistics.zca_whitening_matrix(self.zca_epsilon).astype(self.dtype)


def _once(data: Any) -> Any:
    """Returns the batches of a dataset of Keras's, which may otherwise have no end."""
    return (data[index] for index in range(len(data))) if isinstance(data, keras.utils.PyDataset) else data
