"""TFX's Tuner with channels for class weights and class names, and without silent failures."""

from tfx_components.tuner.component import Tuner

__all__ = ["Tuner"]
