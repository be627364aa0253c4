"""What Trainer runs: it wires `keras_ext` to what TFX hands over, and nothing more."""

import importlib.util
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from keras_ext import features
from keras_ext.balanced_sampler import repeat_factors
from keras_ext.callbacks import ClassificationReport
from keras_ext.class_weights import STRATEGIES
from keras_ext.datasets import ImageExamples, apply_class_weights
from keras_ext.datasets.pixels import parse_images
from keras_ext.export import export_classifier
from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.losses import LogitAdjustedCrossentropy
from keras_ext.metrics import ConfusionMatrix
from keras_ext.training import fit, image_classifier


def run_fn(fn_args: FnArgs) -> None:
    """Trains a classifier on Transform's examples and exports it.

    Args:
      fn_args: TFX's. `custom_config` holds plain dicts: `"image"`, the arguments of `DecodeImage`; `"model"`, the
        `architecture`, `weights` and `dropout` of `keras_ext.training.image_classifier`; `"augmentation"`, the layers
        of `keras_ext.layers.Augmentation`; `"imbalance"`, the `strategy` and its options; `"train"`: `epochs`,
        `batch_size`, `learning_rate`, `patience` and `seed`; and what `tfx_components.Trainer` adds: `"class_names"`
        and, for every strategy but "none", `"class_weights"` and `"class_counts"`.
    """
    config = fn_args.custom_config
    train_config, class_names = config["train"], config["class_names"]
    image_shape = DecodeImage(**config["image"]).image_shape
    # Transform compresses its examples, whatever the run.
    train = ImageExamples(fn_args.train_files, image_shape, compression_type="GZIP", sampling=_sampling(config))
    validation = ImageExamples(fn_args.eval_files, image_shape, compression_type="GZIP")
    pictures = fn_args.model_run_dir if _draws_pictures() else None
    model = image_classifier(
        image_shape=image_shape, num_classes=len(class_names), seed=train_config["seed"], **config["model"]
    )
    fit(
        model,
        _training_dataset(train, config),
        _weighted(validation.evaluation_dataset(batch_size=train_config["batch_size"]), _epoch_weights(config)),
        epochs=train_config["epochs"],
        steps_per_epoch=train.steps_per_epoch(train_config["batch_size"]),
        learning_rate=train_config["learning_rate"],
        patience=train_config["patience"],
        loss=_loss(config),
        metrics=["accuracy", ConfusionMatrix(len(class_names))],
        callbacks=[ClassificationReport(class_names, logged=["recall"], log_dir=pictures)],
        log_dir=fn_args.model_run_dir,
        verbose=0,  # ProgressLog tells
    )
    transform = tft.TFTransformOutput(fn_args.transform_graph_path).transform_features_layer()
    decode = _decode_with(transform, image_shape)
    export_classifier(model, fn_args.serving_model_dir, class_names, decode, resources=[transform])


def _draws_pictures() -> bool:
    """Whether Matplotlib is there: a run is not to fail, after its ingest, for want of a picture."""
    return importlib.util.find_spec("matplotlib") is not None


def _training_dataset(examples: ImageExamples, config: dict[str, Any]) -> tf.data.Dataset:
    train_config = config["train"]
    augment = Augmentation(config["augmentation"], seed=train_config["seed"]) if config["augmentation"] else None
    dataset = examples.training_dataset(
        batch_size=train_config["batch_size"],
        seed=train_config["seed"],
        epochs=train_config["epochs"],
        augment=augment,
        num_classes=len(config["class_names"]) if augment is not None and augment.mixes_labels else None,
    )
    return _weighted(dataset, None if examples.sampling else _epoch_weights(config))


def _sampling(config: dict[str, Any]) -> str | None:
    imbalance = config["imbalance"]
    return imbalance.get("sampling", "balanced") if imbalance["strategy"] == "oversample" else None


def _epoch_weights(config: dict[str, Any]) -> dict[int, float] | None:
    """What an image of each class counts in an epoch of training: by its weight, or by how often it comes.

    Validation images weigh the same, so that early stopping watches the loss that training lowers: unweighted, it would
    stop for the common classes.
    """
    if config["imbalance"]["strategy"] in STRATEGIES:
        return config["class_weights"]
    sampling = _sampling(config)
    if sampling is None:
        return None
    counts = config["class_counts"]
    factors = repeat_factors(counts, sampling)
    scale = sum(counts.values()) / sum(counts[index] * factors[index] for index in counts)
    return {index: factor * scale for index, factor in factors.items()}


def _weighted(dataset: tf.data.Dataset, weights: dict[int, float] | None) -> tf.data.Dataset:
    return apply_class_weights(dataset, weights) if weights else dataset


def _loss(config: dict[str, Any]) -> keras.losses.Loss | None:
    """Logit adjustment, or None. Its model learns probabilities as if classes were equally likely, and serves them."""
    imbalance = config["imbalance"]
    if imbalance["strategy"] != "logit_adjustment":
        return None
    return LogitAdjustedCrossentropy(config["class_counts"], tau=imbalance.get("tau", 1.0))


def _decode_with(transform: Any, image_shape: tuple[int, int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from image files to pixels that runs Transform's own graph."""

    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        transformed = transform({features.ENCODED: tf.reshape(image_bytes, [-1, 1])})
        return parse_images(transformed[features.PIXELS], image_shape)

    return decode
