"""Keras callbacks, one in each file."""

from keras_ext.callbacks.progress_log import ProgressLog

__all__ = ["ProgressLog"]
