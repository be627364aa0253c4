"""Building an image classifier."""

import keras

from keras_ext.architectures import backbone


def image_classifier(
    architecture: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    weights: str | None = None,
    dropout: float = 0.2,
    seed: int | None = None,
) -> keras.Model:
    """Returns a model from images `(batch, height, width, channels)` to probabilities `(batch, classes)`.

    The images are uint8 or floats in [0, 255]. The model holds no augmentation: that is the dataset's; see `fit`.

    Args:
      architecture: Name of a network; see `keras_ext.architectures.backbone`.
      image_shape: Height, width and channels.
      num_classes: Number of classes.
      weights: A local file of weights for the network, or None.
      dropout: Share of the features that are dropped in training.
      seed: Seeds Python, NumPy and TensorFlow, so that the same seed gives the same weights and the same training.

    Raises:
      ValueError: An unknown name, or images that the network cannot take.

    Example:

    >>> model = image_classifier("small_cnn", (32, 32, 3), 10, seed=0)
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)
    # Keras casts what comes to an input's dtype: uint8 is as welcome as the floats that augmentation makes.
    images = keras.Input(image_shape, dtype="float32", name="images")
    x = backbone(architecture, image_shape, weights)(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(dropout)(x)
    outputs = keras.layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(images, outputs)
