"""What augmentation makes of a few images, for TensorBoard."""

import inspect
import os
from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ext.callbacks.named_batches import Batch, batch_of
from keras_ext.callbacks.tensorboard_pictures import TensorBoardPictures
from keras_ext.datasets.image_keys import image_keys
from keras_ext.layers.augmentation_lookup import mixes_labels
from keras_ext.plots import image_grid, value_range_of


class AugmentationPreview(keras.callbacks.Callback):
    """Draws the same few images after each epoch beside what augmentation makes of them, for TensorBoard.

    Layers that draw by key, such as `keras_ext.layers.Augmentation`, show the images as they are in this epoch, in the
    next one and so on, if the dataset yields their names or keys as the training has them. Others draw anew for each
    picture; Keras's and ours have the state afterwards that they had before, so that the training stays the same.

    Args:
      augment: A layer or a function from images to augmented images of the same range, or several, which come one
        after another. They get `training=True`, and `keys` and `epoch`, where they take these.
      dataset: Batches before augmentation: images, `(images, labels, ...)` or `(names, images, labels, ...)`, where
        names are file names or keys, strings. Its first images are shown.
      log_dir: TensorBoard's folder; the pictures are in the run `augmentation`.
      images: How many images.
      versions: How many augmented versions of each.
      every: Epochs from one picture, of which the first is that of the first epoch, to the next.
      class_names: The names of the classes, to show an image's class instead of its name.

    Raises:
      ImportError: Matplotlib is missing.
      ValueError: The dataset is empty.

    Example:

    >>> augment = Augmentation([{"layer": "RandomAffine", "rotation": 20}], seed=0)
    >>> preview = AugmentationPreview(augment, train, "logs")
    >>> augmented = train.map(lambda images, labels: (augment(images, training=True), labels))
    >>> model.fit(augmented, epochs=3, callbacks=[preview])
    """

    def __init__(
        self,
        augment: Callable[..., Any] | Sequence[Callable[..., Any]],
        dataset: tf.data.Dataset,
        log_dir: str | os.PathLike[str],
        *,
        images: int = 4,
        versions: int = 4,
        every: int = 1,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        for name, number in (("images", images), ("versions", versions), ("every", every)):
            if number < 1:
                raise ValueError(f"{name} must be a positive integer. Received: {name}={number!r}.")
        self._layers = [augment] if callable(augment) else list(augment)
        self._shown = _first_images(dataset, images)
        self._versions = versions
        self._every = every
        self._class_names = class_names
        self._pictures = TensorBoardPictures(log_dir, "augmentation")
        image_grid(self._shown.images[:1])  # says now, and not after an epoch, that Matplotlib is missing

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch % self._every:
            return
        with keras.StatelessScope():  # what is drawn here is not missed in training
            versions = [self._augmented(epoch + version) for version in range(self._versions)]
        rows = list(zip(self._shown.images, *versions, strict=True))
        titles = [self._titles(row, epoch) for row in range(len(rows))]
        figure = image_grid(
            [image for row in rows for image in row],
            [title for row in titles for title in row],
            columns=1 + self._versions,
            # Of the originals: one augmented value a little above 1 does not make all of them black.
            value_range=value_range_of(self._shown.images),
        )
        self._pictures.write("augmentation", figure, epoch)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._pictures.close()

    def _augmented(self, epoch: int) -> np.ndarray:
        images, labels = tf.constant(self._shown.images), self._shown.labels
        for layer in self._layers:
            options = self._options(layer, epoch)
            if mixes_labels(layer):
                mixed = layer({"images": images, "labels": labels}, **options)
                images, labels = mixed["images"], mixed["labels"]
            else:
                images = layer(images, **options)
        return np.asarray(images)

    def _options(self, layer: Callable[..., Any], epoch: int) -> dict[str, Any]:
        options: dict[str, Any] = {"training": True} if "training" in _parameters(layer) else {}
        if self._draws_by_key(layer):
            options |= {"keys": image_keys(self._shown.names), "epoch": epoch}
        return options

    def _draws_by_key(self, layer: Callable[..., Any]) -> bool:
        return self._shown.names is not None and "keys" in _parameters(layer)

    def _titles(self, row: int, epoch: int) -> list[str]:
        name = self._title(row)
        if row == 0 and any(map(self._draws_by_key, self._layers)):
            return [name, *(f"epoch {epoch + version + 1}" for version in range(self._versions))]
        return [name, *[""] * self._versions]

    def _title(self, row: int) -> str:
        if self._class_names is not None and self._shown.labels is not None:
            return self._class_names[int(self._shown.labels[row].argmax())]
        return "" if self._shown.names is None else self._shown.names[row].decode()


def _parameters(layer: Callable[..., Any]) -> Collection[str]:
    return inspect.signature(getattr(layer, "call", layer)).parameters


def _first_images(dataset: tf.data.Dataset, count: int) -> Batch:
    """The first images, their names and one-hot labels, as arrays."""
    epoch = getattr(dataset, "epoch", None)  # of an ImageDataset, which counts its iterations
    before = None if epoch is None else int(epoch)
    batches: list[Batch] = []
    for element in dataset.as_numpy_iterator():
        batches.append(batch_of(element))
        if sum(len(batch.images) for batch in batches) >= count:
            break
    if not batches:
        raise ValueError("dataset must hold batches of images. Received: an empty one.")
    if epoch is not None:
        epoch.assign(before)

    def joined(parts: list[Any]) -> Any:
        return None if parts[0] is None else np.concatenate(parts)[:count]

    labels = joined([batch.labels for batch in batches])
    return Batch(
        joined([batch.images for batch in batches]),
        joined([batch.names for batch in batches]),
        None if labels is None else _one_hot(labels),
    )


def _one_hot(labels: np.ndarray) -> np.ndarray:
    """What layers that mix labels take; as many classes as these images have."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return labels
    return np.eye(int(labels.max()) + 1, dtype=np.float32)[labels.reshape(-1).astype(int)]
