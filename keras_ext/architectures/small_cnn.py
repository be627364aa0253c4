"""A small convolutional network for images of any size: the default."""

import keras

from keras_ext.architectures.local_weights import load_local_weights

_STEM_SIDE = 56
_LAST_SIDE = 8
_FILTERS = (32, 64, 128, 256)


def build(image_shape: tuple[int, int, int], weights: str | None = None) -> keras.Model:
    """Returns convolutions with batch normalization that halve the image until its shorter side is about 8.

    Images with a shorter side over 56 pixels are first shrunk by convolutions with stride 2, so that large images cost
    little more than small ones. See `keras_ext.architectures.backbone`.
    """
    inputs = keras.Input(image_shape, name="images")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    while min(x.shape[1:3]) > _STEM_SIDE:
        x = _convolution(x, _FILTERS[0], strides=2)
    for stage, filters in enumerate(_FILTERS):
        x = _convolution(x, filters)
        if stage > 0:
            x = _convolution(x, filters)
        if min(x.shape[1:3]) <= _LAST_SIDE:
            break
        x = keras.layers.MaxPooling2D(padding="same")(x)
    model = keras.Model(inputs, x, name="small_cnn")
    if weights is not None:
        load_local_weights(model, weights, model.name, "Save them with backbone('small_cnn', ...).save_weights.")
    return model


def _convolution(x: keras.KerasTensor, filters: int, strides: int = 1) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        filters, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    # The default momentum of 0.99 lags behind for hundreds of steps, which are several epochs of a small folder.
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.layers.ReLU()(x)
