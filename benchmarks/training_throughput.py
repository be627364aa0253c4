"""How fast the same model trains from Transform's examples, and from files as Keras reads them; see README.md here."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augmentation import BATCH, CLASSIC_GENERATOR, ROTATION, SHEAR_FACTOR, SHIFT, ZOOM, prepare_images
from contest import Absent, Pass, measure, print_stack, print_table, serve

SIDES = {"photos": 224, "small": 32}
RIVAL = "Keras's ImageDataGenerator.flow_from_directory"
AFFINE = {"rotation": ROTATION, "width_shift": SHIFT, "height_shift": SHIFT, "zoom": ZOOM, "horizontal_flip": True}
CORES = 2


def write_examples(images: str, directory: Path, side: int) -> str:
    """Writes what Transform writes: decoded images in compressed files of serialized examples."""
    import tensorflow as tf

    from keras_ext import features
    from keras_ext.datasets.pixels import serialize_images
    from keras_ext.layers import DecodeImage

    layer = DecodeImage(side, side)
    decode = tf.function(lambda files: serialize_images(layer(files)))
    paths = sorted(Path(images).glob("*/*.jpg"))
    classes = sorted({path.parent.name for path in paths})
    directory.mkdir()
    with tf.io.TFRecordWriter(str(directory / "examples.gz"), "GZIP") as writer:
        for start in range(0, len(paths), 256):
            some = paths[start : start + 256]
            for path, pixels in zip(some, decode([path.read_bytes() for path in some]).numpy(), strict=True):
                values = {features.PIXELS: pixels, features.SHA256: str(path).encode()}
                feature = {
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[values[name]])) for name in values
                }
                label = tf.train.Int64List(value=[classes.index(path.parent.name)])
                feature[features.CLASS_LABEL] = tf.train.Feature(int64_list=label)
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return str(directory)


def training(side: int, classes: int, data: Any, images: int, **options: Any) -> Pass:
    """A pass is an epoch."""
    import keras

    from keras_ext.training import image_classifier

    keras.utils.set_random_seed(0)
    model = image_classifier("small_cnn", image_shape=(side, side, 3), num_classes=classes)
    model.compile("adam", "sparse_categorical_crossentropy")

    def one_pass() -> int:
        model.fit(data, epochs=1, verbose=0, **options)
        return images

    return one_pass


def ours(folders: "Folders", augmented: bool) -> Pass:
    from keras_ext.datasets import ImageExamples
    from keras_ext.layers import Augmentation

    examples = ImageExamples([f"{folders.examples}/*.gz"], (folders.side, folders.side, 3), compression_type="GZIP")
    layer = {"layer": "RandomAffine", "shear": CLASSIC_GENERATOR["shear_range"], **AFFINE}
    augment = Augmentation([layer], seed=0) if augmented else None
    dataset = examples.training_dataset(batch_size=BATCH, seed=0, epochs=1, augment=augment)
    steps = examples.steps_per_epoch(BATCH)
    return training(folders.side, folders.classes, dataset, examples.count(), steps_per_epoch=steps)


def keras_generator(folders: "Folders", augmented: bool) -> Pass:
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(**(CLASSIC_GENERATOR if augmented else {}))
    size = (folders.side, folders.side)
    flow = generator.flow_from_directory(folders.images, size, batch_size=BATCH, class_mode="sparse", seed=0)
    return training(folders.side, folders.classes, flow, flow.samples)


def keras_dataset(folders: "Folders", augmented: bool) -> Pass:
    import keras
    import tensorflow as tf

    size = (folders.side, folders.side)
    dataset = keras.utils.image_dataset_from_directory(
        folders.images, image_size=size, batch_size=BATCH, seed=0, verbose=False
    )
    images = len(dataset.file_paths)
    if augmented:
        layers = _keras_layers()
        dataset = dataset.map(lambda x, y: (layers(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    return training(folders.side, folders.classes, dataset.prefetch(tf.data.AUTOTUNE), images)


def _keras_layers() -> Any:
    """The same effect, as Keras's guide to augmentation puts it together."""
    import keras
    from keras import layers

    nearest = {"fill_mode": "nearest"}
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(SHIFT, SHIFT, **nearest),
            layers.RandomRotation(ROTATION / 360, **nearest),
            layers.RandomShear(SHEAR_FACTOR, SHEAR_FACTOR, **nearest),
            layers.RandomZoom(ZOOM, ZOOM, **nearest),
        ]
    )


def from_memory(folders: "Folders", augmented: bool) -> Pass:
    """The model on one batch, again and again: as fast as any input can be."""
    import tensorflow as tf

    if augmented:
        raise Absent("augments nothing")
    batch = tf.zeros((BATCH, folders.side, folders.side, 3), tf.uint8), tf.zeros(BATCH, tf.int64)
    steps = 20
    dataset = tf.data.Dataset.from_tensors(batch).repeat(steps)
    return training(folders.side, folders.classes, dataset, steps * BATCH)


class Folders:
    """Where the images of a contest lie."""

    def __init__(self, images: str, examples: str, side: int) -> None:
        self.images, self.examples, self.side = images, examples, side

    @property
    def classes(self) -> int:
        return sum(entry.is_dir() for entry in os.scandir(self.images))


CONTESTANTS: dict[str, Callable[[Folders, bool], Pass]] = {
    "ImageExamples, from Transform's examples": ours,
    RIVAL: keras_generator,
    "Keras's image_dataset_from_directory": keras_dataset,
    "the model alone": from_memory,
}
CONTESTS = {
    "photos": ("photos", False, "Photos at 224 × 224"),
    "photos-augmented": ("photos", True, "Photos at 224 × 224 with classic augmentation"),
    "small": ("small", False, "32 × 32"),
    "small-augmented": ("small", True, "32 × 32 with classic augmentation"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", metavar="DIR", help="<class>/<name>.jpg; by default synthetic ones of 500 × 375")
    parser.add_argument("--small", metavar="DIR", help="the same, 32 × 32 pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contests", nargs="+", choices=list(CONTESTS), default=list(CONTESTS))
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)  # contest, name, images, examples
    options = parser.parse_args()
    if options.worker:
        contest, name, images, examples = options.worker
        kind, augmented, _ = CONTESTS[contest]
        serve(lambda: CONTESTANTS[name](Folders(images, examples, SIDES[kind]), augmented), cores=CORES)
        return
    with tempfile.TemporaryDirectory() as directory:
        contend(options, Path(directory))


def contend(options: argparse.Namespace, directory: Path) -> None:
    print_stack(("tensorflow", "keras", "numpy", "scipy", "pillow"))
    prepare_images(options, directory)
    examples: dict[str, str] = {}
    for contest in options.contests:
        kind, _, title = CONTESTS[contest]
        images = getattr(options, kind)
        if kind not in examples:
            began = time.perf_counter()
            examples[kind] = write_examples(images, directory / f"{kind} examples", SIDES[kind])
            count = len(list(Path(images).glob("*/*.jpg")))
            print(f"\n{count:,} images decoded and written once, in {time.perf_counter() - began:.1f} s.")
        commands = {name: [__file__, "--worker", contest, name, images, examples[kind]] for name in CONTESTANTS}
        results = measure(commands, options.rounds)
        print_table(f"{title}, training, time of the processor", results, RIVAL)
        print_table(f"{title}, training, {CORES} cores, by the clock", results, RIVAL, wall=True)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
