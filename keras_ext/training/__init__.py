"""Training an image classifier: what a script and a TFX `run_fn` share."""

from keras_ext.training.custom_classifier import custom_classifier
from keras_ext.training.fine_tuning import fine_tune
from keras_ext.training.fitting import fit
from keras_ext.training.image_classifier import image_classifier
from keras_ext.training.learning_rates import WarmUp, learning_rate_schedule
from keras_ext.training.strategies import precision, strategy

__all__ = [
    "WarmUp",
    "custom_classifier",
    "fine_tune",
    "fit",
    "image_classifier",
    "learning_rate_schedule",
    "precision",
    "strategy",
]
