"""`keras-ext predict`: one row for each image, by an exported model; needs TensorFlow, and no TFX."""

import argparse
import math
import os
import sys
import warnings
from collections.abc import Iterable

from rich.console import Console
from rich.progress import track
from rich.table import Table

from keras_ext.class_figures import ClassFigures
from keras_ext.image_input import InputSettings
from keras_ext.image_listing import one_line
from keras_ext.prediction_input import read_images_to_classify, with_labels_of
from keras_ext.prediction_summary import PredictionSummary
from keras_ext.prediction_table import Prediction, PredictionTable, check_output, write_predictions
from pipelines.config import read_config
from pipelines.image_classification.config import Config
from pipelines.reading import open_elsewhere, shown_progress
from pipelines.wording import counted

_BROKEN_PIPE = 141  # as a shell says of programs that end by it
_MOST_CLASSES = 20
_MOST_REASONS = 8


def main(options: argparse.Namespace) -> int:
    """Writes or prints the table and sums it up; returns 1 where no image could be read."""
    for module in (r"PIL\.", r"google\."):  # what is damaged is told by the name of the file
        warnings.filterwarnings("ignore", module=module)
    if options.output is not None:
        check_output(options.output, options.overwrite)
        if os.path.realpath(options.output) in map(os.path.realpath, options.images):
            raise ValueError(f"The output must not be one of the inputs. Received: '{options.output}' as both.")
    config = read_config(Config, options.config, options.set, images=tuple(options.images), output="")
    settings = InputSettings(**config.ingest.reading)
    with shown_progress():
        index = read_images_to_classify(options.images, settings, open_elsewhere)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from keras_ext.prediction import Classifier  # takes seconds, which a wrong path need not wait for

    classifier = Classifier(options.model)
    if os.path.realpath(classifier.path) != os.path.realpath(options.model):
        print(f"Model: {classifier.path}", file=sys.stderr)
    index = with_labels_of(index, classifier.class_names)
    table = PredictionTable(classifier.class_names, bool(index.class_names), options.top, options.all)
    summary = PredictionSummary(classifier.class_names)
    predictions = classifier.predict(
        index,
        settings,
        batch_size=options.batch_size,
        augmentation=config.augmentation.layers,
        rounds=options.rounds,
        seed=config.train.seed,
    )
    _write(options.output, _tracked(summary.counted(predictions), index.found), table)
    # Standard output holds the table alone, where it goes there.
    console = Console(stderr=options.output is None, markup=False, highlight=False)
    for warning in index.warnings:
        console.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
    _print_summary(console, summary)
    if options.output is not None:
        console.print(f"Predictions: {os.path.relpath(options.output)}", style="bold", soft_wrap=True)
    return int(summary.unreadable == summary.found)


def _tracked(predictions: Iterable[Prediction], total: int) -> Iterable[Prediction]:
    console = Console(stderr=True)
    return track(predictions, "Classifying", total, console=console, transient=True, disable=not console.is_terminal)


def _write(output: str | None, predictions: Iterable[Prediction], table: PredictionTable) -> None:
    if output is not None:
        write_predictions(output, predictions, table)
        return
    try:
        sys.stdout.writelines(table.csv_lines(predictions))
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough. Python writes what is left as it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_BROKEN_PIPE) from None


def _print_summary(console: Console, summary: PredictionSummary) -> None:
    console.print(_class_table(summary))
    figures = summary.figures
    if figures is not None:
        console.print(
            f"Accuracy {figures.accuracy:.4f}, macro recall {figures.macro_recall:.4f} "
            f"({summary.scored:,} images with a class of the model)",
            style="bold",
        )
    if summary.unknown:
        named = ", ".join(f"{one_line(name)} {count:,}" for name, count in summary.unknown.most_common(_MOST_REASONS))
        more = ", ..." if len(summary.unknown) > _MOST_REASONS else ""
        console.print(
            f"Warning: {summary.unknown.total():,} images have a label that is no class of the model, and do not count "
            f"for accuracy: {named}{more}.",
            style="yellow",
            soft_wrap=True,
        )
    for reason, count in summary.errors.most_common(_MOST_REASONS):
        console.print(f"{count:,} cannot be read: {one_line(reason)}", style="red", soft_wrap=True)
    console.print(
        f"Found {counted(summary.found, 'image')}: {summary.found - summary.unreadable:,} classified, "
        f"{summary.unreadable:,} cannot be read.",
        style="bold",
    )


def _class_table(summary: PredictionSummary) -> Table:
    """How many were taken for each class and, where labels are known, how right that was; lowest recall first."""
    figures = summary.figures
    order = sorted(range(len(summary.class_names)), key=lambda one: _rank(summary, figures, one))
    table = Table("class", box=None)
    for column in ("predicted", "images", "precision", "recall") if figures else ("predicted",):
        table.add_column(column, justify="right")
    for one in order[:_MOST_CLASSES]:
        cells = [f"{summary.predicted[summary.class_names[one]]:,}"]
        if figures is not None:
            cells += [f"{figures.support[one]:,.0f}", *map(_share, (figures.precision[one], figures.recall[one]))]
        table.add_row(one_line(summary.class_names[one]), *cells)
    if len(order) > _MOST_CLASSES:
        table.add_row(f"... and {len(order) - _MOST_CLASSES:,} more")
    return table


def _rank(summary: PredictionSummary, figures: ClassFigures | None, one: int) -> float:
    if figures is None:
        return -summary.predicted[summary.class_names[one]]
    return float(figures.recall[one]) if figures.support[one] else math.inf


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
