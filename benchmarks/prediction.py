"""How fast files are classified, beside decoding and the network back to back; see README.md beside this file."""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from augmentation import prepare_images
from contest import Pass, measure, print_stack, print_table, serve
from datasets import small_files

BATCH, CLASSES = 32, 10
SIDES = {"photos": 224, "small": 32}
COUNTS = (5_000, 50_000)
RIVAL = "decode, then the network"


def network(side: int) -> Any:
    import keras

    from keras_ext.training import image_classifier

    keras.utils.set_random_seed(0)
    return image_classifier("small_cnn", image_shape=(side, side, 3), num_classes=CLASSES)


def export(model: str, side: int) -> None:
    from keras_ext.export import export_classifier
    from keras_ext.layers import DecodeImage

    names = [f"class_{number}" for number in range(CLASSES)]
    export_classifier(network(side), model, names, DecodeImage(side, side))


def ours(directory: str, model: str, _: int) -> Pass:
    from keras_ext.prediction import Classifier

    classifier = Classifier(model)

    def one_pass() -> int:
        errors = [prediction.error for prediction in classifier.predict(directory, batch_size=BATCH)]
        if any(errors):
            raise RuntimeError(f"{len(errors) - errors.count(None)} files cannot be read.")
        return len(errors)

    return one_pass


def back_to_back(directory: str, _: str, side: int) -> Pass:
    """Reads and decodes a batch, runs the network, and only then turns to the next batch."""
    import tensorflow as tf

    from keras_ext.layers import DecodeImage

    paths, layers = sorted(Path(directory).glob("*/*.jpg")), network(side)
    decode = tf.function(DecodeImage(side, side)).get_concrete_function(tf.TensorSpec([None], tf.string))
    pixels = tf.TensorSpec([None, side, side, 3], tf.uint8)
    classify = tf.function(lambda images: layers(images, training=False)).get_concrete_function(pixels)

    def one_pass() -> int:
        for start in range(0, len(paths), BATCH):
            contents = [path.read_bytes() for path in paths[start : start + BATCH]]
            classify(decode(tf.constant(contents))).numpy()
        return len(paths)

    return one_pass


def keras_predict(directory: str, _: str, side: int) -> Pass:
    """What one writes with Keras alone: probabilities without file names."""
    import keras

    layers = network(side)
    options: dict[str, Any] = {"image_size": (side, side), "batch_size": BATCH, "shuffle": False, "verbose": False}
    dataset = keras.utils.image_dataset_from_directory(directory, labels=None, **options)
    return lambda: len(layers.predict(dataset, verbose=0))


CONTESTANTS = {
    "keras_ext.prediction": ours,
    RIVAL: back_to_back,
    "Keras's image_dataset_from_directory and model.predict": keras_predict,
}


def peak_memory(directory: str, model: str) -> float:
    """Returns the largest memory, in MB, of a process that classifies all images once."""
    worker = [sys.executable, __file__, "--memory", directory, model]
    return float(subprocess.run(worker, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def print_memory(model: str) -> None:
    print("\nPeak memory of one pass over 32 × 32 files, MB\n\n| files | MB | × |\n|---:|---:|---:|")
    peaks = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as directory:
            peaks.append(peak_memory(small_files(Path(directory), count), model))
        print(f"| {count:,} | {peaks[-1]:,.0f} | {peaks[-1] / peaks[0]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", metavar="DIR", help="<class>/<name>.jpg; by default synthetic ones of 500 × 375")
    parser.add_argument("--small", metavar="DIR", help="the same, 32 × 32 pixels")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--export", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, directory, model, side, cores = options.worker
        serve(lambda: CONTESTANTS[name](directory, model, int(side)), int(cores))
    elif options.memory:
        from keras_ext.prediction import Classifier

        directory, model = options.memory
        for _ in Classifier(model).predict(directory):
            pass
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    elif options.export:
        export(options.export[0], int(options.export[1]))
    else:
        run_contests(options)


def run_contests(options: argparse.Namespace) -> None:
    print_stack(("tensorflow", "keras", "numpy"))
    with tempfile.TemporaryDirectory() as directory:
        prepare_images(options, Path(directory))
        for name, side in SIDES.items():
            images, model = getattr(options, name), f"{directory}/model of {name}"
            subprocess.run([sys.executable, __file__, "--export", model, str(side)], check=True)
            count = len(list(Path(images).glob("*/*.jpg")))
            for cores in (1, 2):
                commands = {
                    one: [__file__, "--worker", one, images, model, str(side), str(cores)] for one in CONTESTANTS
                }
                unit = "by wall time, two cores" if cores == 2 else "one core"
                title = f"{count:,} JPEG files to {side} × {side}, small_cnn, {unit}"
                print_table(title, measure(commands, options.rounds), RIVAL, wall=cores == 2)
                sys.stdout.flush()
        print_memory(model)


if __name__ == "__main__":
    main()
