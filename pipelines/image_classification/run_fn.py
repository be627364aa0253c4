"""What Trainer runs: it wires `keras_ext` to what TFX hands over, and nothing more."""

import functools
import importlib.util
import math
import os
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from keras_ext import features
from keras_ext.balanced_sampler import epoch_weights
from keras_ext.callbacks import AugmentationPreview, ClassificationReport, InputMonitor, MostWrongImages
from keras_ext.class_weights import STRATEGIES
from keras_ext.datasets import ImageExamples, apply_class_weights
from keras_ext.datasets.pixels import parse_images
from keras_ext.export import EXTRA_FILES, checked_files, export_classifier, export_formats, record_predictions
from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.losses import LogitAdjustedCrossentropy
from keras_ext.metrics import ConfusionMatrix
from keras_ext.training import fine_tune, fit, learning_rate_schedule, precision, strategy
from pipelines.image_classification.checkpoints import TrainingFolders, training_folders
from pipelines.image_classification.model import build_model
from pipelines.image_classification.search_space import with_hyperparameters
from tfx_components.skew_validator import prepare_fresh_process

_PREVIEWED, _PREVIEWS = 4, 5  # images in a picture of the augmentation, and pictures in a training, at most


def run_fn(fn_args: FnArgs) -> None:
    """Trains a classifier on Transform's examples and exports it.

    Args:
      fn_args: TFX's. `custom_config` holds plain dicts: `"image"`, the arguments of `DecodeImage`; `"model"`, the
        fields of `pipelines.image_classification.config.Model`; `"augmentation"`, the layers of
        `keras_ext.layers.Augmentation`; `"imbalance"`, the `strategy` and its options; `"train"`, the fields of
        `pipelines.image_classification.config.Train`; `"export"` and `"skew"`, those of `Export` and `Skew` there;
        `"checkpoints"`, see `training_folders`; and what `tfx_components.Trainer` adds: `"class_names"` and, for every
        strategy but "none", `"class_weights"` and `"class_counts"`.
    """
    with training_folders(fn_args) as folders:
        model, histories = train_model(fn_args, folders)
        if folders.log_dir is not None and _draws_pictures():
            _draw_most_wrong(model, histories[-1].epoch[-1], fn_args, folders.log_dir)
        _export(model, fn_args)


def _draw_most_wrong(model: keras.Model, epoch: int, fn_args: FnArgs, log_dir: str) -> None:
    """Draws the validation images of which the model is most wrong: not while it trains, but with its best weights."""
    config = fn_args.custom_config
    examples = ImageExamples(fn_args.eval_files, DecodeImage(**config["image"]).image_shape, compression_type="GZIP")
    named = examples.evaluation_dataset(batch_size=config["train"]["batch_size"], with_file_names=True)
    most_wrong = MostWrongImages(named, config["class_names"], log_dir=log_dir, every=None)
    most_wrong.set_model(model)
    most_wrong.on_epoch_end(epoch)  # the step of the picture
    most_wrong.on_train_end()


def _export(model: keras.Model, fn_args: FnArgs) -> None:
    config = fn_args.custom_config
    class_names, export, decode_image = config["class_names"], config["export"], DecodeImage(**config["image"])
    validation = ImageExamples(fn_args.eval_files, decode_image.image_shape, compression_type="GZIP")
    prepare_fresh_process()  # SkewValidator's loads TensorFlow while this one exports
    record_predictions(model, validation, fn_args.model_run_dir, config["skew"]["images"])
    transform = tft.TFTransformOutput(fn_args.transform_graph_path).transform_features_layer()
    # Not one of the `resources`: Transform's graph holds no tables, and to save its layer as a model takes seconds.
    decode = _decode_with(transform, decode_image.image_shape)
    export_classifier(model, fn_args.serving_model_dir, class_names, decode, top_k=export["top_k"])
    if export["formats"]:
        # There they are pushed with the model, whole and only if it is blessed; model servers take no notice of them.
        extra_files = os.path.join(fn_args.serving_model_dir, EXTRA_FILES)
        export_formats(model, extra_files, class_names, export["formats"], decode=decode_image)


def train_model(fn_args: FnArgs, folders: TrainingFolders) -> tuple[keras.Model, tuple[keras.callbacks.History, ...]]:
    """Trains, with the hyperparameters that Tuner found, if it ran.

    Returns:
      The model, with the weights of its best epoch, and the history of each phase of training.
    """
    config = with_hyperparameters(fn_args.custom_config, fn_args.hyperparameters)
    train_config, class_names = config["train"], config["class_names"]
    image_shape = DecodeImage(**config["image"]).image_shape
    # Transform compresses its examples, whatever the run.
    train = ImageExamples(fn_args.train_files, image_shape, compression_type="GZIP", sampling=_sampling(config))
    validation = ImageExamples(fn_args.eval_files, image_shape, compression_type="GZIP")
    steps_per_epoch = train.steps_per_epoch(train_config["batch_size"])
    with precision(train_config["precision"]), strategy(train_config["strategy"]).scope():
        model = build_model(config["model"], image_shape, len(class_names), train_config["seed"])
    # A strategy fetches in a thread of its own; and nobody is to be advised in each trial of a search.
    monitor = InputMonitor() if train_config["strategy"] == "default" and folders.log_dir is not None else None
    histories = _training(train_config, steps_per_epoch)(
        model,
        _watched(functools.partial(_training_dataset, train, config), monitor),
        _weighted(validation.evaluation_dataset(batch_size=train_config["batch_size"]), _epoch_weights(config)),
        steps_per_epoch=steps_per_epoch,
        optimizer=train_config["optimizer"],
        patience=train_config["patience"],
        loss=_loss(config),
        metrics=["accuracy", ConfusionMatrix(len(class_names))],
        callbacks=_callbacks(config, train, folders.log_dir, monitor),
        log_dir=folders.log_dir,
        verbose=0,  # ProgressLog tells
        checkpoint_dir=folders.checkpoint_dir,
        gradient_accumulation_steps=train_config["gradient_accumulation_steps"],
        jit_compile=train_config["jit_compile"],
    )
    return model, histories if isinstance(histories, tuple) else (histories,)


def _watched(
    batches: Callable[[int], tf.data.Dataset], monitor: InputMonitor | None
) -> Callable[[int], tf.data.Dataset]:
    return batches if monitor is None else lambda initial_epoch: monitor.watch(batches(initial_epoch))


def _callbacks(
    config: dict[str, Any], train: ImageExamples, log_dir: str | None, monitor: InputMonitor | None
) -> list[keras.callbacks.Callback]:
    class_names, pictures = config["class_names"], log_dir if _draws_pictures() else None
    callbacks: list[keras.callbacks.Callback] = [] if monitor is None else [monitor]
    every = math.ceil(config["train"]["epochs"] / _PREVIEWS)
    callbacks.append(ClassificationReport(class_names, logged=["recall"], log_dir=pictures, every=every))
    if pictures is not None and config["augmentation"]:
        augment = Augmentation(config["augmentation"], seed=config["train"]["seed"])
        images = train.training_dataset(
            batch_size=_PREVIEWED, seed=config["train"]["seed"], epochs=1, with_keys=True
        ).take(1)
        callbacks.append(AugmentationPreview(augment, images, pictures, every=every, class_names=class_names))
    return callbacks


def _draws_pictures() -> bool:
    """Whether Matplotlib is there: a run is not to fail, after its ingest, for want of a picture."""
    return importlib.util.find_spec("matplotlib") is not None


def _training(train_config: dict[str, Any], steps_per_epoch: int) -> Callable[..., Any]:
    """Returns `fit`, or `fine_tune` where the network is frozen first, with epochs and learning rates."""

    def rate(setting: str, epochs: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
        return learning_rate_schedule(
            train_config["learning_rate_schedule"],
            train_config[setting],
            steps=epochs * steps_per_epoch,
            # Trials of a search may have fewer epochs than the warmup was chosen for, and epochs a single step.
            warmup_steps=min(round(train_config["warmup_epochs"] * steps_per_epoch), epochs * steps_per_epoch - 1),
        )

    frozen_epochs, epochs = train_config["frozen_epochs"], train_config["epochs"]
    if not frozen_epochs:
        return functools.partial(fit, epochs=epochs, learning_rate=rate("learning_rate", epochs))
    return functools.partial(
        fine_tune,
        frozen_epochs=frozen_epochs,
        epochs=epochs,
        learning_rate=rate("learning_rate", frozen_epochs),
        fine_tuning_learning_rate=rate("fine_tuning_learning_rate", epochs),
    )


def _training_dataset(examples: ImageExamples, config: dict[str, Any], initial_epoch: int) -> tf.data.Dataset:
    train_config = config["train"]
    augment = Augmentation(config["augmentation"], seed=train_config["seed"]) if config["augmentation"] else None
    dataset = examples.training_dataset(
        batch_size=train_config["batch_size"],
        seed=train_config["seed"],
        epochs=train_config["frozen_epochs"] + train_config["epochs"],
        initial_epoch=initial_epoch,
        augment=augment,
        num_classes=len(config["class_names"]) if augment is not None and augment.mixes_labels else None,
    )
    return _weighted(dataset, None if examples.sampling else _epoch_weights(config))


def _sampling(config: dict[str, Any]) -> str | None:
    imbalance = config["imbalance"]
    return imbalance.get("sampling", "balanced") if imbalance["strategy"] == "oversample" else None


def _epoch_weights(config: dict[str, Any]) -> dict[int, float] | None:
    """What an image of each class counts in an epoch of training: by its weight, or by how often it comes."""
    if config["imbalance"]["strategy"] in STRATEGIES:
        return config["class_weights"]
    sampling = _sampling(config)
    return None if sampling is None else epoch_weights(config["class_counts"], sampling)


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
        transformed = transform({features.ENCODED: tf.reshape(checked_files(image_bytes), [-1, 1])})
        return parse_images(transformed[features.PIXELS], image_shape)

    return decode
