"""Labels and probabilities to the figures that say how good a classifier is: accuracy, top-k, macro, AUC, losses."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from keras_ext.class_figures import ClassFigures, figures_of_counts

FIGURES: Final = (
    "accuracy",
    "top_k_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "macro_auc",
    "log_loss",
    "calibration_error",
)
CLASS_FIGURES: Final = ("precision", "recall", "f1", "auc", "top_k_accuracy", "log_loss")
LOWER_IS_BETTER: Final = ("log_loss", "calibration_error")

_MANY_CLASSES = 5
_BINS = 15
_SMALLEST = 1e-7  # Keras's epsilon: a probability of 0 would be an infinite loss


def classification_figures(labels: Any, probabilities: Any, top_k: int | None = None) -> dict[str, float]:
    """Returns all figures, by the names in `FIGURES`.

    - `accuracy`: share of the images whose most probable class is theirs; of equal probabilities the first counts.
    - `top_k_accuracy`: share of the images whose class is among the k most probable ones.
    - `macro_precision`, `macro_recall`, `macro_f1`: means over the classes that have images; see `class_figures`.
    - `macro_auc`: mean over the classes of the area under the ROC curve of the class against all others, exact.
    - `log_loss`: mean of -ln(probability of the image's class), which is taken as 1e-7 at least, as Keras does.
    - `calibration_error`: how far confidence is from accuracy; see `calibration_error`.

    A figure that cannot be is NaN: the AUC where all images are of one class, the top-k accuracy of few classes without
    `top_k`, and everything where a probability is not finite.

    Args:
      labels: Class indices, `(images,)`.
      probabilities: One for each class, `(images, classes)`, float.
      top_k: The k of `top_k_accuracy`, below the number of classes. By default 5 where there are more than 5 classes.

    Raises:
      ValueError: There are no images, shapes do not fit, a label is no class, or `top_k` is not below the number of
        classes.

    Example:

    >>> figures = classification_figures([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> figures["macro_recall"], round(figures["accuracy"], 4)
    (0.75, 0.6667)
    """
    judged = JudgedImages.of(labels, probabilities, top_k)
    return {**judged.figures(), "macro_auc": judged.macro_auc(), "calibration_error": judged.calibration_error()}


@dataclass(frozen=True)
class JudgedImages:
    """What there is to know of each image, once; make it with `of`.

    Attributes:
      labels: The class of each image, int64 `(images,)`.
      probabilities: Float `(images, classes)`.
      taken: The class it was taken for, int64 `(images,)`.
      ranks: How many classes are more probable than its own, int64 `(images,)`.
      losses: -ln(probability of its class), float64 `(images,)`.
      top_k: The k of `top_k_accuracy`, or None.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    taken: np.ndarray
    ranks: np.ndarray
    losses: np.ndarray
    top_k: int | None

    @classmethod
    def of(cls, labels: Any, probabilities: Any, top_k: int | None = None) -> "JudgedImages":
        """Takes arguments of `classification_figures`."""
        labels, probabilities = _checked(labels, probabilities)
        own = np.take_along_axis(probabilities, labels[:, None], axis=1)
        before = np.arange(probabilities.shape[1]) < labels[:, None]
        ranks = np.sum((probabilities > own) | ((probabilities == own) & before), axis=1)
        losses = -np.log(np.maximum(own[:, 0].astype(np.float64), _SMALLEST))
        return cls(labels, probabilities, probabilities.argmax(axis=1), ranks, losses, _top_k(top_k, probabilities))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.probabilities.shape[1]

    @functools.cached_property
    def is_finite(self) -> np.ndarray:
        """Whether all probabilities of an image are finite, bool `(images,)`."""
        return np.isfinite(self.probabilities).all(axis=1)

    @functools.cached_property
    def are_finite(self) -> bool:
        """Whether all probabilities of all images are finite."""
        return bool(self.is_finite.all())

    def subset(self, chosen: np.ndarray) -> "JudgedImages":
        """Returns some of the images: a mask or indices."""
        arrays = ("labels", "probabilities", "taken", "ranks", "losses")
        return dataclasses.replace(self, **{name: getattr(self, name)[chosen] for name in arrays})

    def class_figures(self, weights: np.ndarray | None = None) -> ClassFigures:
        """Returns precision, recall and F1 of each class; `weights` `(images,)` count images."""
        counted = np.ones(len(self)) if weights is None else weights
        support = np.bincount(self.labels, counted, self.classes)
        taken = np.bincount(self.taken, counted, self.classes)
        hits = np.bincount(self.labels, counted * (self.taken == self.labels), self.classes)
        return figures_of_counts(hits, support, taken)

    def figures(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Returns those of `FIGURES` that are quick to count again with other weights: all but AUC and calibration."""
        if not self.are_finite:
            return {name: np.nan for name in FIGURES if name not in ("macro_auc", "calibration_error")}
        of_classes = self.class_figures(weights)
        in_top = self.ranks < self.top_k if self.top_k else np.full(len(self), np.nan)
        return {
            "accuracy": of_classes.accuracy,
            "top_k_accuracy": float(np.average(in_top, weights=weights)),
            "macro_precision": of_classes.macro_precision,
            "macro_recall": of_classes.macro_recall,
            "macro_f1": of_classes.macro_f1,
            "log_loss": float(np.average(self.losses, weights=weights)),
        }

    def macro_auc(self) -> float:
        """Returns the mean of `aucs`."""
        aucs = self.aucs()
        return float(np.mean(list(aucs.values()))) if aucs else np.nan

    def aucs(self) -> dict[int, float]:
        """Returns class index to area under the ROC curve, for the classes that only some images are of."""
        if not self.are_finite:
            return {}
        present = np.flatnonzero(np.bincount(self.labels, minlength=self.classes))
        if len(present) == 1:
            return {}
        return {int(index): _auc(self.labels == index, self.probabilities[:, index]) for index in present}

    def calibration_error(self) -> float:
        """Returns the `calibration_error` of these images."""
        return calibration_error(self.labels, self.probabilities)


def calibration_error(labels: Any, probabilities: Any, bins: int = _BINS) -> float:
    """Returns the expected calibration error: the mean distance between confidence and accuracy.

    Images are put into `bins` intervals of equal width, (0, 1/bins], (1/bins, 2/bins], ..., by the probability of the
    class that they are taken for. The error is the mean over the images of |accuracy - mean probability| of their bin:
    0 where of the images taken for something with 80 % confidence 80 % are.

    Args:
      labels: Class indices, `(images,)`.
      probabilities: One for each class, `(images, classes)`, float.
      bins: Number of intervals.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3, with its 15 bins.
    """
    labels, probabilities = _checked(labels, probabilities)
    if not np.isfinite(probabilities).all():
        return np.nan
    confidence = probabilities.max(axis=1).astype(np.float64)
    hits = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(place, hits - confidence, bins)).sum() / len(labels))


def _auc(of_class: np.ndarray, scores: np.ndarray) -> float:
    """Share of the pairs of an image of the class and another one that scores put in order, ties counting half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = int(of_class.sum())
    pairs = positive * (len(scores) - positive)
    return float((ranks[of_class].sum() - positive * (positive + 1) / 2) / pairs)


def _top_k(top_k: int | None, probabilities: np.ndarray) -> int | None:
    classes = probabilities.shape[1]
    if top_k is None:
        return _MANY_CLASSES if classes > _MANY_CLASSES else None
    return check_top_k(top_k, classes)


def check_top_k(top_k: int, classes: int) -> int:
    """Returns `top_k` where it means something.

    Raises:
      ValueError: It is not between 1 and the number of classes, excluded: the right class is always among all.
    """
    if not 1 <= top_k < classes:
        raise ValueError(f"top_k must be at least 1 and below the number of classes, {classes}. Received: {top_k}.")
    return top_k


def _checked(labels: Sequence[int] | np.ndarray, probabilities: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            "labels must be class indices (images,) and probabilities (images, classes), of one image at least. "
            f"Received: shapes {labels.shape} and {probabilities.shape}."
        )
    is_index = np.issubdtype(labels.dtype, np.integer)
    if not is_index or labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(
            f"labels must be integers from 0 to {probabilities.shape[1] - 1}. "
            f"Received: {labels.dtype} from {labels.min()} to {labels.max()}."
        )
    return labels.astype(np.int64), probabilities
