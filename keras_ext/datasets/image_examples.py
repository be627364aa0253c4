"""Decoded images in TFRecord files, as Transform writes them, to `tf.data`."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_ext import features
from keras_ext.balanced_sampler import SAMPLINGS, BalancedSampler
from keras_ext.choices import check_choice
from keras_ext.datasets.dataset_marks import MIXED_LABELS, OVERSAMPLED, marked
from keras_ext.datasets.example_records import labels_of_files, shuffled_records
from keras_ext.datasets.image_keys import image_keys
from keras_ext.datasets.pixels import parse_images

if TYPE_CHECKING:
    from keras_ext.layers import Augmentation

_SHUFFLE_BYTES = 256 << 20
_FEATURE_SPEC = {
    features.PIXELS: tf.io.FixedLenFeature([], tf.string),
    features.CLASS_LABEL: tf.io.FixedLenFeature([], tf.int64),
}


class ImageExamples:
    """Examples that hold decoded images of one size, in TFRecord files.

    Each example has the features `image/pixels` (see `keras_ext.datasets.pixels`), `image/class/label` and
    `image/key/sha256`. Datasets yield batches `(images, labels)`, or `(keys, images, labels)` with `with_keys=True`:
    uint8 images `(batch, height, width, channels)`, int64 labels and string keys `(batch,)`. The last batch of an epoch
    holds what is left. Those for evaluation can have file names instead of keys, from the feature `image/filename`.

    Args:
      files: Names or patterns of TFRecord files.
      image_shape: Height, width and channels of the images.
      compression_type: `""` for plain files, `"GZIP"` for those that TFX's Transform writes.
      sampling: What an epoch of training holds. None: every example once. Else rare classes come more often, which
        no class weights go with: `"balanced"`, `"square_root"`, `"repeat_factor"` or factors of your own; see
        `keras_ext.balanced_sampler.BalancedSampler`. All labels are then read through once more.

    Raises:
      ValueError: No file has any of these names; an unknown sampling.

    Example:

    >>> train = ImageExamples(["transformed/Split-train/*"], (224, 224, 3), compression_type="GZIP")
    >>> dataset = train.training_dataset(batch_size=32, seed=0, epochs=10)
    >>> model.fit(dataset, epochs=10, steps_per_epoch=train.steps_per_epoch(batch_size=32))
    """

    def __init__(
        self,
        files: Sequence[str],
        image_shape: tuple[int, int, int],
        *,
        compression_type: str = "",
        sampling: str | Mapping[int, float] | None = None,
    ) -> None:
        self.files = sorted(name for pattern in files for name in tf.io.gfile.glob(pattern))
        self.image_shape = image_shape
        self.compression_type = compression_type
        self.sampling = check_choice("sampling", sampling, SAMPLINGS) if isinstance(sampling, str) else sampling
        if not self.files:
            raise ValueError(f"files must name TFRecord files. Received: files={list(files)!r}, which match no file.")

    def count(self) -> int:
        """Returns the number of examples; reads the files through once."""
        records = tf.data.TFRecordDataset(self.files, self.compression_type, num_parallel_reads=tf.data.AUTOTUNE)
        sizes = records.batch(1024).map(lambda batch: tf.size(batch, tf.int64))
        return int(sizes.reduce(tf.constant(0, tf.int64), tf.add))

    def steps_per_epoch(self, batch_size: int) -> int:
        """Returns the number of batches in an epoch of training."""
        sampler = self._sampler(seed=0)
        return math.ceil(self.count() / batch_size) if sampler is None else sampler.steps_per_epoch(batch_size)

    def training_dataset(
        self,
        *,
        batch_size: int,
        seed: int,
        epochs: int,
        initial_epoch: int = 0,
        augment: "Augmentation | None" = None,
        num_classes: int | None = None,
        with_keys: bool = False,
    ) -> tf.data.Dataset:
        """Returns the shuffled batches of the epochs `initial_epoch` to `epochs - 1`, one after another.

        The order within an epoch, and how each image is augmented, are functions of the seeds and the number of the
        epoch alone: not of what was read before, nor of TensorFlow's global seed. So a dataset that starts at epoch 3
        goes on exactly as the one that started at 0. Give `fit` the `steps_per_epoch`, since Keras would otherwise take
        all epochs for one.

        Args:
          batch_size: Images in a batch.
          seed: Any integer.
          epochs: Where to end, as in `fit`.
          initial_epoch: Where to start, as in `fit`.
          augment: Augments the images, which are then floats, while the model trains on the batch before.
          num_classes: The number of classes, to get one-hot float labels `(batch, num_classes)`. Layers that mix labels
            (`MixUp`, `CutMix`) need them.
          with_keys: Whether to yield the images' keys too.

        Raises:
          ValueError: `augment` mixes labels and `num_classes` is missing.
        """
        if augment is not None and augment.mixes_labels and num_classes is None:
            raise ValueError(
                "augment mixes labels, so they must be one-hot. Received: num_classes=None. Pass the number of classes."
            )

        sampler = self._sampler(seed)

        def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
            records = self._shuffled_records(seed, epoch, sampler)
            batches = self._parsed_batches(records, batch_size, features.SHA256)
            if num_classes is not None:
                batches = batches.map(lambda keys, images, labels: (keys, images, tf.one_hot(labels, num_classes)))
            if augment is not None:
                batches = _augmented(batches, augment, epoch)
            return batches if with_keys else batches.map(lambda _, images, labels: (images, labels))

        dataset = tf.data.Dataset.range(initial_epoch, epochs).flat_map(batches_of)
        if sampler is not None:
            dataset = marked(dataset, OVERSAMPLED)
        if augment is not None and augment.mixes_labels:
            dataset = marked(dataset, MIXED_LABELS)
        return dataset.prefetch(tf.data.AUTOTUNE)

    def evaluation_dataset(
        self, *, batch_size: int, with_keys: bool = False, with_file_names: bool = False
    ) -> tf.data.Dataset:
        """Returns the batches once, in the order of the files; the dataset knows its length.

        Args:
          batch_size: Images in a batch.
          with_keys: Whether to yield the images' keys too, in the first place.
          with_file_names: Whether to yield the names of their files there.

        Raises:
          ValueError: Keys and file names are both asked for.
        """
        if with_keys and with_file_names:
            raise ValueError("with_keys and with_file_names exclude each other. Received: both True. Pass one.")
        names = features.SHA256 if with_keys else features.FILENAME if with_file_names else None
        records = tf.data.TFRecordDataset(self.files, self.compression_type)
        batches = self._parsed_batches(records, batch_size, names)
        # Keras warns that a dataset of unknown length "ran out of data".
        sized = batches.apply(tf.data.experimental.assert_cardinality(math.ceil(self.count() / batch_size)))
        return sized.prefetch(tf.data.AUTOTUNE)

    @functools.cached_property
    def _labels(self) -> list[np.ndarray]:
        return labels_of_files(self.files, self.compression_type)

    def _sampler(self, seed: int) -> BalancedSampler | None:
        if self.sampling is None:
            return None
        return BalancedSampler(np.concatenate(self._labels), self.sampling, seed=seed)

    def _shuffled_records(self, seed: int, epoch: tf.Tensor, sampler: BalancedSampler | None) -> tf.data.Dataset:
        copies = None
        if sampler is not None:
            of_records = tf.numpy_function(sampler.copies, [epoch], tf.int64, stateful=False)
            copies = tf.RaggedTensor.from_row_lengths(tf.ensure_shape(of_records, [None]), [*map(len, self._labels)])
        seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
        return shuffled_records(self.files, self.compression_type, seeds, self._shuffle_buffer(), copies)

    def _shuffle_buffer(self) -> int:
        """Examples in the shuffle buffer: as many as 256 MiB hold."""
        return max(1, _SHUFFLE_BYTES // math.prod(self.image_shape))

    def _parsed_batches(self, records: tf.data.Dataset, batch_size: int, names: str | None) -> tf.data.Dataset:
        """Batches `(images, labels)`, with the feature `names`, if there is one, before them."""
        spec = _FEATURE_SPEC if names is None else {**_FEATURE_SPEC, names: tf.io.FixedLenFeature([], tf.string)}

        def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
            example = tf.io.parse_example(serialized, spec)
            elements = parse_images(example[features.PIXELS], self.image_shape), example[features.CLASS_LABEL]
            return elements if names is None else (example[names], *elements)

        return records.batch(batch_size).map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def _augmented(batches: tf.data.Dataset, augment: "Augmentation", epoch: tf.Tensor) -> tf.data.Dataset:
    def augment_batch(keys: tf.Tensor, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        draws = {"training": True, "keys": image_keys(keys), "epoch": epoch}
        if not augment.mixes_labels:
            return keys, augment(images, **draws), labels
        mixed = augment({"images": images, "labels": labels}, **draws)
        return keys, mixed["images"], mixed["labels"]

    # In parallel, layers with a state of their own would draw in any order.
    return batches.map(augment_batch, num_parallel_calls=tf.data.AUTOTUNE if augment.is_reproducible else None)
