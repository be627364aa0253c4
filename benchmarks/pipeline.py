"""How long a whole run takes, beside the same pipeline of stock TFX components; see README.md beside this file."""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from contest import print_stack
from PIL import Image

PACKAGES = ("tfx", "apache-beam", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis")
CONTESTS = {"small": (100, 1), "large": (10_000, 3)}  # images, epochs
CLASSES = 5
SIDE = 32
OURS, STOCK = "keras-ext run", "stock TFX"
STOCK_NAMES = {"FileBasedExampleGen": "DirectoryExampleGen"}
# A row of the table that `keras-ext run` prints: component, seconds, cache.
ROW = re.compile(r"^(\w+) +(\d+\.\d) +(?:ran|-)")


@dataclass(frozen=True)
class Run:
    """One run in a process of its own, from its start to its end."""

    seconds: float
    cpu_seconds: float
    components: dict[str, float]


def ours(images: str, output: str, epochs: int) -> Run:
    settings = ["image.size=[32, 32]", f"train.epochs={epochs}", f"train.patience={epochs}", *UNGATED]
    options = [text for setting in settings for text in ("--set", setting)]
    seconds, cpu, output = timed(["-m", "pipelines.cli", "run", images, "--output", output, *options])
    rows = filter(None, map(ROW.match, output.splitlines()))
    return Run(seconds, cpu, {row[1]: float(row[2]) for row in rows})


# The comparison is of time: every model is blessed and pushed.
UNGATED = ("evaluation.min_accuracy=0",)


def stock(images: str, output: str, epochs: int) -> Run:
    script = str(Path(__file__).parent / "stock" / "pipeline.py")
    seconds, cpu, output = timed([script, images, output, str(epochs)])
    components = json.loads(output.splitlines()[-1])
    return Run(seconds, cpu, {STOCK_NAMES.get(name, name): value for name, value in components.items()})


def timed(command: Sequence[str]) -> tuple[float, float, str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    start, cpu = time.perf_counter(), children_cpu_seconds()
    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")
    return time.perf_counter() - start, children_cpu_seconds() - cpu, result.stdout


def children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compare(images: str, epochs: int, rounds: int) -> dict[str, list[Run]]:
    """Runs both in turn, each time from nothing."""
    runs: dict[str, list[Run]] = {OURS: [], STOCK: []}
    for _ in range(rounds):
        for name, run in ((OURS, ours), (STOCK, stock)):
            with tempfile.TemporaryDirectory() as output:
                runs[name].append(run(images, os.path.join(output, "run"), epochs))
    return runs


def print_runs(title: str, runs: dict[str, list[Run]]) -> None:
    """Prints a Markdown table of medians, and what ours is of the stock pipeline's."""
    median = {
        name: {
            **{
                component: statistics.median(run.components[component] for run in some)
                for component in some[0].components
            },
            "whole process": statistics.median(run.seconds for run in some),
            "CPU seconds": statistics.median(run.cpu_seconds for run in some),
        }
        for name, some in runs.items()
    }
    for seconds in median.values():
        parts = sum(value for name, value in seconds.items() if name not in ("whole process", "CPU seconds"))
        seconds["imports and the rest"] = seconds["whole process"] - parts
    last = ("imports and the rest", "whole process", "CPU seconds")
    names = [name for name in dict.fromkeys([*median[OURS], *median[STOCK]]) if name not in last]
    print(f"\n{title}\n\n| seconds | {OURS} | {STOCK} | ratio |\n|---|---:|---:|---:|")
    for name in (*names, *last):
        one, other = median[OURS].get(name), median[STOCK].get(name)
        ratio = f"{one / other:.2f}" if one is not None and other and name in last[1:] else ""
        print(f"| {name} | {figure(one)} | {figure(other)} | {ratio} |")


def figure(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"


def make_images(directory: Path, count: int) -> str:
    """Tiny images whose class shows in their colour."""
    random = np.random.default_rng(0)
    for number in range(count):
        label = number % CLASSES
        pixels = random.normal(40 + 40 * label, 40, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
        folder = directory / f"class_{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:05}.png")
    return str(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contests", nargs="+", choices=CONTESTS, default=list(CONTESTS))
    options = parser.parse_args()
    print_stack(PACKAGES)
    for contest in options.contests:
        count, epochs = CONTESTS[contest]
        directory = Path(tempfile.mkdtemp())
        try:
            images = make_images(directory / "images", count)
            runs = compare(images, epochs, options.rounds)
        finally:
            shutil.rmtree(directory)
        print_runs(f"{count:,} images of {SIDE} × {SIDE}, {epochs} epoch{'s'[: epochs - 1]}", runs)


if __name__ == "__main__":
    main()
