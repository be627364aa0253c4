"""Keras layers, one in each file."""

from keras_ext.layers.decode_image import DecodeImage

__all__ = ["DecodeImage"]
