"""Training an image classifier: what a script and a TFX `run_fn` share."""

from keras_ext.training.fitting import fit
from keras_ext.training.image_classifier import image_classifier

__all__ = ["fit", "image_classifier"]
