"""How fast image files become examples, beside what else there is; see README.md beside this file."""

import argparse
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augmentation import synthetic_images
from contest import Absent, Pass, measure, print_stack, print_table, serve

PACKAGES = ("tfx", "apache-beam", "tensorflow", "pillow", "numpy", "simplejpeg")
COPIES = 20  # of each photo: start-up must not count
SMALL = (10_000, 60_000)
LISTED = 100_000
IN_MEMORY = "/dev/shm"  # noqa: S108 - a folder of its own is made there


def pillow(directory: str) -> Pass:
    from PIL import Image

    def decode(path: str) -> None:
        with open(path, "rb") as file:
            Image.open(file).load()

    return each(directory, decode)


def tensorflow(directory: str) -> Pass:
    import tensorflow as tf

    return each(directory, lambda path: tf.io.decode_jpeg(Path(path).read_bytes(), channels=3))


def simplejpeg(directory: str) -> Pass:
    try:
        import simplejpeg
    except ImportError:
        raise Absent("not installed; see benchmarks/README.md") from None
    return each(directory, lambda path: simplejpeg.decode_jpeg(Path(path).read_bytes()))


def each(directory: str, do: Callable[[str], Any]) -> Pass:
    paths = sorted(str(path) for path in Path(directory).glob("*/*.jpg"))[::COPIES]

    def one_pass() -> int:
        for path in paths:
            do(path)
        return len(paths)

    return one_pass


def ours(directory: str, **arguments: Any) -> Pass:
    from tfx.types import standard_artifacts

    from tfx_components import DirectoryExampleGen, artifacts
    from tfx_components.directory_example_gen.executor import Executor

    component = DirectoryExampleGen(directory, **arguments)
    kinds = {
        "examples": standard_artifacts.Examples,
        "report": artifacts.IngestReport,
        "class_names": artifacts.ClassNames,
    }
    images = sum(1 for _ in Path(directory).glob("*/*"))
    return lambda: executed(Executor, component, kinds) * images


def headers(directory: str) -> Pass:
    return ours(directory, verify="header")


def without_checks(directory: str) -> Pass:
    return ours(directory, image_checks=False)


def stratified(directory: str) -> Pass:
    return ours(directory, split="stratified")


def file_based(directory: str) -> Pass:
    """What people write: FileBasedExampleGen with an executor that reads files by Beam's fileio, and checks nothing."""
    import apache_beam as beam
    import tensorflow as tf
    from apache_beam.io import fileio
    from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
    from tfx.components.example_gen.component import FileBasedExampleGen
    from tfx.dsl.components.base import executor_spec
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts

    def example(file: fileio.ReadableFile) -> tf.train.Example:
        def text(value: bytes) -> tf.train.Feature:
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

        path = file.metadata.path
        label = os.path.basename(os.path.dirname(path))
        feature = {"image": text(file.read()), "name": text(path.encode()), "label": text(label.encode())}
        return tf.train.Example(features=tf.train.Features(feature=feature))

    @beam.ptransform_fn
    def examples(pipeline: Any, exec_properties: dict[str, Any], split_pattern: str) -> Any:
        pattern = os.path.join(exec_properties["input_base"], split_pattern)
        return pipeline | fileio.MatchFiles(pattern) | fileio.ReadMatches() | beam.Map(example)

    class FileExecutor(BaseExampleGenExecutor):
        def GetInputSourceToExamplePTransform(self) -> Any:  # noqa: N802
            return examples

    buckets = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=count)
        for name, count in (("train", 8), ("eval", 1), ("test", 1))
    ]
    component = FileBasedExampleGen(
        directory,
        input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern="*/*")]),
        output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=buckets)),
        custom_executor_spec=executor_spec.BeamExecutorSpec(FileExecutor),
    )
    images = sum(1 for _ in Path(directory).glob("*/*"))
    return lambda: executed(FileExecutor, component, {"examples": standard_artifacts.Examples}) * images


def executed(executor: Any, component: Any, kinds: dict[str, Any]) -> int:
    """Runs an executor alone, in memory where the machine allows it."""
    from apache_beam import Pipeline
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

    context = BaseBeamExecutor.Context(make_beam_pipeline_fn=lambda: Pipeline(argv=["--runner=FnApiRunner"]))
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if os.path.isdir(IN_MEMORY) else None) as directory:
        outputs = {key: kind() for key, kind in kinds.items()}
        for key, artifact in outputs.items():
            artifact.uri = os.path.join(directory, key)
            os.mkdir(artifact.uri)
        properties = dict(component.exec_properties)
        executor(context).Do({}, {key: [artifact] for key, artifact in outputs.items()}, properties)
    return 1


LIMIT = "read and decode, nothing else: TensorFlow"
CONTESTANTS: dict[str, Callable[[str], Pass]] = {
    LIMIT: tensorflow,
    "read and decode: Pillow": pillow,
    "read and decode: simplejpeg": simplejpeg,
    "DirectoryExampleGen": ours,
    'DirectoryExampleGen, split="stratified"': stratified,
    "DirectoryExampleGen, image_checks=False": without_checks,
    'DirectoryExampleGen, verify="header"': headers,
    "FileBasedExampleGen with fileio, checks nothing": file_based,
}


def small_files(options: argparse.Namespace, directory: Path) -> None:
    """Prints time and memory of tens of thousands of small files, each number in a process of its own."""
    print("\n32 × 32 files, two cores, one ingest after start-up\n")
    print("| images | seconds | CPU seconds | peak memory, MB |\n|---:|---:|---:|---:|")
    for count in SMALL:
        folder = linked(options.small, directory / f"small{count}", count)
        measured = [worker("small", folder) for _ in range(options.rounds)]
        seconds, cpu, memory = (statistics.median(one[name] for one in measured) for name in ("wall", "cpu", "memory"))
        print(f"| {count:,} | {seconds:.1f} | {cpu:.1f} | {memory:,.0f} |")


def listing(options: argparse.Namespace, directory: Path) -> None:
    folder = directory / "listed"
    for name in range(20):
        (folder / f"class_{name}").mkdir(parents=True)
        for number in range(LISTED // 20):
            (folder / f"class_{name}" / f"{number}.jpg").touch()
    measured = [worker("listing", str(folder)) for _ in range(options.rounds)]
    seconds, cpu = (statistics.median(one[name] for one in measured) for name in ("wall", "cpu"))
    print(f"\nListing and fingerprinting {LISTED:,} files: {seconds:.2f} seconds, {cpu:.2f} CPU seconds")


def worker(task: str, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--photos", folder, "--worker", task]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    return dict(json.loads(answer.splitlines()[-1]))


def do_small(directory: str) -> None:
    report(ours(directory))


def do_listing(directory: str) -> None:
    from keras_ext.image_input import read_images

    report(lambda: len(read_images(directory).records))


def report(one_pass: Pass) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    one_pass()
    # Kilobytes, but bytes on macOS.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if platform.system() == "Darwin" else 1 << 10
    )
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": memory}))


def linked(source: str, target: Path, count: int) -> str:
    """Makes a folder of `count` files out of fewer, as links where that is possible."""
    paths = sorted(path for path in Path(source).glob("*/*") if path.is_file())
    for number in range(count):
        path = paths[number % len(paths)]
        copy = target / path.parent.name / f"{number:06}{path.suffix}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, copy)
        except OSError:  # another file system
            shutil.copyfile(path, copy)
    return str(target)


def main() -> None:
    options = arguments()
    if options.worker in CONTESTANTS:
        serve(lambda: CONTESTANTS[options.worker](options.photos), 1)
    elif options.worker:
        {"small": do_small, "listing": do_listing}[options.worker](options.photos)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    print_stack(PACKAGES)
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        photos = options.photos or synthetic_images(directory / "made", count=320, height=375, width=500)
        options.small = options.small or synthetic_images(directory / "tiny", count=2_000, height=32, width=32)
        if "photos" in options.contests:
            count = COPIES * sum(1 for _ in Path(photos).glob("*/*"))
            folder = linked(photos, directory / "photos", count)
            commands = {name: [__file__, "--photos", folder, "--worker", name] for name in CONTESTANTS}
            title = f"{count:,} photos, mean {mean_size(folder) / 1000:.0f} kB, to examples, one core"
            print_table(title, measure(commands, options.rounds), LIMIT)
        if "small" in options.contests:
            small_files(options, directory)
        if "listing" in options.contests:
            listing(options, directory)


def mean_size(directory: str) -> float:
    return statistics.fmean(path.stat().st_size for path in Path(directory).glob("*/*"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", metavar="DIR", help="<class>/<name>.jpg; by default synthetic ones of 500 × 375")
    parser.add_argument("--small", metavar="DIR", help="the same, 32 × 32 pixels")
    parser.add_argument("--rounds", type=int, default=5)
    names = ("photos", "small", "listing")
    parser.add_argument("--contests", nargs="+", choices=names, default=list(names))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
