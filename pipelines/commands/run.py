"""`keras-ext run`: the whole image classification pipeline over a folder of images."""

import argparse
import dataclasses
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from keras_ext import features
from keras_ext.atomic_file import atomic_file
from pipelines.config import read_config, to_toml
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import input_paths, resolve
from pipelines.interrupt import remembered_interrupt
from pipelines.output_directory import check_apart, output_directory
from pipelines.terminal import Terminal, terminal
from pipelines.wording import counted

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

    from pipelines.runners import ComponentRun

NOT_BLESSED = 3
INTERRUPTED = 130
_LOG = "run.log"
_REJECTED = "rejected.csv"
_EVALUATION = "evaluation.json"
_PREDICTIONS = "predictions.csv"
_CACHE = {True: "cached", False: "ran", None: "-"}


def main(options: argparse.Namespace) -> int:
    """Runs the pipeline; returns the exit code of `pipelines.cli.main`."""
    if importlib.util.find_spec("tfx") is None:  # known at once, and not after the images are read
        raise ModuleNotFoundError(name="tfx")
    config = read_config(Config, options.config, options.set, images=input_paths(options.images), output=options.output)
    if not config.ingest.manifest:  # which says what is read
        check_apart(config.output, config.images)
    config = resolve(config)
    return _dry_run(config) if options.dry_run else _run(config)


def _dry_run(config: Config) -> int:
    # What the libraries say while they load is not what was asked for.
    with terminal(Path(os.devnull)) as shown, tempfile.TemporaryDirectory() as elsewhere:
        shown.start("Loading TFX")
        # TFX makes the folder of the metadata as soon as it is named.
        pipeline = _checked_pipeline(dataclasses.replace(config, output=elsewhere))
        # What is printed can be kept as a file for --config.
        images = config.images if isinstance(config.images, str) else ", ".join(config.images)
        shown.print(f"# images: {images}\n# output: {config.output}\n")
        shown.print(to_toml(config, leave_out=("images", "output")))
        for component in pipeline.components:
            upstream = ", ".join(sorted(node.id for node in component.upstream_nodes))
            shown.print(f"# {component.id:<20} {'<- ' + upstream if upstream else ''}".rstrip())
    return 0


def _run(config: Config) -> int:
    log = Path(config.output) / _LOG
    with output_directory(config.output, config.images):
        with terminal(log) as shown:
            try:
                return _run_pipeline(config, shown)
            except KeyboardInterrupt:
                failure = "interrupted. Run the same command again: it goes on after what is finished."
                code = INTERRUPTED
            except Exception as error:
                logging.getLogger(__name__).exception("The run failed")
                failure = f"{error}{_keep_rejected(error, Path(config.output))}\nLog: {os.path.relpath(log)}"
                code = 1
        print(f"keras-ext: {failure}", file=sys.stderr)
        return code


def _keep_rejected(error: Exception, output: Path) -> str:
    """Keeps the table of rejected files of an ingest that failed over them, whose outputs TFX removes."""
    table = getattr(error.__cause__, "rejected_table", None)
    if table is None:
        return ""
    file = output / _REJECTED
    with atomic_file(file) as unfinished:
        Path(unfinished).write_text(table, encoding="utf-8", newline="")
    return f" All of them: {os.path.relpath(file)}"


def _checked_pipeline(config: Config) -> "Pipeline":
    from pipelines.image_classification import create_pipeline
    from pipelines.image_classification.check import check_model

    pipeline = create_pipeline(config)
    check_model(config)
    return pipeline


def _run_pipeline(config: Config, shown: Terminal) -> int:
    shown.start("Loading TFX")
    # Beam and absl parse the command line of the process; ours is none of theirs.
    sys.argv = sys.argv[:1]
    pipeline = _checked_pipeline(config)
    from pipelines.image_classification import summary
    from pipelines.runners import LocalRunner

    def finish(component: "ComponentRun") -> None:
        check_interrupt()
        cache = _CACHE[component.cached]
        shown.print(_row(component.name, f"{component.seconds:.1f}", cache, summary.produced(component)))
        if component.name == "DirectoryExampleGen":
            _copy_whole(summary.rejected_file(component), Path(config.output) / _REJECTED)
        if component.name == "Evaluator":
            _copy_whole(summary.evaluation_file(component), Path(config.output) / _EVALUATION)
        if component.name == "BulkPredictions":
            _copy_whole(summary.predictions_file(component), Path(config.output) / _PREDICTIONS)

    shown.print(_row("component", "seconds", "cache", "produced"), style="bold")
    runner = LocalRunner(config.beam.arguments, on_start=shown.start, on_finish=finish)
    with remembered_interrupt() as check_interrupt:
        components = {component.name: component for component in runner.run(pipeline)}
    return _conclude(config, components, shown)


def _row(name: str, seconds: str, cache: str, produced: str) -> str:
    return f"{name:<20} {seconds:>8}  {cache:<7} {produced}"


def _copy_whole(source: str | None, target: Path) -> None:
    """Puts a copy in the place of an earlier run's file; without a source, that is removed."""
    if source is None:
        target.unlink(missing_ok=True)
        return
    with atomic_file(target) as unfinished:
        shutil.copy(source, unfinished)


def _conclude(config: Config, components: Mapping[str, "ComponentRun"], shown: Terminal) -> int:
    from pipelines.image_classification import headline, summary

    ingest = components["DirectoryExampleGen"]
    report = summary.ingest_report(ingest)
    judgement = summary.judgement_of(components["Evaluator"])
    shown.print(summary.class_table(components, config.imbalance))
    for warning in report["warnings"]:
        shown.print(f"Warning: {warning}", style="yellow")
    if report["rejected"]:
        shown.print(
            f"Rejected {counted(report['rejected'], 'file')}: {os.path.relpath(os.path.join(config.output, _REJECTED))}"
        )
    if features.TEST not in report["splits"]:
        shown.print("Warning: There is no test split, so eval is scored, which also chose the weights.", style="yellow")
    shown.print(headline.headline(judgement), style="bold")
    for line in headline.further_lines(judgement):
        shown.print(line)
    path = summary.pushed_path(components["Pusher"])
    if path is None:
        shown.print(f"Not blessed: {headline.why_not_blessed(judgement)}.", style="red")
        return NOT_BLESSED
    shown.print(f"Model: {os.path.relpath(path)}", style="bold")
    if config.predict.images:
        shown.print(f"Predictions: {os.path.relpath(os.path.join(config.output, _PREDICTIONS))}", style="bold")
    return 0
