import ast
import json
from pathlib import Path

import pytest
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from tfx_components import Trainer
from tfx_components.artifacts import CLASS_NAMES_PROPERTY, ClassNames, ClassWeights, write_json
from tfx_components.trainer.component import TrainerSpec
from tfx_components.trainer.executor import class_names_sha256

# What a user of the stock Trainer has: it writes down what it was given where the model belongs.
MODULE = """
import json, os

def run_fn(fn_args):
    os.makedirs(fn_args.serving_model_dir)
    given = {"custom_config": repr(fn_args.custom_config), "train_files": fn_args.train_files}
    with open(os.path.join(fn_args.serving_model_dir, "given.json"), "w") as file:
        json.dump(given, file)
"""
NAMES = ["cat", "größe"]
TRAINER_TYPE = "tfx_components.trainer.component.Trainer"
KINDS = {"class_names": ClassNames, "class_weights": ClassWeights}


class Run:
    """A pipeline of a Trainer alone, run by TFX's own runner."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))
        (root / "module.py").write_text(MODULE)
        for split in ("train", "eval"):
            (root / "examples" / f"Split-{split}").mkdir(parents=True)
            with tf.io.TFRecordWriter(str(root / "examples" / f"Split-{split}" / "data")) as writer:
                writer.write(tf.train.Example().SerializeToString())
        for folder, weights in (("weights", {"0": 0.5, "1": 2}), ("other_weights", {"0": 1, "1": 1})):
            write_json(str(root / folder), "class_weights.json", {"counts": {"0": 8, "1": 2}, "weights": weights})
        write_json(str(root / "names"), "class_names.json", NAMES)

    def importer(self, name: str, kind: type[types.Artifact], **options) -> Importer:
        return Importer(source_uri=str(self.root / name), artifact_type=kind, **options).with_id(name)

    def __call__(self, channels: dict[str, str], **arguments) -> dict:
        """Runs it with a folder for each of our channels; returns what the module was given last."""
        examples = self.importer(
            "examples", standard_artifacts.Examples, properties={"split_names": '["train", "eval"]'}
        )
        importers = {name: self.importer(folder, KINDS[name]) for name, folder in channels.items()}
        trainer = Trainer(
            examples=examples.outputs["result"],
            module_file=str(self.root / "module.py"),
            **{name: importer.outputs["result"] for name, importer in importers.items()},
            **arguments,
        )
        pipeline = Pipeline(
            pipeline_name="trainer",
            pipeline_root=str(self.root / "artifacts"),
            metadata_connection_config=self.connection,
            components=[examples, *importers.values(), trainer],
            enable_cache=True,
        )
        LocalDagRunner().run(pipeline)
        given = max((self.root / "artifacts").rglob("given.json"), key=lambda path: path.stat().st_mtime_ns)
        return json.loads(given.read_text())

    def stored(self) -> metadata.Metadata:
        return metadata.Metadata(self.connection)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_weights_and_names_reach_a_stock_module_file(run):
    given = run({"class_weights": "weights", "class_names": "names"}, custom_config={"epochs": 3})
    custom_config = ast.literal_eval(given["custom_config"])
    channels = {"class_names": NAMES, "class_weights": {0: 0.5, 1: 2.0}, "class_counts": {0: 8, 1: 2}}
    assert custom_config == {"epochs": 3, **channels}
    assert [Path(pattern).parent.name for pattern in given["train_files"]] == ["Split-train"]


def test_names_mark_the_model_in_ml_metadata_and_weights_stand_in_its_lineage(run):
    run({"class_weights": "weights", "class_names": "names"})
    with run.stored() as connection:
        [model] = connection.store.get_artifacts_by_type("Model")
        [execution] = connection.store.get_executions_by_type(TRAINER_TYPE)
        events = connection.store.get_events_by_execution_ids([execution.id])
    inputs = {event.path.steps[0].key for event in events if event.type == metadata_store_pb2.Event.INPUT}
    assert model.custom_properties[CLASS_NAMES_PROPERTY].string_value == class_names_sha256(NAMES)
    assert inputs == {"examples", "class_weights", "class_names"}


def test_without_our_channels_it_is_the_stock_trainer(run):
    assert run({}, custom_config={"epochs": 3})["custom_config"] == "{'epochs': 3}"
    with run.stored() as connection:
        [model] = connection.store.get_artifacts_by_type("Model")
    assert CLASS_NAMES_PROPERTY not in model.custom_properties


def test_the_same_weights_are_served_from_cache_and_others_run_again(run):
    for folder in ("weights", "weights", "other_weights"):
        given = run({"class_weights": folder})
    with run.stored() as connection:
        executions = connection.store.get_executions_by_type(TRAINER_TYPE)
    state = metadata_store_pb2.Execution
    assert [one.last_known_state for one in executions] == [state.COMPLETE, state.CACHED, state.COMPLETE]
    assert ast.literal_eval(given["custom_config"])["class_weights"] == {0: 1.0, 1: 1.0}


def test_what_comes_twice_is_an_error(run):
    with pytest.raises(
        ValueError, match=r"must not hold what comes through a channel\. Received: 'class_names' in both"
    ):
        run({"class_names": "names"}, custom_config={"class_names": ["a", "b"]})


@pytest.mark.parametrize("arguments", [{}, {"module_file": "module.py", "run_fn": "package.run_fn"}])
def test_exactly_one_of_module_file_and_run_fn(arguments):
    with pytest.raises(ValueError, match="exactly one of module_file and run_fn"):
        Trainer(examples=types.Channel(type=standard_artifacts.Examples), **arguments)


def test_code_version_is_part_of_the_cache_key():
    trainer = Trainer(examples=types.Channel(type=standard_artifacts.Examples), run_fn="package.run_fn")
    assert len(trainer.exec_properties["code_version"]) == 64
    assert "code_version" in TrainerSpec.PARAMETERS


def test_order_of_class_names_matters():
    assert class_names_sha256(["a", "b"]) != class_names_sha256(["b", "a"])
    assert class_names_sha256(("a", "b")) == class_names_sha256(["a", "b"])
