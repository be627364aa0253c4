"""`keras-ext preview`: a picture of a few images and of what training will make of them, without TFX."""

import argparse
import contextlib
import hashlib
import os
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from keras_ext import features
from keras_ext.directory_index import DirectoryIndex
from keras_ext.image_file import ImageFileError, decodable_image
from pipelines.config import read_config
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import read_input, resolve

if TYPE_CHECKING:
    import numpy as np

_EPOCHS = 5


def main(options: argparse.Namespace) -> int:
    """Saves rows of an image, decoded and resized, and its augmented versions in the first epochs."""
    if options.rows < 1:
        raise ValueError(f"--images must be a positive number. Received: {options.rows}.")
    config = read_config(Config, options.config, options.set, images=options.images, output=options.output)
    config = resolve(config)
    seed = config.train.seed if options.seed is None else options.seed
    files, labels = _choose(read_input(config), options.rows, seed)
    with _quiet():
        versions = _versions(config, files, labels, seed)
    _save_grid(options.output, versions, labels)
    print(f"{options.output}: {len(files)} images, each as it is and as in the first {_EPOCHS} epochs of training")
    return 0


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drops what TensorFlow's C++ libraries say on standard error; exceptions still come through."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


def _choose(index: DirectoryIndex, count: int, seed: int) -> tuple[list[bytes], list[str]]:
    """The contents and classes of `count` images of as many classes as there are, in the order of the classes."""
    found = [found for _, found in zip(range(count), _of_each_class(index, seed), strict=False)]
    if not found:
        raise ValueError(f"No image in '{index.directory}' can be read. `keras-ext inspect` says why.")
    found.sort(key=lambda pair: index.class_names.index(pair[1]))
    return [contents for contents, _ in found], [label for _, label in found]


def _of_each_class(index: DirectoryIndex, seed: int) -> Iterator[tuple[bytes, str]]:
    """Readable images for training, one of each class, then a second one of each, and so on."""
    paths = defaultdict(list)
    for record in index.records:
        if record.split in (None, features.TRAIN):
            paths[record.label].append(record.path)
    generator = random.Random(seed)  # noqa: S311 - nothing is secret
    classes = generator.sample(index.class_names, len(index.class_names))
    readable = [_readable(index, generator.sample(paths[name], len(paths[name])), name) for name in classes]
    while readable:
        turn = [(images, next(images, None)) for images in readable]
        yield from (image for _, image in turn if image is not None)
        readable = [images for images, image in turn if image is not None]


def _readable(index: DirectoryIndex, paths: Sequence[str], label: str) -> Iterator[tuple[bytes, str]]:
    for path in paths:
        try:
            contents = index.source.read(path)
            decodable_image(contents)
        except (OSError, ImageFileError):  # ingest will reject it
            continue
        yield contents, label


def _versions(config: Config, files: Sequence[bytes], labels: Sequence[str], seed: int) -> "list[np.ndarray]":
    """Batches of the images: as they are, then augmented in each epoch."""
    import tensorflow as tf

    from keras_ext.datasets import image_keys
    from keras_ext.layers import Augmentation, DecodeImage

    height, width = cast(tuple[int, int], config.image.size)
    decodable = [decodable_image(contents, verify="header").data for contents in files]
    images = tf.function(DecodeImage(height, width, config.image.color_mode))(tf.constant(decodable))
    augment = Augmentation(config.augmentation.layers, seed=seed)
    # The keys that training uses: an image looks here as it will there, where the layers draw by key.
    keys = image_keys([hashlib.sha256(contents).hexdigest() for contents in files])
    classes = sorted(set(labels))
    one_hot = tf.one_hot([classes.index(label) for label in labels], len(classes))
    batch = {"images": images, "labels": one_hot} if augment.mixes_labels else images
    augmented = [augment(batch, training=True, keys=keys, epoch=epoch) for epoch in range(_EPOCHS)]
    return [images.numpy(), *((one["images"] if augment.mixes_labels else one).numpy() for one in augmented)]


def _save_grid(path: str, versions: "list[np.ndarray]", labels: Sequence[str]) -> None:
    from keras_ext.plots import image_grid

    cells = [version[row] for row in range(len(labels)) for version in versions]
    epochs = [f"epoch {number}" for number in range(1, len(versions))]
    titles = [label if not column else "" for label in labels for column in range(len(versions))]
    titles[1 : len(versions)] = epochs
    image_grid(cells, titles, columns=len(versions), value_range=(0, 255), path=path)
