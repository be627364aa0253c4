"""`tf.data` datasets of images."""

from keras_ext.datasets.image_examples import ImageExamples
from keras_ext.datasets.image_keys import image_keys
from keras_ext.datasets.sample_weights import apply_class_weights

__all__ = ["ImageExamples", "apply_class_weights", "image_keys"]
