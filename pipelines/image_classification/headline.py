"""The last lines of a run: the figures with their intervals, and the slices that do worst."""

import math
from collections.abc import Iterator

from keras_ext.bootstrap import wilson_interval
from keras_ext.evaluation_result import EvaluationResult, Figure
from keras_ext.image_listing import one_line
from tfx_components.evaluator import Judgement

_WORST_SLICES = 3
_SENTENCES = 5
_UNSET = "set thresholds"  # how the sentence on chance ends, by which models are judged that have no threshold
_EXAMPLE = " (such as `--set evaluation.min_accuracy=0.5`)"


def headline(judgement: Judgement) -> str:
    """Returns accuracy and macro recall, such as 'Accuracy on test 0.4575 [0.431, 0.484], ... (1,234 images)'."""
    result = judgement.result
    groups = f" of {result.units:,} groups" if result.units < result.images else ""
    accuracy, recall = (_with_interval(result.figures[name]) for name in ("accuracy", "macro_recall"))
    return f"Accuracy on {judgement.split} {accuracy}, macro recall {recall} ({result.images:,} images{groups})"


def further_lines(judgement: Judgement) -> Iterator[str]:
    """Yields the other figures, the change against the last blessed model, and the slices of lowest accuracy."""
    result = judgement.result
    names = {
        f"top-{result.top_k} accuracy": "top_k_accuracy",
        "macro F1": "macro_f1",
        "macro AUC": "macro_auc",
        "log loss": "log_loss",
        "calibration error": "calibration_error",
    }
    shown = {name: result.figures[figure] for name, figure in names.items()}
    said = [f"{name} {_with_interval(figure)}" for name, figure in shown.items() if not math.isnan(figure.value)]
    if said:
        yield ", ".join(said)
    if result.change:
        change = result.change["accuracy"]
        yield (
            f"against the last blessed model: accuracy {change.value:+.4f} [{change.low:+.3f}, {change.high:+.3f}], "
            f"macro recall {result.change['macro_recall'].value:+.4f}"
        )
    worst = _worst_slices(result)
    if worst:
        yield f"Worst slices: {', '.join(worst)}"


def why_not_blessed(judgement: Judgement) -> str:
    """Returns the first failures, and how many more there are."""
    more = len(judgement.failures) - _SENTENCES
    rest = [f"and {more:,} more, see evaluation.json"] if more > 0 else []
    said = [one + _EXAMPLE if one.endswith(_UNSET) else one for one in judgement.failures[:_SENTENCES]]
    return "; ".join([*said, *rest])


def _worst_slices(result: EvaluationResult) -> list[str]:
    """Sorts by the accuracy that a slice has at best: of few images, no right one says little."""
    rows = [
        (wilson_interval(row["accuracy"], row["images"])[1], f"{column}={value}", row)
        for column, rows in result.slices.items()
        for value, row in rows.items()
        if not math.isnan(row["accuracy"])
    ]
    worst = sorted(rows, key=lambda row: row[:2])[:_WORST_SLICES]
    return [f"{one_line(name)} accuracy {row['accuracy']:.4f} ({row['images']:,} images)" for _, name, row in worst]


def _with_interval(figure: Figure) -> str:
    interval = "" if math.isnan(figure.low) else f" [{figure.low:.3f}, {figure.high:.3f}]"
    return f"{figure.value:.4f}{interval}"
