"""How fast balanced batches come, beside what `tf.data` has for it; see README.md beside this file."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from contest import Pass, measure, print_stack, print_table, serve
from PIL import Image

BATCH, SIDE, CLASSES = 32, 96, 10
COUNTS = [round(320 * 20 ** (-index / (CLASSES - 1))) for index in range(CLASSES)]  # a long tail, 20 to 1
BALANCED = CLASSES * max(COUNTS)  # images of an epoch in which all classes come equally often
STEPS = -(-BALANCED // BATCH)


def count_images(batches: Any) -> int:
    return sum(len(labels) for _, labels in batches)


def files(directory: str) -> tuple[Any, Any]:
    paths = sorted(str(path) for path in Path(directory).glob("*/*.jpg"))
    return np.array(paths), np.array([int(Path(path).parent.name) for path in paths])


def load(path: Any, label: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    return tf.io.decode_jpeg(tf.io.read_file(path), channels=3), label


def endless(paths: Any, labels: Any) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(labels), seed=0).repeat()


def rejected(elements: Any) -> Any:
    """What is too frequent is thrown away, as the guide to `tf.data` has it."""
    uniform, real = [1 / CLASSES] * CLASSES, [count / sum(COUNTS) for count in COUNTS]
    resampled = elements.rejection_resample(lambda _, label: label, uniform, initial_dist=real, seed=0)
    return resampled.map(lambda _, element: element)


def batches_of(elements: Any) -> Pass:
    dataset = elements.batch(BATCH).take(STEPS).prefetch(2)
    return lambda: count_images(dataset)


def ours(directory: str) -> Pass:
    from keras_ext.balanced_sampler import BalancedSampler
    from keras_ext.datasets import balanced_dataset

    paths, labels = files(directory)
    dataset = balanced_dataset(paths, BalancedSampler(labels, seed=0), batch_size=BATCH, epochs=1, load=load)
    return lambda: count_images(dataset)


def rejected_images(directory: str) -> Pass:
    return batches_of(rejected(endless(*files(directory)).map(load, num_parallel_calls=2)))


def rejected_paths(directory: str) -> Pass:
    return batches_of(rejected(endless(*files(directory))).map(load, num_parallel_calls=2))


def one_dataset_a_class(directory: str) -> Pass:
    import tensorflow as tf

    paths, labels = files(directory)
    of_classes = [endless(paths[labels == index], labels[labels == index]) for index in range(CLASSES)]
    return batches_of(tf.data.Dataset.sample_from_datasets(of_classes, seed=0).map(load, num_parallel_calls=2))


def records(directory: str) -> list[str]:
    return [str(path) for path in Path(directory).glob("*.tfrecord")]


def our_examples(directory: str) -> Pass:
    from keras_ext.datasets import ImageExamples

    examples = ImageExamples(records(directory), (SIDE, SIDE, 3), sampling="balanced")
    dataset = examples.training_dataset(batch_size=BATCH, seed=0, epochs=1)
    return lambda: count_images(dataset)


def stream(directory: str) -> Any:
    from keras_ext.datasets import ImageExamples

    examples = ImageExamples(records(directory), (SIDE, SIDE, 3))
    return examples.training_dataset(batch_size=BATCH, seed=0, epochs=10**6).unbatch()


def rejected_examples(directory: str) -> Pass:
    return batches_of(rejected(stream(directory)))


def one_stream_a_class(directory: str) -> Pass:
    import tensorflow as tf

    of_classes = [stream(directory).filter(lambda _, label, index=index: label == index) for index in range(CLASSES)]
    return batches_of(tf.data.Dataset.sample_from_datasets(of_classes, seed=0))


# The second is the rival.
CONTESTS = {
    f"JPEG files of {SIDE} × {SIDE}, drawn and decoded, one core": {
        "balanced_dataset": ours,
        "rejection_resample of images": rejected_images,
        "rejection_resample of paths, then decoded": rejected_paths,
        "sample_from_datasets, one of paths for each class": one_dataset_a_class,
    },
    f"Decoded {SIDE} × {SIDE} images in TFRecord files, one core": {
        'ImageExamples(sampling="balanced")': our_examples,
        "rejection_resample": rejected_examples,
        "sample_from_datasets, one filtered for each class": one_stream_a_class,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        contest, name, directory = options.worker
        serve(lambda: CONTESTS[contest][name](directory), cores=1)
        return
    print_stack(("tensorflow", "keras", "numpy"))
    with tempfile.TemporaryDirectory() as directory:
        write_images(Path(directory))
        for contest, contestants in CONTESTS.items():
            commands = {name: [__file__, "--worker", contest, name, directory] for name in contestants}
            print_table(contest, measure(commands, options.rounds), list(contestants)[1])
            sys.stdout.flush()


def write_images(directory: Path) -> None:
    import tensorflow as tf

    from keras_ext import features
    from keras_ext.datasets.pixels import serialize_images

    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(CLASSES), COUNTS))
    with tf.io.TFRecordWriter(str(directory / "images.tfrecord")) as writer:
        for number, label in enumerate(labels.tolist()):
            coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
            image = (np.asarray(coarse) + random.normal(0, 9, (SIDE, SIDE, 1))).clip(0, 255).astype(np.uint8)
            path = directory / str(label) / f"{number:04}.jpg"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(image).save(path, quality=88)
            values = {
                features.SHA256: tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(number).encode()])),
                features.PIXELS: tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[serialize_images(image[None])[0].numpy()])
                ),
                features.CLASS_LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString())


if __name__ == "__main__":
    main()
