"""What many predictions come to: how many of each class, which errors, and how right they are."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from keras_ext.class_figures import ClassFigures, class_figures
from keras_ext.prediction_table import Prediction


class PredictionSummary:
    """Counts predictions while they pass; holds none of them.

    Args:
      class_names: The model's classes.

    Attributes:
      found: Images that passed.
      predicted: Class name to the number of images that were taken for it.
      errors: Reason to the number of images that could not be read.
      unknown: Labels that are no class of the model, to the number of images with such a label that could be read.
      unlabelled: Images that could be read and have no label.

    Example:

    >>> summary = PredictionSummary(classifier.class_names)
    >>> for prediction in summary.counted(classifier.predict("photos")):
    ...     print(prediction.filename, prediction.label)
    >>> summary.figures.accuracy
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.found = 0
        self.predicted: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.unlabelled = 0
        self._index = {name: index for index, name in enumerate(class_names)}
        self._matrix = np.zeros((len(self.class_names), len(self.class_names)), np.int64)

    def counted(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Yields the predictions and counts each."""
        for prediction in predictions:
            self.add(prediction)
            yield prediction

    def add(self, prediction: Prediction) -> None:
        """Counts a prediction."""
        self.found += 1
        if prediction.error is not None or prediction.label is None:
            self.errors[prediction.error or "no label"] += 1
            return
        self.predicted[prediction.label] += 1
        if prediction.true_label is None:
            self.unlabelled += 1
        elif prediction.true_label in self._index:
            self._matrix[self._index[prediction.true_label], self._index[prediction.label]] += 1
        else:
            self.unknown[prediction.true_label] += 1

    @property
    def unreadable(self) -> int:
        """Images that could not be read."""
        return self.errors.total()

    @property
    def scored(self) -> int:
        """Images whose label is one of the model's classes."""
        return int(self._matrix.sum())

    @property
    def figures(self) -> ClassFigures | None:
        """Accuracy, and precision, recall and F1 of each class, of the images that are scored; None where none is."""
        return class_figures(self._matrix) if self.scored else None
