"""How fast images are read and augmented, beside what else there is; see README.md beside this file."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from contest import Absent, Pass, linked, measure, print_stack, print_table, serve
from PIL import Image

BATCH = 32
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "keras-cv", "albumentations", "opencv-python-headless")
# The classic augmentation, as tutorials of ImageDataGenerator have it. (Its shear is in degrees.)
ROTATION, SHIFT, SHEAR, ZOOM = 20, 0.2, 0.2, 0.2
SHEAR_FACTOR = 0.0035  # the tangent of 0.2 degrees


def photos(options: argparse.Namespace) -> tuple[str, int]:
    return options.photos, 224


def more_photos(options: argparse.Namespace) -> tuple[str, int]:
    return f"{options.photos}, more", 224


def small(options: argparse.Namespace) -> tuple[str, int]:
    return options.small, 32


def count_images(batches: Iterable[Any]) -> int:
    return sum(len(batch[0]) for batch in batches)


def image_data_generator(directory: str, size: int, **augmentation: Any) -> Pass:
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(**augmentation)
    flow = generator.flow_from_directory(directory, (size, size), batch_size=BATCH, class_mode="sparse", seed=0)
    return lambda: count_images(flow[i] for i in range(len(flow)))


def classic_generator(directory: str, size: int) -> Pass:
    return image_data_generator(directory, size, **CLASSIC_GENERATOR)


CLASSIC_GENERATOR = {
    "rotation_range": ROTATION, "width_shift_range": SHIFT, "height_shift_range": SHIFT, "shear_range": SHEAR,
    "zoom_range": ZOOM, "horizontal_flip": True, "fill_mode": "nearest",
}  # fmt: skip


def generator_in_memory(directory: str, size: int) -> Pass:
    import tensorflow as tf

    images = decoded(directory, size)
    flow = tf.keras.preprocessing.image.ImageDataGenerator(**CLASSIC_GENERATOR).flow(
        images, np.zeros(len(images)), batch_size=BATCH, seed=0
    )
    return lambda: count_images(flow[i] for i in range(len(flow)))


def decoded(directory: str, size: int) -> np.ndarray:
    return np.concatenate([images for images, _ in files_dataset(directory, size).as_numpy_iterator()])


def files_dataset(directory: str, size: int, augment: Any = None) -> Any:
    import tensorflow as tf

    from keras_ext.datasets import image_keys, read_files
    from keras_ext.layers import DecodeImage

    paths = sorted(str(path) for path in Path(directory).glob("*/*.jpg"))
    names = sorted({Path(path).parent.name for path in paths})
    labels = [names.index(Path(path).parent.name) for path in paths]
    decode = DecodeImage(size, size)

    def read(paths: Any, labels: Any) -> tuple[Any, Any]:
        images = decode(read_files(paths))
        return images if augment is None else augment(images, training=True, keys=image_keys(paths), epoch=0), labels

    dataset = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(paths), seed=0)
    return dataset.batch(BATCH).map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def random_affine(**more: Any) -> Any:
    from keras_ext.layers import RandomAffine

    return RandomAffine(
        rotation=ROTATION, width_shift=SHIFT, height_shift=SHIFT, shear=SHEAR, zoom=ZOOM, horizontal_flip=True, seed=0,
        **more,
    )  # fmt: skip


def ours(directory: str, size: int) -> Pass:
    dataset = files_dataset(directory, size, random_affine())
    return lambda: count_images(dataset)


def ours_with_color(directory: str, size: int) -> Pass:
    dataset = files_dataset(directory, size, random_affine(brightness=(0.8, 1.2), channel_shift=20))
    return lambda: count_images(dataset)


def ours_without_augmentation(directory: str, size: int) -> Pass:
    dataset = files_dataset(directory, size)
    return lambda: count_images(dataset)


def ours_in_memory(directory: str, size: int) -> Pass:
    import tensorflow as tf

    images, augment = decoded(directory, size), random_affine()
    keys = np.arange(len(images))
    dataset = tf.data.Dataset.from_tensor_slices((images, keys)).batch(BATCH)
    dataset = dataset.map(
        lambda images, keys: (augment(images, training=True, keys=keys, epoch=0), keys),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    dataset = dataset.prefetch(2)
    return lambda: count_images(dataset)


def directory_dataset(directory: str, size: int, layers: list[Any]) -> Pass:
    import keras
    import tensorflow as tf

    def augment(images: Any, labels: Any) -> tuple[Any, Any]:
        for layer in layers:
            images = layer(images, training=True) if layer.__module__.startswith("keras.") else layer(images)
        return images, labels

    dataset = keras.utils.image_dataset_from_directory(
        directory, image_size=(size, size), batch_size=BATCH, seed=0, verbose=False
    )
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    return lambda: count_images(dataset)


def keras_layers(directory: str, size: int) -> Pass:
    from keras import layers

    nearest = {"fill_mode": "nearest"}
    return directory_dataset(
        directory,
        size,
        [
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(SHIFT, SHIFT, **nearest),
            layers.RandomRotation(ROTATION / 360, **nearest),
            layers.RandomShear(SHEAR_FACTOR, SHEAR_FACTOR, **nearest),
            layers.RandomZoom(ZOOM, ZOOM, **nearest),
        ],
    )


def keras_cv_layers(directory: str, size: int) -> Pass:
    try:
        from keras_cv import layers
    except ImportError:
        raise Absent("not installed") from None
    nearest = {"fill_mode": "nearest"}
    chain = [
        layers.RandomFlip("horizontal"),
        layers.RandomTranslation(SHIFT, SHIFT, **nearest),
        layers.RandomRotation(ROTATION / 360, **nearest),
        layers.RandomShear(SHEAR_FACTOR, SHEAR_FACTOR, **nearest),
        layers.RandomZoom(ZOOM, ZOOM, **nearest),
    ]
    return directory_dataset(directory, size, chain)


def albumentations(directory: str, size: int) -> Pass:
    try:
        import albumentations as album
        import cv2
    except ImportError:
        raise Absent("not installed; see benchmarks/README.md") from None
    cv2.setNumThreads(1)
    shift = (-SHIFT, SHIFT)
    transform = album.Compose(
        [
            album.Affine(
                scale={"x": (1 - ZOOM, 1 + ZOOM), "y": (1 - ZOOM, 1 + ZOOM)},
                translate_percent={"x": shift, "y": shift},
                rotate=(-ROTATION, ROTATION), shear={"x": (-SHEAR, SHEAR), "y": (0, 0)}, p=1,
                border_mode=cv2.BORDER_REPLICATE,
            ),
            album.HorizontalFlip(p=0.5),
        ]
    )  # fmt: skip
    paths = sorted(str(path) for path in Path(directory).glob("*/*.jpg"))

    def augmented(path: str) -> np.ndarray:
        image = cv2.resize(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB), (size, size))
        return transform(image=image)["image"].astype(np.float32)

    def batches() -> Iterable[tuple[np.ndarray]]:
        for start in range(0, len(paths), BATCH):
            yield (np.stack([augmented(path) for path in paths[start : start + BATCH]]),)

    return lambda: count_images(batches())


Contest = tuple[str, Callable[[argparse.Namespace], tuple[str, int]], dict[str, tuple[Callable[[str, int], Pass], int]]]
# Title, images, and for each contestant what prepares it and on how many cores it runs. The second is the rival.
CONTESTS: dict[str, Contest] = {
    "files": (
        "Photos from JPEG files to 224 × 224, classic augmentation, one core",
        photos,
        {
            "RandomAffine": (ours, 1),
            "ImageDataGenerator.flow_from_directory": (classic_generator, 1),
            "image_dataset_from_directory + five Keras layers": (keras_layers, 1),
            "image_dataset_from_directory + five KerasCV layers": (keras_cv_layers, 1),
            "Albumentations": (albumentations, 1),
            "DecodeImage alone": (ours_without_augmentation, 1),
            "RandomAffine with brightness and channel shift": (ours_with_color, 1),
        },
    ),
    "memory": (
        "The photos as uint8 224 × 224 in memory, one core",
        photos,
        {"RandomAffine": (ours_in_memory, 1), "ImageDataGenerator.flow": (generator_in_memory, 1)},
    ),
    "small": (
        "32 × 32 from JPEG files, one core",
        small,
        {
            "RandomAffine": (ours, 1),
            "ImageDataGenerator.flow_from_directory": (classic_generator, 1),
            "Albumentations": (albumentations, 1),
        },
    ),
    "cores": (
        "Photos from JPEG files, RandomAffine, by wall time (only an idle machine tells)",
        more_photos,
        {"two cores": (ours, 2), "one core": (ours, 1)},
    ),
}


def main() -> None:
    options = arguments(__doc__, CONTESTS, rounds=5)
    if options.worker:
        contest, name = options.worker
        _, images, contestants = CONTESTS[contest]
        prepare, cores = contestants[name]
        serve(lambda: prepare(*images(options)), cores)
        return
    print_stack(PACKAGES)
    with tempfile.TemporaryDirectory() as directory:
        prepare_images(options, Path(directory))
        for contest in options.contests:
            title, _, contestants = CONTESTS[contest]
            shared = ["--photos", options.photos, "--small", options.small]
            commands = {name: [__file__, *shared, "--worker", contest, name] for name in contestants}
            print_table(title, measure(commands, options.rounds), list(contestants)[1], wall=contest == "cores")
            sys.stdout.flush()


def prepare_images(options: argparse.Namespace, directory: Path) -> None:
    """Makes the folders that contestants read: of the images that were given, or of synthetic ones."""
    photos = options.photos or synthetic_images(directory / "photos", count=160, height=375, width=500)
    small = options.small or synthetic_images(directory / "small", count=1024, height=32, width=32)
    options.photos = linked(photos, directory / "linked photos", 1_600)
    linked(photos, directory / "linked photos, more", 9_600)
    options.small = linked(small, directory / "linked small", 50_000)


def arguments(description: str | None, contests: Iterable[str], rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--photos", metavar="DIR", help="<class>/<name>.jpg; by default synthetic ones of 500 × 375")
    parser.add_argument("--small", metavar="DIR", help="the same, 32 × 32 pixels")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--contests", nargs="+", choices=list(contests), default=list(contests))
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def synthetic_images(directory: Path, count: int, height: int, width: int) -> str:
    """Writes images with shapes, gradients and grain: about as large as JPEGs of photographs, if not as pretty."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8)).resize((width, height), Image.BICUBIC)
        image = np.asarray(coarse) + random.normal(0, 9, (height, width, 1))
        path = directory / f"class_{number % 8}" / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=88)
    return str(directory)


if __name__ == "__main__":
    main()
