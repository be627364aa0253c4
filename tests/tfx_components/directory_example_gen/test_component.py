import builtins
import os

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_artifacts
from tfx.utils import io_utils
from tfx_bsl.tfxio import dataset_options

from keras_ext import features
from tfx_components import DirectoryExampleGen, artifacts

STATES = metadata_store_pb2.Execution


class Launched:
    """Pipelines of ingest, and what follows it, that share one store of metadata."""

    def __init__(self, root):
        self.root = root
        self.connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))

    def run(self, folder, *following, beam=None, **arguments) -> str:
        """Runs ingest and what follows; returns the state of ingest's execution."""
        ingest = DirectoryExampleGen(folder, **arguments)
        if beam:
            ingest.with_beam_pipeline_args(beam)
        components = [ingest, *(make(ingest.outputs["examples"]) for make in following)]
        LocalDagRunner().run(
            pipeline.Pipeline(
                "ingest",
                str(self.root),
                components=components,
                metadata_connection_config=self.connection,
                enable_cache=True,
                # An image of workers, which no local runner uses, spares TFX from building a wheel of itself for them.
                beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
            )
        )
        with metadata.Metadata(self.connection) as store:
            executions = store.store.get_executions_by_type(DirectoryExampleGen.__module__ + ".DirectoryExampleGen")
            return STATES.State.Name(executions[-1].last_known_state)

    def latest(self, kind):
        with metadata.Metadata(self.connection) as store:
            return store.store.get_artifacts_by_type(kind.TYPE_NAME)[-1]


@pytest.fixture
def launched(tmp_path):
    return Launched(tmp_path / "pipeline")


def test_cache_sees_every_change_of_the_folder_and_nothing_else(launched, make_image_folder):
    folder = make_image_folder({"a": 40, "b": 40})
    assert launched.run(folder) == "COMPLETE"
    assert launched.run(folder) == "CACHED"
    (folder / ".hidden").write_text("")
    (folder / "notes.txt").write_text("")
    assert launched.run(folder) == "CACHED"
    (folder / "a" / "0003.jpg").rename(folder / "b" / "moved.jpg")
    assert launched.run(folder) == "COMPLETE"
    report = artifacts.read_json(launched.latest(artifacts.IngestReport).uri, artifacts.REPORT_FILE)
    assert {name: sum(counts[name] for counts in report["splits"].values()) for name in "ab"} == {"a": 39, "b": 41}
    os.utime(folder / "a" / "0004.png", ns=(1, 1))
    assert launched.run(folder) == "COMPLETE"
    assert launched.run(folder, max_rejected=0.2) == "COMPLETE"
    assert launched.run(folder, max_rejected=0.2) == "CACHED"


def test_stock_components_read_the_examples(launched, make_image_folder):
    from tfx.components.trainer import fn_args_utils
    from tfx.types.artifact_utils import deserialize_artifact

    folder = make_image_folder({"a": 40, "b": 40})
    launched.run(folder, StatisticsGen, beam=["--direct_running_mode=multi_threading", "--direct_num_workers=2"])
    statistics = launched.latest(standard_artifacts.ExampleStatistics)
    assert {"Split-train", "Split-eval", "Split-test"} <= set(os.listdir(statistics.uri))
    stored = launched.latest(standard_artifacts.Examples)
    assert stored.custom_properties["span"].int_value == 0
    assert len(stored.custom_properties["input_fingerprint"].string_value) == 64
    with metadata.Metadata(launched.connection) as store:
        [kind] = store.store.get_artifact_types_by_id([stored.type_id])
    examples = deserialize_artifact(kind, stored)
    accessor = fn_args_utils.get_common_fn_args(
        {"examples": [examples]}, {"train_args": "{}", "eval_args": "{}"}
    ).data_accessor
    pattern = [io_utils.all_files_pattern(os.path.join(stored.uri, "Split-train"))]
    batches = accessor.record_batch_factory(
        pattern, dataset_options.RecordBatchesOptions(batch_size=8, num_epochs=1), None
    )
    texts = [text for batch in batches for [text] in batch.column(features.CLASS_TEXT).to_pylist()]
    assert set(texts) == {b"a", b"b"}
    assert len(texts) == sum(
        artifacts.read_json(launched.latest(artifacts.IngestReport).uri, "report.json")["splits"]["train"].values()
    )


def test_named_splits_and_spans(launched, make_image_folder):
    folder = make_image_folder(
        {f"day-{day}": {"training_set": {"a": 9, "b": 9}, "test_set": {"a": 2, "b": 2}} for day in (1, 2)}
    )
    patterns = {"train": "day-{SPAN}/training_set/*", "test": "day-{SPAN}/test_set/*"}
    splits = [example_gen_pb2.Input.Split(name=name, pattern=pattern) for name, pattern in patterns.items()]
    output = example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(splits=[{"name": "train", "hash_buckets": 1}])
    )
    launched.run(folder, input_config=example_gen_pb2.Input(splits=splits), output_config=output)
    assert launched.latest(standard_artifacts.Examples).custom_properties["span"].int_value == 2
    first = range_config_pb2.StaticRange(start_span_number=1, end_span_number=1)
    launched.run(
        folder,
        input_config=example_gen_pb2.Input(splits=splits),
        output_config=output,
        range_config=range_config_pb2.RangeConfig(static_range=first),
    )
    assert launched.latest(standard_artifacts.Examples).custom_properties["span"].int_value == 1
    report = artifacts.read_json(launched.latest(artifacts.IngestReport).uri, artifacts.REPORT_FILE)
    assert report["splits"] == {"train": {"a": 9, "b": 9}, "test": {"a": 2, "b": 2}}


def test_notebook(make_image_folder, tmp_path, monkeypatch):
    from tfx.orchestration.experimental.interactive.interactive_context import InteractiveContext

    monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)
    context = InteractiveContext(pipeline_root=str(tmp_path / "notebook"))
    ingest = DirectoryExampleGen(make_image_folder({"a": 40, "b": 40}))
    context.run(ingest, beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"])
    [examples], [report] = (ingest.outputs[key].get() for key in ("examples", "report"))
    assert examples.split_names == '["train", "eval", "test"]'
    assert len(examples.get_string_custom_property("input_fingerprint")) == 64
    assert artifacts.read_json(report.uri, artifacts.REPORT_FILE)["found"] == 80


def test_bad_folder_is_an_error_that_says_why(launched, tmp_path):
    with pytest.raises(ValueError, match="No such directory"):
        launched.run(tmp_path / "nothing")


def test_failed_run_leaves_no_artifact_and_the_next_one_succeeds(launched, make_image_folder):
    folder = make_image_folder({"a": 40, "b": 40})
    for number in range(20):
        (folder / "a" / f"bad{number}.png").write_bytes(b"")
    with pytest.raises(Exception, match="20 of 100 image files cannot be used"):
        launched.run(folder)
    with metadata.Metadata(launched.connection) as store:
        live = [x for x in store.store.get_artifacts() if x.state == metadata_store_pb2.Artifact.LIVE]
    assert not live
    assert launched.run(folder, max_rejected=0.2) == "COMPLETE"


def test_folder_that_changes_between_driver_and_executor(launched, make_image_folder, monkeypatch):
    from tfx_components.directory_example_gen import executor

    folder = make_image_folder({"a": 8, "b": 8})

    def change_then_read(*arguments):
        (folder / "a" / "0000.png").unlink(missing_ok=True)
        return read_index(*arguments)

    read_index = executor.read_index
    monkeypatch.setattr(executor, "read_index", change_then_read)
    with pytest.raises(RuntimeError, match="changed while it was being read"):
        launched.run(folder)


@pytest.mark.parametrize(
    "arguments, error, match",
    [
        ({"classes": "cats"}, TypeError, "classes must be a list of class names"),
        ({"max_rejected": 10}, ValueError, r"max_rejected must be a share in \[0, 1\]"),
        ({"max_rejected": float("nan")}, ValueError, "max_rejected must be a share"),
        ({"shard_size": 0}, ValueError, "shard_size must be a positive integer"),
        ({"verify": "decoded"}, ValueError, "Did you mean 'decode'"),
        ({"range_config": range_config_pb2.RangeConfig()}, ValueError, "range_config needs a pattern"),
    ],
)
def test_arguments_are_checked_at_construction(arguments, error, match):
    with pytest.raises(error, match=match):
        DirectoryExampleGen("images", **arguments)


def test_code_version_is_part_of_the_cache_key():
    from tfx_components.code_version import code_version

    assert DirectoryExampleGen("images").exec_properties["code_version"] == code_version()
