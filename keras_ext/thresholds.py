"""What a model must reach to be blessed: the rules, and what it fails by."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from keras_ext.choices import check_choice
from keras_ext.classification_figures import CLASS_FIGURES, FIGURES, LOWER_IS_BETTER
from keras_ext.evaluation_result import CLASS, EvaluationResult
from keras_ext.image_listing import listed, one_line

_ROUNDING: Final = 1e-9
_UNLIMITED: Final = ("log_loss",)


@dataclass(frozen=True)
class Thresholds:
    """The rules by which a model is judged.

    A threshold is the least that a figure may be, and the most that `log_loss` and `calibration_error` may be. A figure
    that cannot be, such as the AUC where all images are of one class, does not reach any threshold.

    Args:
      overall: Names in `keras_ext.classification_figures.FIGURES` to thresholds on the whole split. None asks that the
        model is better than chance: that the interval of `macro_recall` lies above 1 / classes, which is what naming
        one class, or any at random, comes to, however common that class is.
      slices: Slices to figures to thresholds. 'class' means each class and 'class=cat' one of them, with the figures in
        `CLASS_FIGURES`; 'camera' each value of that column and 'camera=night' one, with those in `FIGURES`.
      tolerance: How much lower accuracy may be than that of the model it is compared with.
      columns: What there are slices of, beside 'class'.

    Raises:
      ValueError: There is no such figure or slice; the nearest is named. A threshold is out of range.

    Example:

    >>> Thresholds({"accuracy": 0.8}, {"class": {"recall": 0.5}}, columns=()).tolerance
    0.01
    """

    overall: Mapping[str, float] | None = None
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tolerance: float = 0.01
    columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check("thresholds", self.overall or {}, FIGURES)
        for name, thresholds in self.slices.items():
            column, _ = self._slice(name)
            _check(f"slice_thresholds.{name}", thresholds, CLASS_FIGURES if column == CLASS else FIGURES)

    def failures(self, result: EvaluationResult) -> list[str]:
        """Returns one sentence for each rule that the model breaks."""
        if result.not_finite:
            return [
                f"probabilities of {len(result.not_finite):,} of {result.images:,} images are not finite, such as "
                f"{listed(result.not_finite, limit=3)}: no figure means anything. Training diverged: lower its rate"
            ]
        return [*self._overall(result), *self._slices(result), *self._worse(result)]

    def _overall(self, result: EvaluationResult) -> Iterator[str]:
        if self.overall is None:
            yield from _no_better_than_chance(result)
        values = {name: figure.value for name, figure in result.figures.items()}
        yield from _broken(self.overall or {}, {**values, "images": result.images})

    def _slices(self, result: EvaluationResult) -> Iterator[str]:
        for name, thresholds in self.slices.items():
            column, wanted = self._slice(name)
            rows = result.classes if column == CLASS else result.slices[column]
            if wanted is not None and wanted not in rows:
                yield f"no image of {one_line(name)} was scored, so its thresholds cannot hold; found: {listed(rows)}"
                continue
            for value in rows if wanted is None else [wanted]:
                yield from _broken(thresholds, rows[value], f"{column}={value}")

    def _worse(self, result: EvaluationResult) -> Iterator[str]:
        if "accuracy" not in result.change:
            return
        change = result.change["accuracy"]
        # A model that is worse by just the tolerance passes, whatever the last digit of a float says.
        if change.value < -self.tolerance - _ROUNDING:
            yield (
                f"accuracy is {-change.value:.4f} [{-change.high:.4f}, {-change.low:.4f}] lower than the last blessed "
                f"model's; the tolerance is {self.tolerance:g}"
            )

    def _slice(self, name: str) -> tuple[str, str | None]:
        """Returns column and value of a slice such as 'camera=night', None for all values."""
        known = (CLASS, *self.columns)
        if name in known:
            return name, None
        # Column names may hold an equals sign.
        column = max((one for one in known if name.startswith(f"{one}=")), key=len, default=None)
        if column is None:
            return check_choice("slice_thresholds", name.partition("=")[0], known), None
        return column, name[len(column) + 1 :]


def _check(where: str, thresholds: Mapping[str, float], figures: Iterable[str]) -> None:
    for name, threshold in thresholds.items():
        check_choice(where, name, figures)
        if not 0 <= threshold < math.inf or (threshold > 1 and name not in _UNLIMITED):
            limits = "at least 0" if name in _UNLIMITED else "in [0, 1]"
            raise ValueError(f"{where}.{name} must be {limits}. Received: {threshold!r}.")


def _broken(thresholds: Mapping[str, float], figures: Mapping[str, float], where: str = "") -> Iterator[str]:
    place = f" of {one_line(where)} ({figures['images']:,} images)" if where else ""
    for name, threshold in thresholds.items():
        value = figures[name]
        over = value - threshold if name in LOWER_IS_BETTER else threshold - value
        if math.isnan(value):
            yield f"{name}{place} has no value, so its threshold cannot hold: {_why(name)}"
        elif over > _ROUNDING:
            side = "above" if name in LOWER_IS_BETTER else "below"
            yield f"{name}{place} {value:.4f} is {side} its threshold {threshold:g} by {over:.4f}"


def _why(name: str) -> str:
    if name == "top_k_accuracy":
        return "there are 5 classes or fewer, and top_k is not set"
    return "there are only images of one class"


def _no_better_than_chance(result: EvaluationResult) -> Iterator[str]:
    figure, classes = result.figures["macro_recall"], round(1 / result.chance)
    if classes == 1:
        yield "only images of one class were scored, which any model can name"
    elif not figure.low > result.chance:
        yield (
            f"macro recall {figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}] of {result.images:,} images is "
            f"not certainly better than chance, {result.chance:.4g} for {classes} classes; train longer, score more "
            "images, or set thresholds"
        )
