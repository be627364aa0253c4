"""The component, run by TFX's own runner beside stock components."""

import json

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from keras_ext import features
from tfx_components.artifacts import ClassNames, write_json
from tfx_components.class_weights import ClassWeights

NAMES = ["cat", "größe", "dog"]
COUNTS = {"train": (6, 3, 1), "eval": (1, 1, 9)}
EXAMPLES = types.Channel(type=standard_artifacts.Examples)
STATISTICS = types.Channel(type=standard_artifacts.ExampleStatistics)


@pytest.fixture
def root(tmp_path):
    for split, counts in COUNTS.items():
        (tmp_path / "examples" / f"Split-{split}").mkdir(parents=True)
        with tf.io.TFRecordWriter(str(tmp_path / "examples" / f"Split-{split}" / "data")) as writer:
            for label, count in enumerate(counts):
                example = tf.train.Example()
                example.features.feature[features.CLASS_LABEL].int64_list.value.append(label)
                example.features.feature[features.CLASS_TEXT].bytes_list.value.append(NAMES[label].encode())
                for _ in range(count):
                    writer.write(example.SerializeToString())
    write_json(str(tmp_path / "names"), "class_names.json", NAMES)
    return tmp_path


def run(root, source="examples", **options):
    """Runs it on the examples or on the statistics of them; returns the content of its artifact."""
    examples = Importer(
        source_uri=str(root / "examples"),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["train", "eval"]'},
    ).with_id("examples")
    names = Importer(source_uri=str(root / "names"), artifact_type=ClassNames).with_id("names")
    statistics = StatisticsGen(
        examples.outputs["result"], stats_options=tfdv.StatsOptions(feature_allowlist=list(features.DESCRIPTIVE))
    )
    channel = {"examples": examples.outputs["result"], "statistics": statistics.outputs["statistics"]}[source]
    options = {"class_names": names.outputs["result"], **options}
    component = ClassWeights(**{source: channel}, **options)
    LocalDagRunner().run(
        Pipeline(
            pipeline_name="class_weights",
            pipeline_root=str(root / "artifacts"),
            metadata_connection_config=connection(root),
            components=[examples, names, *([statistics] if source == "statistics" else []), component],
            enable_cache=True,
            beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
        )
    )
    files = (root / "artifacts").rglob("class_weights.json")
    return json.loads(max(files, key=lambda path: path.stat().st_mtime_ns).read_text(encoding="utf-8"))


def connection(root):
    return metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))


@pytest.mark.parametrize("source", ["examples", "statistics"])
def test_counts_and_weights_of_the_train_split(root, source):
    assert run(root, source) == {
        "strategy": "balanced",
        "options": {},
        "class_names": NAMES,
        "counts": {"0": 6, "1": 3, "2": 1},
        "weights": {"0": pytest.approx(10 / 18), "1": pytest.approx(10 / 9), "2": pytest.approx(10 / 3)},
    }


def test_a_list_of_names_another_split_and_feature_and_an_option(root):
    content = run(root, class_names=NAMES, split="eval", label_feature=features.CLASS_TEXT, max_ratio=2.0)
    assert content["counts"] == {"0": 1, "1": 1, "2": 9}
    assert content["options"] == {"max_ratio": 2.0}
    assert content["weights"]["0"] == pytest.approx(2 * content["weights"]["2"])


def test_none_weighs_all_alike(root):
    content = run(root, strategy="none")
    assert (content["counts"], content["weights"]) == ({"0": 6, "1": 3, "2": 1}, {"0": 1.0, "1": 1.0, "2": 1.0})


def test_the_same_is_served_from_cache_and_another_option_runs_again(root):
    for options in ({}, {}, {"max_ratio": 2.0}):
        run(root, **options)
    with metadata.Metadata(connection(root)) as store:
        executions = store.store.get_executions_by_type("tfx_components.class_weights.component.ClassWeights")
    state = metadata_store_pb2.Execution
    assert [one.last_known_state for one in executions] == [state.COMPLETE, state.CACHED, state.COMPLETE]


def test_a_class_without_images_leaves_no_artifact(root):
    with pytest.raises(ValueError, match="Every class must have images. Received: none of class 3"):
        run(root, class_names=[*NAMES, "bird"])
    assert not list((root / "artifacts").rglob("class_weights.json"))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({}, ValueError, "exactly one of examples and statistics. Received: neither"),
        ({"examples": EXAMPLES, "statistics": STATISTICS}, ValueError, "Received: both"),
        ({"examples": EXAMPLES, "strategy": "balancd"}, ValueError, "Did you mean 'balanced'"),
        ({"examples": EXAMPLES, "beta": 0.9}, ValueError, "goes with strategy='effective_number'"),
        ({"examples": EXAMPLES, "strategy": "none", "max_ratio": 3}, ValueError, "strategy='none' has no options"),
        ({"examples": EXAMPLES, "max_ration": 3}, TypeError, "max_ration"),
        ({"examples": EXAMPLES, "class_names": "cat"}, TypeError, "a channel of ClassNames or a list of strings"),
    ],
)
def test_what_cannot_be_is_refused_at_construction(arguments, error, message):
    with pytest.raises(error, match=message):
        ClassWeights(**{"class_names": NAMES, **arguments})


def test_code_version_is_part_of_the_cache_key():
    assert len(ClassWeights(EXAMPLES, class_names=NAMES).exec_properties["code_version"]) == 64
