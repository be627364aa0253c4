"""What the evaluation tells apart and asks for: all that can be wrong with it is said before anything runs."""

import dataclasses
from typing import Any

from keras_ext.choices import check_choice
from keras_ext.classification_figures import check_top_k
from keras_ext.directory_index import DirectoryIndex
from keras_ext.evaluation_result import CLASS, GROUP
from keras_ext.thresholds import Thresholds
from pipelines.image_classification.config import Evaluation, Ingest

_ONE_CLASS = f"{CLASS}="
_FEW_CLASSES = 5


def resolve_evaluation(evaluation: Evaluation, ingest: Ingest, index: DirectoryIndex) -> Evaluation:
    """Returns the settings with the slices named.

    Raises:
      ValueError: A slice that the images do not have, a threshold on it, or a top-k of too few classes.
    """
    known = (CLASS, GROUP, *ingest.extra_columns)
    if evaluation.slices is None:
        slices = tuple(name for name in ingest.extra_columns if _has_values(name, index))
    else:
        slices = tuple(check_choice("evaluation.slices", name, known) for name in evaluation.slices if name != CLASS)
    for name in slices:
        _check_slice(name, index)
    evaluation = dataclasses.replace(evaluation, slices=slices)
    _check_thresholds(evaluation, index)
    return evaluation


def evaluator_arguments(evaluation: Evaluation) -> dict[str, Any]:
    """Returns the arguments of `tfx_components.Evaluator` that resolved settings mean."""
    return {
        "split": evaluation.split,
        "slices": evaluation.slices,
        "top_k": evaluation.top_k,
        "thresholds": evaluation.all_thresholds,
        "slice_thresholds": evaluation.slice_thresholds,
        "tolerance": evaluation.tolerance,
    }


def _check_slice(name: str, index: DirectoryIndex) -> None:
    if name == GROUP and not any(record.group for record in index.records):
        raise ValueError(
            "evaluation.slices names 'group', but the images have none: a manifest or a pattern gives them."
        )
    if name != GROUP and not _has_values(name, index):
        raise ValueError(f"evaluation.slices names {name!r}, but that column is empty in all rows.")


def _has_values(column: str, index: DirectoryIndex) -> bool:
    return any(column in dict(record.columns) for record in index.records)


def _check_thresholds(evaluation: Evaluation, index: DirectoryIndex) -> None:
    try:
        Thresholds(evaluation.all_thresholds, evaluation.slice_thresholds, columns=evaluation.slices or ())
        if evaluation.top_k is not None:
            check_top_k(evaluation.top_k, len(index.class_names))
    except ValueError as error:
        raise ValueError(f"evaluation: {error}") from None
    for name, thresholds in evaluation.slice_thresholds.items():
        if name.startswith(_ONE_CLASS):
            check_choice("The class of evaluation.slice_thresholds", name.removeprefix(_ONE_CLASS), index.class_names)
        _check_top_k_threshold(thresholds, evaluation, index)
    _check_top_k_threshold(evaluation.thresholds, evaluation, index)


def _check_top_k_threshold(thresholds: dict[str, float], evaluation: Evaluation, index: DirectoryIndex) -> None:
    if "top_k_accuracy" in thresholds and evaluation.top_k is None and len(index.class_names) <= _FEW_CLASSES:
        raise ValueError(
            f"A threshold on top_k_accuracy needs evaluation.top_k: it is 5 by default, and there are "
            f"{len(index.class_names)} classes."
        )
