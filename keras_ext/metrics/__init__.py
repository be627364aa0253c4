"""Keras metrics, one in each file."""

from keras_ext.metrics.confusion_matrix import ConfusionMatrix

__all__ = ["ConfusionMatrix"]
