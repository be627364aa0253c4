"""Mean, variance and ZCA whitening of any number of images, batch by batch, in float64."""

import math
from typing import Any

import numpy as np

# Whitening needs a square matrix of this many rows: 64 × 64 × 3 values make one of 1.2 GB in float64.
MOST_WHITENED_VALUES = 12_288

_BLOCK_ROWS = 1024


class ImageStatistics:
    """Statistics of the images seen so far.

    Batches are merged as Chan, Golub and LeVeque do ("Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", 1979): nothing is subtracted from a large sum of squares, so a mean far from zero costs no accuracy, and
    memory does not grow with the number of images.

    Args:
      channel_axis: Axis of the channels, -1 or -3 (of images without a batch).
      whitening: Whether to gather what `zca_whitening_matrix` needs: a matrix of (values of an image)² in float64.

    Attributes:
      count: Images seen.
      mean: Of each channel, float64 `(channels,)`; empty before the first image.
      variance: Of each channel, of the population (not the sample's estimate), float64 `(channels,)`.

    Example:

    >>> statistics = ImageStatistics()
    >>> statistics.update(np.array([[[[1.0], [3.0]]]]))
    >>> statistics.mean, statistics.variance
    (array([2.]), array([1.]))
    """

    def __init__(self, channel_axis: int = -1, *, whitening: bool = False) -> None:
        self.count = 0
        self._channel_axis = channel_axis
        self._whitening = whitening
        self._image_shape: tuple[int, ...] = ()
        self._pixels = 0
        self.mean = np.zeros(0)
        self._squares = np.zeros(0)  # of each channel's deviations from its mean, summed
        self._image_mean = np.zeros(0)  # of each value of an image; the rest belongs to whitening as well
        self._products = np.zeros((0, 0))  # of all pairs of deviations from it, summed over the images

    @property
    def variance(self) -> np.ndarray:
        return self._squares / max(self._pixels, 1)

    def update(self, images: np.ndarray) -> None:
        """Adds a batch, an array of rank 4.

        Raises:
          ValueError: Another number of channels than before; with whitening, another size, or one that is too large.
        """
        if not len(images):
            return
        values = np.asarray(images, np.float64)
        if not self.count:
            self._start(values.shape[1:])
        self._check_shape(values.shape[1:])
        self._update_channels(np.moveaxis(values, self._channel_axis, -1).reshape(-1, len(self.mean)))
        if self._whitening:
            self._update_products(values.reshape(len(values), -1))
        self.count += len(values)

    def zca_whitening_matrix(self, epsilon: float = 1e-6) -> np.ndarray:
        """Returns the matrix W that whitens images from which the channels' mean is subtracted.

        `(images - mean).reshape(count, -1) @ W` has the second moments of the identity. W is U diag(√n / (s + epsilon))
        Uᵀ, with U and s the singular vectors and values of the n images: U also holds the eigenvectors of their second
        moments, and s² the eigenvalues. Directions in which s is less than √(values · 2.2e-16) of the largest, under
        what float64 resolves, are dropped: there the images do not differ, and scaling would only blow up noise.

        Args:
          epsilon: Added to s.

        Returns:
          float64 `(values, values)`, symmetric.
        """
        # The deviations are the images' own, but from the channels' mean they are wanted.
        mean = np.expand_dims(self.mean, tuple(axis for axis in (-3, -2, -1) if axis != self._channel_axis))
        shift = self._image_mean - np.broadcast_to(mean, self._image_shape).ravel()
        eigenvalues, vectors = np.linalg.eigh(self._products + self.count * np.outer(shift, shift))
        kept = eigenvalues > eigenvalues[-1] * len(eigenvalues) * np.finfo(np.float64).eps
        vectors = vectors[:, kept]
        return (vectors * (math.sqrt(self.count) / (np.sqrt(eigenvalues[kept]) + epsilon))) @ vectors.T

    def _start(self, image_shape: tuple[int, ...]) -> None:
        self._image_shape = image_shape
        channels = image_shape[self._channel_axis]
        self.mean, self._squares = np.zeros(channels), np.zeros(channels)
        if self._whitening:
            values = check_whitening(image_shape)
            self._image_mean, self._products = np.zeros(values), np.zeros((values, values))

    def _check_shape(self, image_shape: tuple[int, ...]) -> None:
        if self._whitening and image_shape != self._image_shape:
            raise ValueError(
                f"ZCA whitening takes images of one shape. Received: {self._image_shape}, then {image_shape}. "
                "Resize them first."
            )
        if image_shape[self._channel_axis] != len(self.mean):
            raise ValueError(
                "Images must have the same number of channels. "
                f"Received: {len(self.mean)}, then {image_shape[self._channel_axis]}."
            )

    def _update_channels(self, rows: np.ndarray) -> None:
        mean = rows.mean(axis=0)
        total = self._pixels + len(rows)
        delta = mean - self.mean
        self._squares += np.square(rows - mean).sum(axis=0) + delta**2 * (self._pixels * len(rows) / total)
        self.mean += delta * (len(rows) / total)
        self._pixels = total

    def _update_products(self, rows: np.ndarray) -> None:
        mean = rows.mean(axis=0)
        total = self.count + len(rows)
        delta = mean - self._image_mean
        # The difference of the means is one more deviation.
        deviations = np.concatenate([rows - mean, delta[np.newaxis] * math.sqrt(self.count * len(rows) / total)])
        for start in range(0, len(mean), _BLOCK_ROWS):  # block by block, so that no second matrix is needed
            block = slice(start, start + _BLOCK_ROWS)
            self._products[block] += deviations[:, block].T @ deviations
        self._image_mean += delta * (len(rows) / total)


def check_whitening(image_shape: tuple[Any, ...]) -> int:
    """Returns the number of values of an image, if ZCA whitening is feasible.

    Raises:
      ValueError: The shape is not known, or the image too large.
    """
    if None in image_shape:
        raise ValueError(
            f"ZCA whitening needs images of a known size. Received: shape={image_shape}. Resize them first."
        )
    values = math.prod(image_shape)
    if values > MOST_WHITENED_VALUES:
        raise ValueError(
            f"ZCA whitening takes images of up to {MOST_WHITENED_VALUES:,} values, such as 64 × 64 × 3. Received: "
            f"{values:,}, shape={image_shape}. It mixes every value with every other: a matrix of {values:,} × "
            f"{values:,} numbers, {values**2 * 8 / 1e9:,.1f} GB. Use smaller images, or featurewise_center and "
            "featurewise_std_normalization."
        )
    return values
