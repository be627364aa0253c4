"""What `keras_ext.ImageDataGenerator` costs beside Keras's, and beside the layers that it is made of."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from augmentation import (
    BATCH,
    CLASSIC_GENERATOR,
    arguments,
    count_images,
    decoded,
    photos,
    prepare_images,
    random_affine,
    small,
)
from contest import Pass, measure, print_stack, print_table, serve

RESCALE = 1 / 255


def of(class_name: str, directory: str, size: int, contest: str) -> Pass:
    """A pass by index, as `fit` does it."""
    import tensorflow as tf

    from keras_ext import ImageDataGenerator

    cls = ImageDataGenerator if class_name == "ours" else tf.keras.preprocessing.image.ImageDataGenerator
    generator = cls(rescale=RESCALE, **({} if contest in ("rescale", "bilinear") else CLASSIC_GENERATOR))
    if contest == "memory":
        images = decoded(directory, size)
        flow = generator.flow(images, np.zeros(len(images)), batch_size=BATCH, seed=0)
    else:
        interpolation = "bilinear" if contest == "bilinear" else "nearest"
        flow = generator.flow_from_directory(
            directory, (size, size), batch_size=BATCH, class_mode="sparse", seed=0, interpolation=interpolation
        )
    return lambda: count_images(flow[i] for i in range(len(flow)))


def ours(directory: str, size: int, contest: str) -> Pass:
    return of("ours", directory, size, contest)


def keras_generator(directory: str, size: int, contest: str) -> Pass:
    return of("keras", directory, size, contest)


def layers(directory: str, size: int, contest: str) -> Pass:
    """The same layers in `tf.data`, and nothing else."""
    import tensorflow as tf

    from keras_ext.layers import DecodeImage

    augment = None if contest == "rescale" else random_affine()
    decode = DecodeImage(size, size, interpolation="nearest", exif_orientation=False)
    if contest == "memory":
        elements: Any = decoded(directory, size)
    else:
        elements = sorted(str(path) for path in Path(directory).glob("*/*.jpg"))

    def finish(keys: Any, images: Any) -> tuple[Any, Any]:
        images = images if contest == "memory" else decode(images)
        if augment is not None:
            images = augment(images, training=True, keys=keys, epoch=0)
        return tf.cast(images, tf.float32) * RESCALE, keys

    dataset = tf.data.Dataset.from_tensor_slices(elements).enumerate()
    if contest != "memory":
        dataset = dataset.map(lambda key, path: (key, tf.io.read_file(path)), num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.batch(BATCH).map(finish, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    return lambda: count_images(dataset.as_numpy_iterator())


CONTESTANTS = {
    "keras_ext.ImageDataGenerator": ours,
    "Keras's ImageDataGenerator": keras_generator,
    "its layers alone, in tf.data": layers,
}
CONTESTS = {
    "photos": ("Photos from JPEG files to 224 × 224, classic augmentation, one core", photos),
    "memory": ("The photos as uint8 224 × 224 in memory, classic augmentation, one core", photos),
    "small": ("32 × 32 from JPEG files, classic augmentation, one core", small),
    "rescale": ("Photos from JPEG files to 224 × 224, rescaled only, one core", photos),
    "bilinear": ("The same with interpolation='bilinear', which Pillow does in all of them", photos),
}


def main() -> None:
    options = arguments(__doc__, CONTESTS, rounds=7)
    if options.worker:
        contest, name = options.worker
        serve(lambda: CONTESTANTS[name](*CONTESTS[contest][1](options), contest), cores=1)
        return
    print_stack(("tensorflow", "keras", "numpy", "scipy", "pillow"))
    with tempfile.TemporaryDirectory() as directory:
        prepare_images(options, Path(directory))
        for contest in options.contests:
            shared = ["--photos", options.photos, "--small", options.small]
            names = [name for name in CONTESTANTS if contest != "bilinear" or CONTESTANTS[name] is not layers]
            commands = {name: [__file__, *shared, "--worker", contest, name] for name in names}
            print_table(CONTESTS[contest][0], measure(commands, options.rounds), names[1])
            sys.stdout.flush()


if __name__ == "__main__":
    main()
