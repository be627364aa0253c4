"""What can go wrong on the way: nothing half is ever taken for whole, and nothing is lost without a word."""

import csv
import os
import subprocess
import sys

import pytest

from tfx_components.directory_example_gen import split_ratios

TRAIN = split_ratios({"train": 1})

# Runs ingest and what reads it; kills itself at the given call of the given function, as nothing else can.
_RUN = """
import os, signal, sys
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx_components import DirectoryExampleGen, artifacts
from tfx_components.directory_example_gen import executor, facts_files, shard_files

images, root, place, call, strategy = sys.argv[1:]
owner, name = {
    "write": (shard_files.ShardFiles, "write"),
    "finish": (shard_files.ShardFiles, "__exit__"),
    "facts": (facts_files.FactsFile, "close"),
    "report": (artifacts, "write_json"),
    "publish": (executor.Executor, "Do"),
    "nowhere": (executor.Executor, "no such thing"),
}[place]
calls = iter(range(1, 1000))
original = getattr(owner, name, None)

def killed(*arguments, **named):
    last = next(calls) == int(call)
    if last and place != "publish":
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*arguments, **named)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

if original is not None:
    setattr(owner, name, killed)
ingest = DirectoryExampleGen(images, shard_size=10, split=strategy)
LocalDagRunner().run(
    pipeline.Pipeline(
        "ingest",
        root,
        components=[ingest, StatisticsGen(ingest.outputs["examples"])],
        metadata_connection_config=metadata.sqlite_metadata_connection_config(os.path.join(root, "metadata.sqlite")),
        enable_cache=True,
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
    )
)
"""


def run(images, root, place, call=1, strategy="hash"):
    root.mkdir(exist_ok=True)
    command = [sys.executable, "-c", _RUN, str(images), str(root), place, str(call), strategy]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def live_examples(root):
    """The Examples that the store of metadata takes for finished."""
    from ml_metadata.proto import metadata_store_pb2
    from tfx.orchestration import metadata

    with metadata.Metadata(metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))) as store:
        artifacts = store.store.get_artifacts_by_type("Examples")
    return [artifact.uri for artifact in artifacts if artifact.state == metadata_store_pb2.Artifact.LIVE]


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy, points",
    [
        ("hash", [("write", 25), ("finish", 3), ("facts", 2), ("report", 1), ("publish", 1)]),
        ("stratified", [("facts", 3), ("write", 1)]),
    ],
)
def test_killed_at_any_moment_the_next_run_completes(tmp_path, make_image_folder, strategy, points):
    images, root = make_image_folder({"a": 40, "b": 40}), tmp_path / "pipeline"
    for place, call in points:
        assert run(images, root, place, call, strategy).returncode == -9
        assert live_examples(root) == []
    finished = run(images, root, "nowhere", strategy=strategy)
    assert finished.returncode == 0, finished.stderr[-3000:]
    [uri] = live_examples(root)
    import tensorflow as tf

    shards = [os.path.join(folder, name) for folder, _, names in os.walk(uri) for name in names]
    assert sum(1 for _ in tf.data.TFRecordDataset(shards)) == 80
    assert not any(".unfinished" in path for path in shards)


def test_full_disk_leaves_no_shard(make_image_folder, ingest, monkeypatch, tmp_path):
    def full(self, split, example):
        if self._name.endswith("00002"):
            raise OSError(28, "No space left on device")
        write(self, split, example)

    from tfx_components.directory_example_gen.shard_files import ShardFiles

    write = ShardFiles.write
    monkeypatch.setattr(ShardFiles, "write", full)
    with pytest.raises(Exception, match="No space left on device"):
        ingest(make_image_folder({"a": 16, "b": 16}), shard_size=8, output_config=TRAIN)
    assert not list(tmp_path.rglob("report.json"))
    assert not list(tmp_path.rglob("Split-train/*-00002*"))


def test_unreadable_folder_is_named(make_image_folder, monkeypatch, ingest):
    folder = make_image_folder({"a": 6, "b": 6})
    scandir = os.scandir

    def refused(path):
        if os.fspath(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr("keras_ext.local_folder.os.scandir", refused)
    with pytest.raises((OSError, ValueError), match="ermission denied.*/b|/b.*ermission denied"):
        ingest(folder)


def test_unreadable_file_is_a_row(make_image_folder, ingest, monkeypatch):
    folder, opened = make_image_folder({"a": 20, "b": 20}), os.open

    def refused(path, *arguments, **named):
        if str(path).endswith("a/0000.png"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *arguments, **named)

    monkeypatch.setattr("keras_ext.local_folder.os.open", refused)
    ingested = ingest(folder, output_config=TRAIN)
    assert list(csv.reader(ingested.rejected.splitlines())) == [
        ["path", "reason"],
        ["a/0000.png", "permission denied"],
    ]
    assert ingested.report["found"] == ingested.report["written"] + 1 == 40


def test_folder_that_grows_between_listing_and_reading_is_named(make_image_folder, make_image, ingest, monkeypatch):
    """The driver's fingerprint belongs to the cache key: what is written under it must be what was listed."""
    from tfx_components.directory_example_gen import executor

    folder = make_image_folder({"a": 6, "b": 6})
    monkeypatch.setattr(executor.Executor, "_log_startup", lambda self, inputs, outputs, properties: grow(properties))

    def grow(properties):
        properties["input_fingerprint"] = executor.read_index(
            *(getattr(executor.IngestOptions.of(properties), name) for name in _READ_INDEX)
        ).fingerprint
        (folder / "a" / "new.png").write_bytes(make_image("a", 99))

    with pytest.raises(RuntimeError, match="changed while it was being read. Run again when it is at rest"):
        ingest(folder)


_READ_INDEX = ("input_base", "input_config", "settings", "folders")


def test_folder_that_grows_while_it_is_read_counts_as_it_was_listed(make_image_folder, make_image, ingest, monkeypatch):
    from tfx_components.directory_example_gen.shard_files import ShardFiles

    folder = make_image_folder({"a": 6, "b": 6})

    def write_and_grow(self, split, example):
        (folder / "a" / "new.png").write_bytes(make_image("a", 99))
        write(self, split, example)

    write = ShardFiles.write
    monkeypatch.setattr(ShardFiles, "write", write_and_grow)
    report = ingest(folder, output_config=TRAIN).report
    assert (report["found"], report["written"]) == (12, 12)
