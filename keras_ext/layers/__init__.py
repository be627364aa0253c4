"""Keras layers, one in each file."""

from keras_ext.layers.augmentation import Augmentation
from keras_ext.layers.decode_image import DecodeImage
from keras_ext.layers.logit_adjustment import LogitAdjustment
from keras_ext.layers.random_affine import RandomAffine
from keras_ext.layers.standardization import Standardization

__all__ = ["Augmentation", "DecodeImage", "LogitAdjustment", "RandomAffine", "Standardization"]
