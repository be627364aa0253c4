"""Says which file of a batch is no image: TensorFlow's own error does not."""

import tensorflow as tf

# How the files begin that `tf.io.decode_image` reads. TensorFlow reads WebP from 2.20 on.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", *([b"RIFF"] if hasattr(tf.io, "decode_webp") else []))
_SHOWN = 20


def checked_files(files: tf.Tensor) -> tf.Tensor:
    """Returns image files as they are, or fails when it runs: the error names the positions of those that are none.

    For the `decode` of `export_classifier`, which does this by itself where that is a `DecodeImage`.

    Args:
      files: The bytes of image files, strings `(batch,)`.

    Example:

    >>> decode = lambda files: my_decode(checked_files(files))
    """
    are_images = tf.zeros_like(files, tf.bool)
    for beginning in _BEGINNINGS:
        are_images |= tf.equal(tf.strings.substr(files, 0, len(beginning)), beginning)
    others = tf.reshape(tf.where(~are_images), [-1])
    message = "These files of the batch are no JPEG, PNG, GIF or BMP images, counted from 0:"
    check = tf.debugging.Assert(tf.reduce_all(are_images), [message, others], summarize=_SHOWN)
    with tf.control_dependencies([check] if check is not None else []):
        return tf.identity(files)
