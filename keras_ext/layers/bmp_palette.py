"""The palette of a BMP file, which TensorFlow's decoder leaves out: it takes a pixel's index for its grey level."""

import tensorflow as tf

_MAGIC = 0x4D42  # "BM"
_HEADER_BYTES = 54


def with_bmp_palette(image: tf.Tensor, contents: tf.Tensor) -> tf.Tensor:
    """Returns the image in colour where `contents` is a BMP file with a palette of up to 256 colours, else as it is.

    Args:
      image: uint8 `(height, width, channels)`, what `tf.io.decode_image` returns for `contents`.
      contents: The bytes of the file, a scalar.
    """
    words = tf.io.decode_raw(
        tf.strings.substr(contents, 0, _HEADER_BYTES), tf.uint16, little_endian=True, fixed_length=_HEADER_BYTES
    )
    has_palette = tf.equal(words[0], _MAGIC) & tf.equal(words[14], 8)  # bits of a pixel
    return tf.cond(
        has_palette, lambda: tf.gather(_palette(contents, words), tf.cast(image[..., 0], tf.int32)), lambda: image
    )


def _palette(contents: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
    """Red, green and blue of each index, uint8 `(256, 3)`; in the file: blue, green, red and nothing."""
    start = tf.minimum(14 + tf.cast(words[7], tf.int32), tf.strings.length(contents))  # after both headers
    colors = tf.io.decode_raw(tf.strings.substr(contents, start, 1024), tf.uint8, fixed_length=1024)
    return tf.reshape(colors, [256, 4])[:, 2::-1]
