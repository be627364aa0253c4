"""Judges a model: figures with intervals, classes, slices, and whether it is blessed."""

from tfx_components.evaluator.component import Evaluator
from tfx_components.evaluator.judgement import Judgement

__all__ = ["Evaluator", "Judgement"]
