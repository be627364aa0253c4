"""Training an image classifier: what a script and a TFX `run_fn` share."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_ext.architectures import backbone
from keras_ext.callbacks import ProgressLog
from keras_ext.choices import check_choice

# Keras's layers that augment images alone; those that mix labels too (MixUp, CutMix) have no place in a model.
_AUGMENTATION_LAYERS = (
    *(name for name in dir(keras.layers) if name.startswith("Random")),
    *("AugMix", "AutoContrast", "Equalization", "GaussianNoise", "RandAugment", "Solarization"),
)


def image_classifier(
    architecture: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    weights: str | None = None,
    augmentation: Sequence[Mapping[str, Any]] = (),
    dropout: float = 0.2,
    seed: int | None = None,
) -> keras.Model:
    """Returns a model from uint8 images `(batch, height, width, channels)` to probabilities `(batch, classes)`.

    Args:
      architecture: Name of a network; see `keras_ext.architectures.backbone`.
      image_shape: Height, width and channels.
      num_classes: Number of classes.
      weights: A local file of weights for the network, or None.
      augmentation: See `augmentation_layers`.
      dropout: Share of the features that are dropped in training.
      seed: Seeds Python, NumPy and TensorFlow, so that the same seed gives the same weights and the same training.

    Raises:
      ValueError: An unknown name, or images that the network cannot take.

    Example:

    >>> model = image_classifier("small_cnn", (32, 32, 3), 10, seed=0)
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)
    images = keras.Input(image_shape, dtype="uint8", name="images")
    x = keras.layers.Rescaling(1.0, name="to_float")(images)
    for layer in augmentation_layers(augmentation, seed):
        x = layer(x)
    x = backbone(architecture, image_shape, weights)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(dropout)(x)
    outputs = keras.layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(images, outputs)


def augmentation_layers(augmentation: Sequence[Mapping[str, Any]], seed: int | None = None) -> list[keras.layers.Layer]:
    """Returns the layers that a configuration names.

    Args:
      augmentation: One mapping for each layer: `"layer"`, the name of one of Keras's augmentation layers, and its
        arguments.
      seed: Seeds the layers that name no seed themselves, each differently.

    Raises:
      ValueError: An unknown layer; the message names the nearest.

    Example:

    >>> augmentation_layers([{"layer": "RandomFlip", "mode": "horizontal"}, {"layer": "RandomRotation", "factor": 0.1}])
    """
    layers = []
    for position, arguments in enumerate(augmentation):
        options = dict(arguments)
        name = check_choice("augmentation layer", options.pop("layer", ""), _AUGMENTATION_LAYERS)
        constructor = getattr(keras.layers, name)
        if seed is not None and "seed" in inspect.signature(constructor).parameters:
            options.setdefault("seed", seed + position)
        layers.append(constructor(**options))
    return layers


def fit(  # noqa: PLR0913 - some of the arguments of Keras's fit, and a few more
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int,
    steps_per_epoch: int | None = None,
    learning_rate: float = 1e-3,
    patience: int | None = 5,
    log_dir: str | None = None,
) -> keras.callbacks.History:
    """Trains with Adam and leaves the model with the weights of its best epoch, by the loss on `validation`.

    Args:
      model: A classifier with probabilities as output; it is compiled here.
      train: Batches `(images, labels)` or `(images, labels, weights)`, labels as class indices.
      validation: The same; unweighted loss and accuracy are what you want to see here.
      epochs: The most epochs.
      steps_per_epoch: Batches in an epoch, when `train` holds several epochs; see `ImageExamples.training_dataset`.
      learning_rate: Adam's.
      patience: Epochs without a better loss after which training stops; None never stops early.
      log_dir: Where TensorBoard's logs go, or None.

    Returns:
      Keras's history.

    Example:

    >>> history = fit(model, train.training_dataset(batch_size=32, seed=0, epochs=10),
    ...               validation.evaluation_dataset(batch_size=32), epochs=10, steps_per_epoch=train_steps)
    """
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.EarlyStopping(
            "val_loss", patience=epochs if patience is None else patience, restore_best_weights=True
        ),
        ProgressLog(),
    ]
    if log_dir is not None:
        callbacks.append(keras.callbacks.TensorBoard(log_dir, write_graph=False))
    return model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=callbacks,
        shuffle=False,  # the datasets say their order
        verbose=0,
    )
