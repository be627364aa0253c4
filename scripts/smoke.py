"""What a stranger does first with the installed core: run by scripts/check_package.sh outside the checkout.

    python smoke.py WORK [--with-tfx]

Works in the empty folder WORK and with nothing that the core does not require; prints versions, and one line for each
thing that works. With TFX it runs the whole pipeline as well.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import keras_ext
import pipelines
import tfx_components
from keras_ext import ImageDataGenerator
from keras_ext.callbacks import ClassificationReport
from keras_ext.class_weights import class_weights
from keras_ext.datasets import count_dataset_labels, image_dataset_from_directory
from keras_ext.export import export_classifier
from keras_ext.layers import DecodeImage, RandomAffine
from keras_ext.metrics import ConfusionMatrix

_SIZE = 32
_CLASSES = {"cats": (200, 90, 60), "dogs": (60, 90, 200)}
_MISSING = 1  # exit code


def main() -> None:
    """Works through everything; the first thing that fails ends it."""
    os.chdir(sys.argv[1])
    with_tfx = "--with-tfx" in sys.argv
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    print(f"  Python {sys.version.split()[0]},", ", ".join(f"{name} {version}" for name, version in versions.items()))
    _write_photos()
    for work in (_packages, _modules, _fit_and_export, _image_data_generator, _command_line):
        work()
        print(f"  {work.__name__.strip('_').replace('_', ' ')}: ok")
    _whole_pipeline() if with_tfx else _no_pipeline()
    print(f"  keras-ext run {'with' if with_tfx else 'without'} TFX: ok")


def _check(holds: object, what: str) -> None:
    if not holds:
        sys.exit(f"  failed: {what}")


def _write_photos() -> None:
    generator = np.random.default_rng(0)
    for name, colour in _CLASSES.items():
        Path("photos", name).mkdir(parents=True)
        for number in range(24):
            pixels = np.clip(colour + generator.normal(0, 25, (40, 48, 3)), 0, 255).astype("uint8")
            Image.fromarray(pixels).save(Path("photos", name, f"{number}.{('png', 'jpg')[number % 2]}"))


def _packages() -> None:
    _check(keras_ext.__version__ == importlib.metadata.version("keras-ext"), "the version is that of the metadata")
    for package in (keras_ext, tfx_components, pipelines):
        folder = Path(str(package.__file__)).parent
        _check(Path(sys.prefix) in folder.parents, f"{folder} is the installed package, not a checkout")
        _check((folder / "py.typed").exists(), f"{folder} tells type checkers that it is typed")


def _modules() -> None:
    """Every module of the core can be imported without what is optional."""
    for module in pkgutil.walk_packages(keras_ext.__path__, "keras_ext."):
        importlib.import_module(module.name)


def _fit_and_export() -> None:
    train, validation = image_dataset_from_directory(
        "photos",
        image_size=(_SIZE, _SIZE),
        batch_size=8,
        validation_split=0.25,
        subset="both",
        seed=0,
        verbose=False,
    )
    class_names = train.class_names
    model = keras.Sequential(
        [
            keras.Input((_SIZE, _SIZE, 3)),
            RandomAffine(rotation=20, zoom=0.1, horizontal_flip=True, seed=0),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=[ConfusionMatrix(2)])
    report = ClassificationReport(class_names, verbose=0)
    weights = class_weights(count_dataset_labels(train))
    model.fit(
        train, validation_data=validation, epochs=8, class_weight=weights, callbacks=[report], verbose=0, shuffle=False
    )
    _check(min(report.figures.recall) > 0.8, f"the model learns; its recall is {report.figures.recall}")
    images, _ = next(iter(validation))
    model.save("model.keras")
    again = keras.models.load_model("model.keras").predict(images, verbose=0)
    _check(np.allclose(model.predict(images, verbose=0), again, atol=1e-5), "a saved model predicts the same")
    export_classifier(model, "served/1", class_names, decode=DecodeImage(_SIZE, _SIZE))
    classify = tf.saved_model.load("served/1").signatures["serving_default"]
    labels = classify(tf.constant([Path("photos", name, "0.png").read_bytes() for name in _CLASSES]))["label"]
    _check([label.decode() for label in labels.numpy()] == list(_CLASSES), "the export tells cats from dogs")


def _image_data_generator() -> None:
    flow = ImageDataGenerator(rotation_range=20, rescale=1 / 255).flow_from_directory(
        "photos", target_size=(_SIZE, _SIZE), batch_size=8, class_mode="binary"
    )
    images, labels = next(flow)
    _check((images.shape, labels.shape) == ((8, _SIZE, _SIZE, 3), (8,)), "flow_from_directory gives batches")


def _keras_ext(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("keras-ext"))
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def _done(*arguments: str) -> str:
    result = _keras_ext(*arguments)
    _check(result.returncode == 0, f"keras-ext {' '.join(arguments)}: {result.stderr}")
    return result.stdout


def _command_line() -> None:
    _check(_done("--version") == f"keras-ext {keras_ext.__version__}\n", "keras-ext --version")
    _check("inspect" in _done("--help"), "keras-ext --help names the commands")
    _check("48 can be used, 0 cannot" in _done("inspect", "photos"), "keras-ext inspect counts")
    _done("split", "photos", "--output", "photos-split")
    _check(len(list(Path("photos-split").glob("*/*/*"))) == 48, "keras-ext split writes every image")
    _done("predict", "served/1", "photos", "--output", "predictions.csv")
    rows = Path("predictions.csv").read_text(encoding="utf-8").splitlines()
    _check(len(rows) == 49, f"keras-ext predict writes a row for each image, and has {len(rows)} lines")
    _optional("matplotlib", lambda: _keras_ext("preview", "photos", "--output", "grid.png"))


def _optional(package: str, command: Callable[[], subprocess.CompletedProcess[str]]) -> None:
    """Checks that a command works where the package is there, and elsewhere says in one line what to install."""
    result = command()
    if importlib.util.find_spec(package):
        _check(result.returncode == 0, result.stderr)
    else:
        lines = result.stderr.splitlines()
        _check(result.returncode == _MISSING, f"{package} is missing")
        _check(len(lines) == 1 and "pip install" in lines[0], f"one line. Received: {result.stderr}")


def _no_pipeline() -> None:
    result = _keras_ext("run", "photos", "--output", "out")
    lines = result.stderr.splitlines()
    _check(result.returncode == _MISSING and len(lines) == 1, f"one line. Received: {result.stderr}")
    _check(lines[0].startswith("keras-ext: 'run' needs TFX, which is not installed here"), lines[0])
    _check(not Path("out").exists(), "what cannot run leaves nothing behind")


def _whole_pipeline() -> None:
    Path("pipelines").mkdir()  # another package of this name, as many projects have one
    Path("pipelines", "__init__.py").write_text("raise ImportError('this is the one of the project')\n", "utf-8")
    printed = _done("run", "photos", "--output", "out", "--set", "train.epochs=3", "--set", "evaluation.min_accuracy=0")
    _check("Model: out/serving/" in printed, printed)


if __name__ == "__main__":
    main()
