"""Keras callbacks, one in each file."""

from keras_ext.callbacks.classification_report import ClassificationReport
from keras_ext.callbacks.progress_log import ProgressLog

__all__ = ["ClassificationReport", "ProgressLog"]
