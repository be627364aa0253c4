"""The images of which a model is most wrong."""

import heapq
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ext.callbacks.named_batches import Batch, batch_of
from keras_ext.callbacks.tensorboard_pictures import TensorBoardPictures
from keras_ext.plots import image_grid

_LEAST = 1e-7  # Keras's own bound of probabilities in a crossentropy


@dataclass(frozen=True)
class WrongImage:
    """An image and what the model takes it for.

    Attributes:
      name: Name of the file, or key.
      label: Its class.
      predicted: The class of the highest probability.
      probability: That probability.
      loss: Crossentropy: minus the logarithm of the probability of its class.
      image: Its pixels, `(height, width, channels)`.
    """

    name: str
    label: str
    predicted: str
    probability: float
    loss: float
    image: np.ndarray = field(repr=False, compare=False)


class MostWrongImages(keras.callbacks.Callback):
    """Finds the validation images with the highest loss: wrong labels, odd pictures, classes that look alike.

    The model goes through the images once more for this, in the memory of one batch and of the images that are kept.

    Args:
      dataset: Batches `(names, images, labels, ...)`: `image_dataset_from_directory(..., with_file_names=True)`, or
        `ImageExamples.evaluation_dataset(..., with_file_names=True)`. Labels are class indices, 0 and 1, or one-hot.
      class_names: The name of each class, in the order of the class indices.
      log_dir: TensorBoard's folder, where the pictures are in the run `most_wrong`; they need Matplotlib. None draws
        none.
      count: How many images.
      every: Epochs from one look to the next; None looks once, after the training.
      from_logits: Whether the model's outputs are logits, rather than probabilities.
      value_range: What is shown as black and as white; see `keras_ext.plots.image_grid`.

    Attributes:
      images: `WrongImage`s of the last look, the highest loss first.

    Raises:
      TypeError: The dataset yields no names, or no labels.
      ValueError: The model's outputs are no probabilities of these classes.

    Example:

    >>> options = {"validation_split": 0.2, "seed": 0, "with_file_names": True}
    >>> named = image_dataset_from_directory("photos", subset="validation", **options)
    >>> most_wrong = MostWrongImages(named, named.class_names, log_dir="logs")
    >>> model.fit(train, epochs=10, callbacks=[most_wrong])
    >>> for image in most_wrong.images:
    ...     print(image.name, image.label, image.predicted, image.probability)
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        class_names: Sequence[str],
        *,
        log_dir: str | os.PathLike[str] | None = None,
        count: int = 16,
        every: int | None = 1,
        from_logits: bool = False,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(class_names, str):
            raise TypeError(f"class_names must be a list of class names. Received: class_names={class_names!r}.")
        for name, number in (("count", count), ("every", every)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be a positive integer. Received: {name}={number!r}.")
        spec = batch_of(dataset.element_spec)
        if spec.names is None or spec.labels is None:
            raise TypeError(
                "dataset must yield (names, images, labels). Pass with_file_names=True to image_dataset_from_directory "
                f"or to ImageExamples.evaluation_dataset. Received: {dataset.element_spec}."
            )
        self.dataset = dataset
        self.class_names = list(class_names)
        self.count = count
        self.every = every
        self.from_logits = from_logits
        self.images: list[WrongImage] = []
        self._value_range = value_range
        self._pictures = None if log_dir is None else TensorBoardPictures(log_dir, "most_wrong")
        self._last_epoch = 0
        if log_dir is not None:
            image_grid(np.zeros((1, 1, 1, 3)))  # says now, and not after an epoch, that Matplotlib is missing

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._last_epoch = epoch
        if self.every is not None and (epoch + 1) % self.every == 0:
            self._look()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.every is None:
            self._look()
        if self._pictures is not None:
            self._pictures.close()

    def find(self, model: keras.Model) -> list[WrongImage]:
        """Returns the images of which this model is most wrong, the highest loss first."""
        kept: list[tuple[float, int, WrongImage]] = []
        for number, candidate in enumerate(self._candidates(model, kept)):
            # The number decides between equal losses: the first one stays.
            heapq.heappush(kept, (candidate.loss, -number, candidate))
            if len(kept) > self.count:
                heapq.heappop(kept)
        return [candidate for *_, candidate in sorted(kept, key=lambda one: (-one[0], -one[1]))]

    def figure(self) -> Any:
        """Returns a Matplotlib figure of the images, with their names and what they are taken for."""
        return image_grid(
            [one.image for one in self.images],
            [_title(one) for one in self.images],
            value_range=self._value_range,
        )

    def _look(self) -> None:
        self.images = self.find(self.model)
        if self._pictures is not None and self.images:
            self._pictures.write("most wrong images", self.figure(), self._last_epoch)

    def _candidates(self, model: keras.Model, kept: list[tuple[float, int, WrongImage]]) -> Iterator[WrongImage]:
        """The images that may be among the most wrong ones, by what is kept so far."""
        for element in self.dataset:
            batch = batch_of(element)
            probabilities = self._probabilities(model.predict_on_batch(batch.images))
            labels = _indices(batch.labels.numpy())
            losses = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], _LEAST))
            for position in np.argsort(-losses, kind="stable")[: self.count]:
                if len(kept) < self.count or losses[position] > kept[0][0]:
                    yield self._wrong_image(
                        batch, position, labels[position], probabilities[position], losses[position]
                    )

    def _wrong_image(
        self, batch: Batch, position: int, label: int, probabilities: np.ndarray, loss: float
    ) -> WrongImage:
        predicted = int(probabilities.argmax())
        return WrongImage(
            name=batch.names[position].numpy().decode(),
            label=self.class_names[label],
            predicted=self.class_names[predicted],
            probability=float(probabilities[predicted]),
            loss=float(loss),
            image=batch.images[position].numpy(),
        )

    def _probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Of each class, `(batch, classes)`."""
        outputs = np.asarray(outputs, np.float64)
        single = outputs.ndim == 2 and outputs.shape[1] == 1
        if self.from_logits:
            logits = np.concatenate([np.zeros_like(outputs), outputs], axis=1) if single else outputs
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            outputs = exponentials / exponentials.sum(axis=1, keepdims=True)
        elif single:
            outputs = np.concatenate([1 - outputs, outputs], axis=1)
        self._check(outputs)
        return outputs

    def _check(self, probabilities: np.ndarray) -> None:
        if probabilities.ndim != 2 or probabilities.shape[1] != len(self.class_names):
            raise ValueError(
                f"The model must give a probability for each of the {len(self.class_names)} class_names. Received: "
                f"outputs of shape {probabilities.shape}."
            )
        if probabilities.min() < -1e-3 or np.abs(probabilities.sum(axis=1) - 1).max() > 1e-2:
            raise ValueError(
                "The model's outputs must be probabilities, which sum to 1. Received: outputs that sum to "
                f"{probabilities[0].sum():.3g}. Pass from_logits=True where the model ends without a softmax."
            )


def _indices(labels: np.ndarray) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] > 1:
        return labels.argmax(axis=1)
    return labels.reshape(-1).astype(int)


def _title(one: WrongImage) -> str:
    return f"{one.name}\n{one.label}, taken for\n{one.predicted} {one.probability:.0%}"
