"""The model that settings describe."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_ext.training import custom_classifier, image_classifier


def build_model(
    settings: Mapping[str, Any], image_shape: tuple[int, int, int], num_classes: int, seed: int | None = None
) -> keras.Model:
    """Returns the model of `[model]`: a network by its name, or what the user's own code builds.

    Args:
      settings: The fields of `pipelines.image_classification.config.Model`.
      image_shape: Height, width and channels.
      num_classes: Number of classes.
      seed: Seeds the weights.

    Raises:
      ValueError: There is no such network or code, or it does not fit.
    """
    if settings.get("builder") is not None:
        arguments = settings["arguments"]
        return custom_classifier(settings["builder"], image_shape, num_classes, arguments=arguments, seed=seed)
    named = {name: settings[name] for name in ("architecture", "weights", "dropout")}
    return image_classifier(image_shape=image_shape, num_classes=num_classes, seed=seed, **named)
