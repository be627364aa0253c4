"""Keras losses, one in each file."""

from keras_ext.losses.class_balanced_focal_crossentropy import ClassBalancedFocalCrossentropy
from keras_ext.losses.logit_adjusted_crossentropy import LogitAdjustedCrossentropy

__all__ = ["ClassBalancedFocalCrossentropy", "LogitAdjustedCrossentropy"]
