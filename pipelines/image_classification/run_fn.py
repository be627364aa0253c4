"""What Trainer runs: it wires `keras_ext` to what TFX hands over, and nothing more."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from keras_ext import features
from keras_ext.datasets import ImageExamples, apply_class_weights
from keras_ext.datasets.pixels import parse_images
from keras_ext.export import export_classifier
from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.training import fit, image_classifier


def run_fn(fn_args: FnArgs) -> None:
    """Trains a classifier on Transform's examples and exports it.

    Args:
      fn_args: TFX's. `custom_config` holds plain dicts: `"image"`, the arguments of `DecodeImage`; `"model"`, the
        `architecture`, `weights` and `dropout` of `keras_ext.training.image_classifier`; `"augmentation"`, the layers
        of `keras_ext.layers.Augmentation`; `"train"`: `epochs`, `batch_size`, `learning_rate`, `patience` and `seed`;
        and what `tfx_components.Trainer` adds: `"class_names"` and, where they are given, `"class_weights"`.
    """
    config = fn_args.custom_config
    train_config = config["train"]
    image_shape = DecodeImage(**config["image"]).image_shape
    # Transform compresses its examples, whatever the run.
    train = ImageExamples(fn_args.train_files, image_shape, compression_type="GZIP")
    validation = ImageExamples(fn_args.eval_files, image_shape, compression_type="GZIP")
    model = image_classifier(
        image_shape=image_shape,
        num_classes=len(config["class_names"]),
        seed=train_config["seed"],
        **config["model"],
    )
    fit(
        model,
        _training_dataset(train, config),
        validation.evaluation_dataset(batch_size=train_config["batch_size"]),
        epochs=train_config["epochs"],
        steps_per_epoch=train.steps_per_epoch(train_config["batch_size"]),
        learning_rate=train_config["learning_rate"],
        patience=train_config["patience"],
        log_dir=fn_args.model_run_dir,
        verbose=0,  # ProgressLog tells
    )
    transform = tft.TFTransformOutput(fn_args.transform_graph_path).transform_features_layer()
    decode = _decode_with(transform, image_shape)
    export_classifier(model, fn_args.serving_model_dir, config["class_names"], decode, resources=[transform])


def _training_dataset(examples: ImageExamples, config: dict[str, Any]) -> tf.data.Dataset:
    train_config, class_weights = config["train"], config.get("class_weights")
    augment = Augmentation(config["augmentation"], seed=train_config["seed"]) if config["augmentation"] else None
    dataset = examples.training_dataset(
        batch_size=train_config["batch_size"],
        seed=train_config["seed"],
        epochs=train_config["epochs"],
        augment=augment,
        num_classes=len(config["class_names"]) if augment is not None and augment.mixes_labels else None,
    )
    return apply_class_weights(dataset, class_weights) if class_weights else dataset


def _decode_with(transform: Any, image_shape: tuple[int, int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from image files to pixels that runs Transform's own graph."""

    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        transformed = transform({features.ENCODED: tf.reshape(image_bytes, [-1, 1])})
        return parse_images(transformed[features.PIXELS], image_shape)

    return decode
