"""A network and an augmentation layer of one's own."""

import keras
from keras import ops


def build(image_shape, num_classes, width=16):
    """Returns a model from images, uint8 or floats in [0, 255], to probabilities."""
    images = keras.Input(image_shape)
    x = keras.layers.Rescaling(1 / 255)(images)
    for factor in (1, 2, 4):
        x = keras.layers.Conv2D(factor * width, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(images, keras.layers.Dense(num_classes, activation="softmax")(x))


class InkBlots(keras.layers.Layer):
    """Spills a white square of `size` pixels on each image of a batch, anywhere."""

    def __init__(self, size, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        batch, height, width, _ = ops.shape(images)
        corners = keras.random.uniform((2, batch, 1, 1, 1), seed=self.seed_generator)
        rows = ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1, 1)) - corners[0] * (height - self.size)
        columns = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1, 1)) - corners[1] * (width - self.size)
        is_ink = (rows >= 0) & (rows < self.size) & (columns >= 0) & (columns < self.size)
        return ops.where(is_ink, 255.0, images)
