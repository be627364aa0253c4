"""What is done, without a word about where the data lie."""

import logging
from typing import Any

import keras

from keras_ext.callbacks import ClassificationReport
from keras_ext.class_weights import class_weights, count_labels
from keras_ext.datasets import ImageDataset, apply_class_weights
from keras_ext.layers import RandomAffine
from keras_ext.metrics import ConfusionMatrix
from keras_ext.training import fit, image_classifier

logger = logging.getLogger(__name__)


def prepare(images: tuple[ImageDataset, ImageDataset]) -> dict[str, float]:
    """Returns the weight of each class, by its name: the fewer training images, the more each of them weighs."""
    training, validation = images
    counts = count_labels(training.labels, num_classes=len(training.class_names))
    logger.info("%s images to train on, %s to validate with", len(training.labels), len(validation.labels))
    return {training.class_names[index]: weight for index, weight in class_weights(counts).items()}


def train(
    images: tuple[ImageDataset, ImageDataset], weights: dict[str, float], parameters: dict[str, Any]
) -> tuple[keras.Model, dict[str, Any]]:
    """Returns a classifier with the weights of its best epoch, and its figures on the validation images."""
    training, validation = images
    class_names = training.class_names
    by_index = {index: weights[name] for index, name in enumerate(class_names)}
    augment = RandomAffine(
        rotation=parameters["rotation"],
        width_shift=parameters["shift"],
        height_shift=parameters["shift"],
        seed=parameters["seed"],
    )
    augmented = training.map(lambda images, labels: (augment(images, training=True), labels))

    shape = training.element_spec[0].shape[1:]
    model = image_classifier("small_cnn", tuple(shape), len(class_names), seed=parameters["seed"])
    report = ClassificationReport(class_names)
    fit(
        model,
        apply_class_weights(augmented, by_index),
        apply_class_weights(validation, by_index),
        epochs=parameters["epochs"],
        learning_rate=parameters["learning_rate"],
        metrics=["accuracy", ConfusionMatrix(len(class_names))],
        verbose=2,
    )
    model.evaluate(validation, callbacks=[report], verbose=0)
    print(report.table())  # of the validation images
    recall = dict(zip(class_names, report.figures.recall.tolist(), strict=True))
    return model, {"macro_recall": report.figures.macro_recall, "recall": recall}


def register(model: keras.Model, report: dict[str, Any], parameters: dict[str, Any]) -> tuple[keras.Model, list[str]]:
    """Returns what is to be served, if it is good enough."""
    if report["macro_recall"] < parameters["min_macro_recall"]:
        raise ValueError(
            f"The classifier is not registered: its macro recall is {report['macro_recall']:.4f}, and "
            f"register.min_macro_recall asks for {parameters['min_macro_recall']}."
        )
    logger.info("Registered: macro recall %.4f", report["macro_recall"])
    return model, list(report["recall"])
