"""Classes of unequal size: which component, and which part of training, a strategy needs."""

from tfx import types

from keras_ext.layers import Augmentation
from pipelines.image_classification.config import Config
from tfx_components.class_weights import ClassWeights


def check_imbalance(config: Config) -> None:
    """Refuses what training would refuse after minutes of ingest.

    Raises:
      ValueError: Class weights, and augmentation that mixes labels.
    """
    if not config.imbalance.weighs:
        return
    layers = list(config.augmentation.layers)
    if Augmentation(layers).mixes_labels:
        raise ValueError(
            f"imbalance.strategy {config.imbalance.strategy!r} weighs each image by its class, and an image that MixUp "
            "or CutMix blended has no single class. Leave those layers out of augmentation.layers, or set "
            "imbalance.strategy to 'logit_adjustment' or 'oversample'."
        )


def class_weights_of(
    config: Config, statistics: types.BaseChannel, class_names: types.BaseChannel
) -> list[ClassWeights]:
    """Returns the component that counts and weighs the classes, or none where nothing needs it."""
    imbalance = config.imbalance
    if imbalance.strategy == "none":
        return []
    # Oversampling and logit adjustment need the counts alone.
    weighing = {"strategy": imbalance.strategy, **imbalance.options} if imbalance.weighs else {"strategy": "none"}
    return [ClassWeights(statistics=statistics, class_names=class_names, **weighing)]
