"""TFX's Trainer with channels for class weights and class names."""

from tfx_components.trainer.component import Trainer

__all__ = ["Trainer"]
