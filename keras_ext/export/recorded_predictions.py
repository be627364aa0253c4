"""What a model said in training of a few images, so that serving can be held to it."""

import heapq
import io
import itertools
import os
from collections import defaultdict
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_ext import features
from keras_ext.datasets import ImageExamples
from keras_ext.datasets.pixels import parse_images
from keras_ext.export.whole_file import whole_file

PREDICTIONS_FILE = "recorded_predictions.npz"
PREDICTION_BATCH = 16
_READ_BATCH = 256


def record_predictions(model: keras.Model, examples: ImageExamples, directory: str, images: int = 64) -> None:
    """Writes down the probabilities of a sample of decoded images, as the model in memory gives them.

    `tfx_components.SkewValidator` compares them with what the exported model answers to the files of these images. Call
    it in `run_fn`, where training ends, with `fn_args.model_run_dir`.

    The sample is the same every time: the images of smallest key, in turn from each `image/format`, where the examples
    tell it. The model runs on the CPU, as the comparison does: a GPU rounds in other ways.

    Args:
      model: From images to probabilities `(batch, classes)`.
      examples: What the model was validated on.
      directory: The folder to write `recorded_predictions.npz` to; made if it is not there.
      images: The size of the sample.

    Raises:
      ValueError: A size below 1.

    Example:

    >>> validation = ImageExamples(fn_args.eval_files, (224, 224, 3), compression_type="GZIP")
    >>> record_predictions(model, validation, fn_args.model_run_dir)
    """
    if images < 1:
        raise ValueError(f"images must be at least 1. Received: images={images!r}.")
    sample = _sample(examples, images)
    predict = tf.function(lambda pixels: tf.cast(model(pixels, training=False), tf.float32), autograph=False)
    probabilities = []
    with tf.device("CPU:0"):
        for start in range(0, len(sample), PREDICTION_BATCH):
            pixels = parse_images(
                tf.constant([one for _, one in sample[start : start + PREDICTION_BATCH]]), examples.image_shape
            )
            probabilities.append(predict(pixels).numpy())
    tf.io.gfile.makedirs(directory)
    with whole_file(os.path.join(directory, PREDICTIONS_FILE)) as file:
        np.savez(file, keys=np.array([key for key, _ in sample]), probabilities=np.concatenate(probabilities))


def read_recorded_predictions(directory: str) -> dict[bytes, np.ndarray]:
    """Returns what `record_predictions` wrote: `image/key/sha256` to probabilities `(classes,)`, in order.

    Raises:
      ValueError: There are none.
    """
    path = os.path.join(directory, PREDICTIONS_FILE)
    if not tf.io.gfile.exists(path):
        raise ValueError(
            f"{directory!r} must hold {PREDICTIONS_FILE}. Call keras_ext.export.record_predictions(model, examples, "
            "fn_args.model_run_dir) in run_fn, once the model is trained."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        content = np.load(io.BytesIO(file.read()), allow_pickle=False)
        return dict(zip(content["keys"].tolist(), content["probabilities"], strict=True))


def _sample(examples: ImageExamples, size: int) -> list[tuple[bytes, bytes]]:
    """Keys and serialized pixels: of each format the smallest keys, one format after the other in turn."""
    of_format: dict[bytes, list[tuple[bytes, bytes]]] = defaultdict(list)
    for image_format, key, pixels in _records(examples):
        smallest = of_format[image_format]
        smallest.append((key, pixels))
        if len(smallest) >= 2 * size:
            smallest[:] = heapq.nsmallest(size, smallest)
    in_turn = itertools.zip_longest(*(sorted(of_format[name]) for name in sorted(of_format)))
    return [one for ranks in in_turn for one in ranks if one is not None][:size]


def _records(examples: ImageExamples) -> Iterator[tuple[bytes, bytes, bytes]]:
    spec = {
        features.FORMAT: tf.io.FixedLenFeature([], tf.string, default_value=""),
        features.SHA256: tf.io.FixedLenFeature([], tf.string),
        features.PIXELS: tf.io.FixedLenFeature([], tf.string),
    }
    records = tf.data.TFRecordDataset(examples.files, examples.compression_type)
    parsed = records.batch(_READ_BATCH).map(lambda serialized: tf.io.parse_example(serialized, spec))
    for batch in parsed.prefetch(1).as_numpy_iterator():
        yield from zip(*(batch[name].tolist() for name in spec), strict=True)
