"""How fast and how large image datasets are, beside Keras's own; see README.md beside this file."""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from contest import Pass, linked, measure, print_stack, print_table, serve
from PIL import Image

BATCH, SIZE = 32, 224
PACKAGES = ("tensorflow", "keras", "numpy", "pillow")
CLASSIC = {"rotation": 20, "width_shift": 0.2, "height_shift": 0.2, "shear": 0.2, "zoom": 0.2, "horizontal_flip": True}
OPTIONS: dict[str, Any] = {"image_size": (SIZE, SIZE), "batch_size": BATCH, "seed": 0, "verbose": False}


def count_images(dataset: Any) -> int:
    return sum(len(batch[0]) for batch in dataset)


def limit(dct_method: str) -> Callable[[str], Pass]:
    """Returns what reads and decodes, and does nothing else."""

    def prepare(directory: str) -> Pass:
        import tensorflow as tf

        def decode(path: Any) -> Any:
            return tf.shape(tf.io.decode_jpeg(tf.io.read_file(path), dct_method=dct_method))

        paths = sorted(str(path) for path in Path(directory).glob("*/*.jpg"))
        dataset = tf.data.Dataset.from_tensor_slices(paths).map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        batches = dataset.batch(BATCH)
        return lambda: sum(len(shapes) for shapes in batches)

    return prepare


def keras_dataset(directory: str) -> Pass:
    import keras

    dataset = keras.utils.image_dataset_from_directory(directory, **OPTIONS)
    return lambda: count_images(dataset)


def our_dataset(directory: str) -> Pass:
    from keras_ext.datasets import image_dataset_from_directory

    dataset = image_dataset_from_directory(directory, **OPTIONS)
    return lambda: count_images(dataset)


def our_uint8_dataset(directory: str) -> Pass:
    from keras_ext.datasets import image_dataset_from_directory

    dataset = image_dataset_from_directory(directory, **OPTIONS, dtype="uint8")
    return lambda: count_images(dataset)


def augmented(dataset: Any) -> Pass:
    import tensorflow as tf

    from keras_ext.datasets import image_keys
    from keras_ext.layers import RandomAffine

    affine = RandomAffine(**CLASSIC, seed=0)
    dataset = dataset.map(
        lambda names, images, labels: (affine(images, training=True, keys=image_keys(names), epoch=0), labels),
        num_parallel_calls=tf.data.AUTOTUNE,
    ).prefetch(2)
    return lambda: count_images(dataset)


def from_cache(cache: str | None) -> Callable[[str], Pass]:
    def prepare(directory: str) -> Pass:
        from keras_ext.datasets import image_dataset_from_directory

        kept = cache or str(Path(directory).parent / f"{os.getpid()}.cache")
        options = {**OPTIONS, "dtype": "uint8", "with_file_names": True, "cache": kept}
        dataset = image_dataset_from_directory(directory, **options)
        if cache is None:
            os.unlink(kept)  # it stays open
        return augmented(dataset)

    return prepare


def layer_alone(directory: str) -> Pass:
    """The same layer on an array in memory: the figure of augmentation.py."""
    import tensorflow as tf

    from keras_ext.datasets import image_dataset_from_directory

    options = {**OPTIONS, "dtype": "uint8", "with_file_names": True, "shuffle": False}
    parts = list(image_dataset_from_directory(directory, **options).as_numpy_iterator())
    arrays = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
    return augmented(tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH))


CONTESTS: dict[str, tuple[str, dict[str, Callable[[str], Pass]]]] = {
    "files": (
        "Photos from JPEG files to 224 × 224, one core",
        {
            "limit: read and decode, as Pillow does": limit("INTEGER_ACCURATE"),
            "limit with TensorFlow's quick DCT": limit("INTEGER_FAST"),
            "image_dataset_from_directory": our_dataset,
            'image_dataset_from_directory(dtype="uint8")': our_uint8_dataset,
            "Keras's image_dataset_from_directory": keras_dataset,
        },
    ),
    "cache": (
        "From the uint8 cache, classic augmentation, one core",
        {
            "RandomAffine on an array": layer_alone,
            'cache="memory" and RandomAffine': from_cache("memory"),
            "cache in a file and RandomAffine": from_cache(None),
        },
    ),
}


def peak_memory(directory: str) -> float:
    """Returns the largest memory, in MB, of a process that reads all images once."""
    worker = [sys.executable, __file__, "--read", directory]
    return float(subprocess.run(worker, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def read_once(directory: str) -> None:
    from keras_ext.datasets import image_dataset_from_directory

    count_images(image_dataset_from_directory(directory, **{**OPTIONS, "image_size": (32, 32)}))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def print_memory(counts: tuple[int, int]) -> None:
    print("\nPeak memory of one pass over 32 × 32 files, MB\n\n| files | MB | × |\n|---:|---:|---:|")
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory() as directory:
            peaks.append(peak_memory(small_files(Path(directory), count)))
        print(f"| {count:,} | {peaks[-1]:,.0f} | {peaks[-1] / peaks[0]:.2f} |")


def small_files(directory: Path, count: int) -> str:
    for number in range(count):
        folder = directory / f"class_{number % 8}"
        folder.mkdir(exist_ok=True)
        if number < 8:
            pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:06}.jpg")
        else:
            os.link(directory / f"class_{number % 8}" / f"{number % 8:06}.jpg", folder / f"{number:06}.jpg")
    return str(directory)


def photos(directory: Path, count: int = 160) -> str:
    """Writes images about as large as JPEGs of photographs, if not as pretty."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8)).resize((500, 375), Image.BICUBIC)
        image = np.asarray(coarse) + random.normal(0, 9, (375, 500, 1))
        path = directory / f"class_{number % 8}" / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=88)
    return str(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", metavar="DIR", help="<class>/<name>.jpg; by default synthetic ones of 500 × 375")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--contests", nargs="+", choices=[*CONTESTS, "memory"], default=[*CONTESTS, "memory"])
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        contest, name = options.worker
        serve(lambda: CONTESTS[contest][1][name](options.photos), cores=1)
    elif options.read:
        read_once(options.read)
    else:
        contend(options)


def contend(options: argparse.Namespace) -> None:
    print_stack(PACKAGES)
    with tempfile.TemporaryDirectory() as directory:
        given = options.photos or photos(Path(directory) / "photos")
        images = linked(given, Path(directory) / "linked photos", 1_600)  # beside which a cache may lie
        for contest in options.contests:
            if contest == "memory":
                print_memory((5_000, 50_000))
                continue
            title, contestants = CONTESTS[contest]
            commands = {name: [__file__, "--photos", images, "--worker", contest, name] for name in contestants}
            print_table(title, measure(commands, options.rounds), next(iter(contestants)))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
