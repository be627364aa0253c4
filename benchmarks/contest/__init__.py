"""Contests: each contestant in a process of its own, measured in alternated rounds.

A process of its own gives each contestant its own thread pools, memory and garbage, and pins it to the same core;
importing and compiling lie before the first round. While one runs, the others wait on their standard input. Rounds
alternate, so that whatever else the machine does meets all alike, and medians are compared.
"""

import contextlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_LEAST_SECONDS = 0.5
Pass = Callable[[], int]


class Absent(Exception):
    """A contestant's library is not installed."""


@dataclass(frozen=True)
class Round:
    """What one contestant did in one round."""

    images: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def images_per_cpu_second(self) -> float:
        """The figure that is compared: it does not depend on who else runs."""
        return self.images / self.cpu_seconds

    @property
    def images_per_second(self) -> float:
        """By the clock on the wall, for several cores."""
        return self.images / self.wall_seconds


def measure(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Round] | str]:
    """Runs one process for each command, in alternated rounds.

    Returns:
      The rounds of each contestant, or why it is absent.
    """
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(_worker(command)) for name, command in commands.items()}
        results: dict[str, list[Round] | str] = {}
        for name, worker in workers.items():
            results[name] = json.loads(_answer(name, worker))["absent"] or []
        for _ in range(rounds):
            for name, worker in workers.items():
                measured = results[name]
                if isinstance(measured, list):
                    print("go", file=worker.stdin, flush=True)
                    measured.append(Round(**json.loads(_answer(name, worker))))
    return results


def serve(prepare: Callable[[], Pass], cores: int) -> None:
    """Is a contestant: prepares, passes once to warm up, then passes through its images whenever it is told to."""
    os.environ.update(
        TF_NUM_INTRAOP_THREADS=str(cores), TF_NUM_INTEROP_THREADS=str(cores), OMP_NUM_THREADS=str(cores),
        TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="",
    )  # fmt: skip
    if hasattr(os, "sched_setaffinity"):  # not on macOS
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print to standard output
    try:
        one_pass = prepare()
    except Absent as absent:
        print(json.dumps({"absent": str(absent)}), file=answers, flush=True)
        return
    one_pass()
    print(json.dumps({"absent": None}), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(vars(_timed(one_pass))), file=answers, flush=True)


def _timed(one_pass: Pass) -> Round:
    images, cpu, wall = 0, _cpu_seconds(), time.perf_counter()
    while time.perf_counter() - wall < _LEAST_SECONDS:
        images += one_pass()
    return Round(images, _cpu_seconds() - cpu, time.perf_counter() - wall)


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def linked(images: str, directory: Path, count: int) -> str:
    """Returns a folder of at least `count` images, each there several times, by links: a pass is as long as an epoch.

    To start an iterator costs `tf.data` a tenth of a second, and its tuning takes seconds to find how many calls to run
    side by side: over 320 photos or 1,024 small images, that would be most of what is measured.
    """
    paths = sorted(Path(images).glob("*/*.jpg"))
    for path in paths:
        folder = directory / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        copy = shutil.copyfile(path, folder / f"{path.stem}_0.jpg")  # hard links need the same disk
        for number in range(1, -(-count // len(paths))):
            os.link(copy, folder / f"{path.stem}_{number}.jpg")
    return str(directory)


@contextlib.contextmanager
def _worker(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with tempfile.TemporaryFile("w+") as log:
        worker = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield worker
        except EOFError as error:
            log.seek(0)
            raise RuntimeError(f"{error} failed:\n{log.read()[-2000:]}") from None
        finally:
            worker.kill()
            worker.communicate()


def _answer(name: str, worker: subprocess.Popen[str]) -> str:
    line = worker.stdout.readline() if worker.stdout else ""
    if not line:
        raise EOFError(name)
    return line


def print_stack(packages: Sequence[str]) -> None:
    """Prints the versions and the machine that figures belong to."""
    found = []
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    print(f"Python {platform.python_version()}, {', '.join(found)}; {_processor()}, {os.cpu_count()} logical cores")


def print_table(title: str, results: Mapping[str, list[Round] | str], rival: str, wall: bool = False) -> None:
    """Prints a Markdown table of medians, their spread, and the ratio to `rival`.

    Rounds of one turn meet the same machine, so that their ratios vary less than the speeds: their median is shown. By
    the clock, whoever shares the machine takes whole rounds away, and the fastest ones are compared.
    """
    unit = "images/s" if wall else "images/CPU-s"
    print(f"\n{title}\n\n| | {unit} | lowest – highest | × {rival} |\n|---|---:|---:|---:|")
    speeds = {
        name: [one.images_per_second if wall else one.images_per_cpu_second for one in rounds]
        for name, rounds in results.items()
        if isinstance(rounds, list)
    }
    for name, rounds in results.items():
        if isinstance(rounds, str):
            print(f"| {name} | {rounds} | | |")
            continue
        median = statistics.median(speeds[name])
        ratios = [own / other for own, other in zip(speeds[name], speeds[rival], strict=True)]
        ratio = max(speeds[name]) / max(speeds[rival]) if wall else statistics.median(ratios)
        print(f"| {name} | {median:,.0f} | {min(speeds[name]):,.0f} – {max(speeds[name]):,.0f} | {ratio:.2f} |")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
