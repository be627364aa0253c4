"""Predictions of a split to everything that is said of them: figures with intervals, classes, slices."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from keras_ext.bootstrap import bootstrap_intervals, unit_numbers, wilson_interval
from keras_ext.classification_figures import JudgedImages
from keras_ext.image_listing import listed
from keras_ext.slice_values import NO_VALUE, slice_order, slice_values

GROUP: Final = "group"
CLASS: Final = "class"

_SHARES = ("accuracy", "top_k_accuracy", "macro_precision", "macro_recall", "macro_f1")
_WIDTH = 2 * 1.96  # of an interval that holds 95 % of a normal distribution, in standard deviations


class Figure(NamedTuple):
    """A figure and the interval it lies in; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Predictions:
    """What a model says of labelled images, one entry an image.

    Attributes:
      labels: Class indices, `(images,)`.
      probabilities: One for each class, float `(images, classes)`.
      files: Names of the images, for messages; () numbers them.
      groups: What images of are alike (a patient, a scene), "" where there is none; () where there are no groups.
      columns: Further columns by name, such as the camera, "" where there is no value.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    files: Sequence[str] = ()
    groups: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found; make it with `evaluate_predictions`.

    Attributes:
      images: The number of images.
      units: The number of groups, where they are given, and images without one: what is independent.
      figures: The names in `keras_ext.classification_figures.FIGURES` to value and interval.
      classes: Class name to "images" and the figures in `CLASS_FIGURES`, for each class with images.
      slices: Column to its values, to "images" and the figures in `FIGURES`.
      chance: Macro recall of one who does not look: 1 / the number of classes with images.
      top_k: The k of `top_k_accuracy`, or None where there is none.
      not_finite: Files with a probability that is not finite; nothing can be said then.
      change: Figures less those of the model it is compared with, on the same images; {} without one.
    """

    images: int
    units: int
    figures: dict[str, Figure]
    classes: dict[str, dict[str, float]]
    slices: dict[str, dict[str, dict[str, float]]]
    chance: float
    top_k: int | None
    not_finite: tuple[str, ...] = ()
    change: dict[str, Figure] = field(default_factory=dict)


def evaluate_predictions(
    predictions: Predictions,
    class_names: Sequence[str],
    *,
    baseline: np.ndarray | None = None,
    slices: Iterable[str] = (),
    top_k: int | None = None,
    seed: int = 0,
) -> EvaluationResult:
    """Returns the figures of a model's predictions, overall, of each class and of slices.

    Intervals hold 95 % of 1,000 bootstrap resamples of the images, or of their groups. Those of shares are never
    narrower than Wilson's for as many independent images: six right ones of six do not say that all are right.

    Args:
      predictions: The predictions.
      class_names: The name of each class, in the order of the class indices.
      baseline: Probabilities of another model for the same images, or None.
      slices: Columns whose values make a slice each, or "group". A column that holds more than ten different values,
        all of them numbers, is cut at its quartiles.
      top_k: See `classification_figures`.
      seed: Fixes the resamples.

    Raises:
      ValueError: Shapes do not fit, or there is no such column.

    Example:

    >>> predictions = Predictions(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]))
    >>> result = evaluate_predictions(predictions, ["cat", "dog"])
    >>> result.figures["macro_recall"].value, result.classes["cat"]["recall"]
    (0.75, 0.5)
    """
    judged = JudgedImages.of(predictions.labels, predictions.probabilities, top_k)
    units = unit_numbers(predictions.groups or None, len(judged))
    other = None if baseline is None else JudgedImages.of(predictions.labels, baseline, top_k)
    figures, change = _with_intervals(judged, other, units, seed)
    return EvaluationResult(
        images=len(judged),
        units=int(units.max()) + 1,
        figures={
            **figures,
            "macro_auc": Figure(judged.macro_auc()),
            "calibration_error": Figure(judged.calibration_error()),
        },
        classes=_classes(judged, class_names),
        slices={name: _slices(judged, _column(predictions, name)) for name in slices},
        chance=1 / len(np.unique(judged.labels)),
        top_k=judged.top_k,
        not_finite=_not_finite(judged, predictions.files),
        change=change,
    )


def _column(predictions: Predictions, name: str) -> list[str]:
    if name == GROUP and predictions.groups:
        return [group or NO_VALUE for group in predictions.groups]
    if name not in predictions.columns:
        known = [*([GROUP] if predictions.groups else []), *predictions.columns]
        raise ValueError(f"There is no column {name!r} to slice by. Found: {listed(known) or 'none'}.")
    return slice_values(predictions.columns[name])


def _with_intervals(
    judged: JudgedImages, other: JudgedImages | None, units: np.ndarray, seed: int
) -> tuple[dict[str, Figure], dict[str, Figure]]:
    """Returns figures, and their changes against another model, both from the same resamples."""
    if not judged.are_finite:
        return {name: Figure(value) for name, value in judged.figures().items()}, {}
    other = other if other is not None and other.are_finite else None

    def both(times: np.ndarray | None) -> dict[str, float]:
        figures = judged.figures(times)
        before = other.figures(times) if other else {}
        return {**figures, **{f"-{name}": figures[name] - value for name, value in before.items()}}

    values = both(None)
    intervals = bootstrap_intervals(both, len(judged), units.tolist(), seed=seed)
    figures = {name: Figure(values[name], *intervals[name]) for name in values}
    change = {name[1:]: figures.pop(name) for name in list(figures) if name.startswith("-")}
    return {name: _widened(name, figure, judged, units) for name, figure in figures.items()}, change


def _widened(name: str, figure: Figure, judged: JudgedImages, units: np.ndarray) -> Figure:
    """Widens the interval of a share to Wilson's; a bootstrap cannot show what it has never drawn."""
    if name not in _SHARES or math.isnan(figure.value):
        return figure
    strata = judged.labels if name.startswith("macro") else np.zeros_like(judged.labels)
    least, most = _trials(strata, units), _trials(strata, np.arange(len(judged)))
    # How alike the images of a group are shows in how the resamples vary: not at all, or as if they were one image.
    variance = ((figure.high - figure.low) / _WIDTH) ** 2
    trials = figure.value * (1 - figure.value) / variance if variance else least
    low, high = wilson_interval(figure.value, min(max(trials, least), most))
    return Figure(figure.value, min(low, figure.low), max(high, figure.high))


def _trials(strata: np.ndarray, units: np.ndarray) -> float:
    """A mean over classes varies as one over as many images of each class as the harmonic mean of their numbers."""
    counts = [len(np.unique(units[strata == index])) for index in np.unique(strata)]
    return len(counts) / float(np.mean(1 / np.array(counts)))


def _classes(judged: JudgedImages, class_names: Sequence[str]) -> dict[str, dict[str, float]]:
    of_classes, aucs = judged.class_figures(), judged.aucs()
    finite = judged.are_finite
    rows = {}
    for index in np.unique(judged.labels):
        subset = judged.subset(judged.labels == index)
        own = subset.figures()
        figures = {name: float(getattr(of_classes, name)[index]) for name in ("precision", "recall", "f1")}
        shown: dict[str, float] = figures if finite else dict.fromkeys(figures, math.nan)
        rest = {"auc": aucs.get(int(index), math.nan), **{name: own[name] for name in ("top_k_accuracy", "log_loss")}}
        rows[class_names[index]] = {"images": len(subset), **shown, **rest}
    return rows


def _slices(judged: JudgedImages, values: Sequence[str]) -> dict[str, dict[str, float]]:
    rows_of: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        rows_of.setdefault(value, []).append(row)
    return {value: _slice(judged.subset(np.array(rows_of[value]))) for value in sorted(rows_of, key=slice_order)}


def _slice(judged: JudgedImages) -> dict[str, Any]:
    figures = {**judged.figures(), "macro_auc": judged.macro_auc(), "calibration_error": judged.calibration_error()}
    return {"images": len(judged), **figures}


def _not_finite(judged: JudgedImages, files: Sequence[str]) -> tuple[str, ...]:
    rows = np.flatnonzero(~judged.is_finite)
    return tuple(files[row] if files else str(row) for row in rows)
