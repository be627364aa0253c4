"""What each way to handle class imbalance does for accuracy and recall; see README.md beside this file."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from contest import print_stack

from keras_ext.balanced_sampler import BalancedSampler
from keras_ext.class_weights import class_weights, count_labels
from keras_ext.datasets import apply_class_weights, balanced_dataset, image_keys
from keras_ext.layers import Augmentation, LogitAdjustment
from keras_ext.losses import ClassBalancedFocalCrossentropy, LogitAdjustedCrossentropy

BATCH, EPOCHS, RATE = 32, 20, 2e-3
LAYERS = [
    {"layer": "RandomAffine", "rotation": 10, "height_shift": 0.1, "width_shift": 0.1, "zoom": 0.1},
    {"layer": "RandomFlip", "mode": "horizontal"},
]
PLAIN = "sparse_categorical_crossentropy"
SCORES = ("accuracy", "macro recall", "worst class's recall")


@dataclass(frozen=True)
class Images:
    """Images in memory, and their class indices."""

    pixels: np.ndarray
    labels: np.ndarray

    @property
    def counts(self) -> dict[int, int]:
        return count_labels(self.labels)


def read(directory: Path) -> Images:
    names = sorted(folder.name for folder in directory.iterdir())
    paths = sorted(directory.glob("*/*.jpg"))
    pixels = [tf.io.decode_jpeg(path.read_bytes(), channels=3).numpy() for path in paths]
    return Images(np.stack(pixels), np.array([names.index(path.parent.name) for path in paths]))


def network(num_classes: int) -> keras.Model:
    """Six convolutions."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    for filters in (16, 32, 64):
        for _ in range(2):
            x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(num_classes, activation="softmax")(x))


def training_dataset(train: Images, seed: int, steps: int, factors: Any) -> tf.data.Dataset:
    """All ways draw by the same sampler; factors of one make it a plain shuffle."""
    sampler = BalancedSampler(train.labels, factors, seed=seed)
    epochs = -(-steps * EPOCHS // sampler.steps_per_epoch(BATCH))
    augment = Augmentation(LAYERS, seed=seed)
    numbers = tf.strings.as_string(tf.range(len(train.labels)))
    dataset = balanced_dataset((train.pixels, numbers), sampler, batch_size=BATCH, epochs=epochs)

    def augmented(step: tf.Tensor, batch: tuple[Any, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        (images, names), labels = batch
        return augment(images, training=True, keys=image_keys(names), epoch=step // steps), labels

    return dataset.enumerate().map(augmented, num_parallel_calls=2).prefetch(2)


@dataclass(frozen=True)
class Way:
    """One way to handle imbalance: what is drawn, what an image weighs, the loss, and what is done afterwards."""

    sampling: Any = None
    weights: str | None = None
    loss: Callable[[dict[int, int]], Any] | None = None
    adjust: bool = False


WAYS = {
    "none": Way(),
    "balanced": Way(weights="balanced"),
    "effective_number": Way(weights="effective_number"),
    "oversample": Way(sampling="balanced"),
    "logit_adjustment": Way(loss=LogitAdjustedCrossentropy),
    "none, then the `LogitAdjustment` layer": Way(adjust=True),
    "class-balanced focal": Way(loss=ClassBalancedFocalCrossentropy),
}


def scores(way: Way, train: Images, test: Images, seed: int) -> tuple[float, ...]:
    """Accuracy, macro recall and the worst class's recall on the test images after the last epoch."""
    keras.utils.set_random_seed(seed)
    counts = train.counts
    steps = -(-len(train.labels) // BATCH)
    dataset = training_dataset(train, seed, steps, way.sampling or dict.fromkeys(counts, 1.0))
    if way.weights is not None:
        dataset = apply_class_weights(dataset, class_weights(counts, way.weights))
    model = network(len(counts))
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps * EPOCHS)
    model.compile(keras.optimizers.Adam(rate), loss=PLAIN if way.loss is None else way.loss(counts))
    model.fit(dataset, epochs=EPOCHS, steps_per_epoch=steps, shuffle=False, verbose=0)
    if way.adjust:
        model = keras.Model(model.input, LogitAdjustment(counts)(model.output))
    right = model.predict(test.pixels, batch_size=500, verbose=0).argmax(axis=1) == test.labels
    recalls = [right[test.labels == index].mean() for index in counts]
    return float(right.mean()), float(np.mean(recalls)), float(np.min(recalls))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, metavar="DIR", help="{train,test}/<class>/<name>.jpg, 32 × 32 pixels")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="WAY")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    if options.images is None:
        print("Left out: it needs real images, --images DIR, and some twenty minutes.")
        return
    train, test = read(options.images / "train"), read(options.images / "test")
    results: dict[str, list[tuple[float, ...]]] = {name: [] for name in options.ways}
    for seed in options.seeds:  # every way once, before the next seed
        for name, of_way in results.items():
            of_way.append(scores(WAYS[name], train, test, seed))
            print(f"seed {seed}, {name}: {of_way[-1]}", file=sys.stderr, flush=True)
    print_stack(("tensorflow", "keras", "numpy"))
    print(f"\n| strategy | {' | '.join(SCORES)} |\n|---|---:|---:|---:|")
    for name, of_way in results.items():
        figures = (f"{np.mean(column):.3f} ± {np.std(column, ddof=1):.3f}" for column in zip(*of_way, strict=True))
        print(f"| {name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
