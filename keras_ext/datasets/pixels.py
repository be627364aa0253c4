"""Images as features of an example: one serialized uint8 tensor each, several times faster to read than a JPEG."""

import tensorflow as tf

_PARALLEL_IMAGES = 16


def serialize_images(images: tf.Tensor) -> tf.Tensor:
    """Returns the images, `(batch, height, width, channels)` uint8, as strings `(batch,)`; see `parse_images`."""
    return tf.map_fn(
        tf.io.serialize_tensor,
        tf.ensure_shape(images, [None, None, None, None]),
        fn_output_signature=tf.TensorSpec([], tf.string),
        parallel_iterations=_PARALLEL_IMAGES,
    )


def parse_images(serialized: tf.Tensor, image_shape: tuple[int, int, int]) -> tf.Tensor:
    """Returns what `serialize_images` was given.

    Args:
      serialized: Strings `(batch,)`.
      image_shape: Height, width and channels, the same for all images; another shape is an error when it runs.
    """
    return tf.map_fn(
        lambda one: tf.ensure_shape(tf.io.parse_tensor(one, tf.uint8), image_shape),
        serialized,
        fn_output_signature=tf.TensorSpec(image_shape, tf.uint8),
        parallel_iterations=_PARALLEL_IMAGES,
    )
