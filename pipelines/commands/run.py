"""`keras-ext run`: the whole image classification pipeline over a folder of images."""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from keras_ext import features
from pipelines.config import read_config, to_toml
from pipelines.image_classification.config import Config
from pipelines.image_classification.resolve import resolve
from pipelines.output_directory import output_directory
from pipelines.terminal import Terminal, terminal

if TYPE_CHECKING:
    from pipelines.image_classification.evaluation import Verdict
    from pipelines.runners import ComponentRun

NOT_BLESSED = 3
INTERRUPTED = 130
_LOG = "run.log"
_CACHE = {True: "cached", False: "ran", None: "-"}


def main(options: argparse.Namespace) -> int:
    """Runs the pipeline; returns the exit code of `pipelines.cli.main`."""
    config = read_config(Config, options.config, options.set, images=options.images, output=options.output)
    config = resolve(config)
    return _dry_run(config) if options.dry_run else _run(config)


def _dry_run(config: Config) -> int:
    from pipelines.image_classification import create_pipeline

    print(to_toml(config))
    for component in create_pipeline(config).components:
        upstream = ", ".join(sorted(node.id for node in component.upstream_nodes))
        print(f"{component.id:<20} {'<- ' + upstream if upstream else ''}".rstrip())
    return 0


def _run(config: Config) -> int:
    log = Path(config.output) / _LOG
    with output_directory(config.output, config.images):
        with terminal(log) as shown:
            try:
                return _run_pipeline(config, shown)
            except KeyboardInterrupt:
                failure, code = (
                    "interrupted. Run the same command again: it goes on after what is finished.",
                    INTERRUPTED,
                )
            except Exception as error:
                logging.getLogger(__name__).exception("The run failed")
                failure, code = f"{error}\nLog: {os.path.relpath(log)}", 1
        print(f"keras-ext: {failure}", file=sys.stderr)
        return code


def _run_pipeline(config: Config, shown: Terminal) -> int:
    shown.start("Loading TFX")
    # Beam and absl parse the command line of the process; ours is none of theirs.
    sys.argv = sys.argv[:1]
    from pipelines.image_classification import create_pipeline, summary
    from pipelines.runners import LocalRunner

    def finish(component: "ComponentRun") -> None:
        shown.print(
            _row(component.name, f"{component.seconds:.1f}", _CACHE[component.cached], summary.produced(component))
        )

    shown.print(_row("component", "seconds", "cache", "produced"), style="bold")
    runner = LocalRunner(config.beam.arguments, on_start=shown.start, on_finish=finish)
    components = {component.name: component for component in runner.run(create_pipeline(config))}
    return _conclude(config, components, shown)


def _row(name: str, seconds: str, cache: str, produced: str) -> str:
    return f"{name:<20} {seconds:>8}  {cache:<7} {produced}"


def _conclude(config: Config, components: Mapping[str, "ComponentRun"], shown: Terminal) -> int:
    from pipelines.image_classification import summary

    ingest = components["DirectoryExampleGen"]
    report = summary.ingest_report(ingest)
    rejected_file = shutil.copy(summary.rejected_file(ingest), config.output)
    verdict = summary.verdict_of(components)
    shown.print(_recall_table(verdict, report["splits"]["train"]))
    for warning in report["warnings"]:
        shown.print(f"Warning: {warning}", style="yellow")
    if report["rejected"]:
        shown.print(f"Rejected {report['rejected']:,} files: {os.path.relpath(rejected_file)}")
    split = config.evaluation.split
    if features.TEST not in report["splits"]:
        shown.print("Warning: There is no test split, so eval is scored, which also chose the weights.", style="yellow")
    shown.print(
        f"Accuracy on {split} {verdict.accuracy:.4f}, macro recall {verdict.macro_recall:.4f} "
        f"({verdict.images:,} images)",
        style="bold",
    )
    path = summary.pushed_path(components["Pusher"])
    if path is None:
        shown.print(f"Not blessed: {'; '.join(verdict.failures)}.", style="red")
        return NOT_BLESSED
    shown.print(f"Model: {os.path.relpath(path)}", style="bold")
    return 0


def _recall_table(verdict: "Verdict", train_counts: Mapping[str, int]) -> Table:
    table = Table("class", title_justify="left", box=None)
    table.add_column("train images", justify="right")
    table.add_column("recall", justify="right")
    for name, recall in verdict.recall.items():
        table.add_row(name, f"{train_counts.get(name, 0):,}", f"{recall:.4f}")
    return table
