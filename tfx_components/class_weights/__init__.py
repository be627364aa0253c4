"""ClassWeights: counts the classes of a train split and weighs them."""

from tfx_components.class_weights.component import ClassWeights
from tfx_components.class_weights.example_labels import count_example_labels
from tfx_components.class_weights.statistics_labels import count_statistics_labels

__all__ = ["ClassWeights", "count_example_labels", "count_statistics_labels"]
