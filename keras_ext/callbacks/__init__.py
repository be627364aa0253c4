"""Keras callbacks, one in each file."""

from keras_ext.callbacks.augmentation_preview import AugmentationPreview
from keras_ext.callbacks.classification_report import ClassificationReport
from keras_ext.callbacks.input_monitor import InputFigures, InputMonitor
from keras_ext.callbacks.most_wrong_images import MostWrongImages, WrongImage
from keras_ext.callbacks.progress_line import ProgressLine
from keras_ext.callbacks.progress_log import ProgressLog

__all__ = [
    "AugmentationPreview",
    "ClassificationReport",
    "InputFigures",
    "InputMonitor",
    "MostWrongImages",
    "ProgressLine",
    "ProgressLog",
    "WrongImage",
]
