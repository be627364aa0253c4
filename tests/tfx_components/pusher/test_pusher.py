"""A model is pushed once, what was pushed last serves, and a version appears whole; through TFX's launcher."""

import shutil

import pytest
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2
from tfx.types.standard_artifacts import Model, ModelBlessing

from pipelines.runners import LocalRunner
from tfx_components import Pusher


@pytest.fixture
def push(tmp_path):
    """Runs Pusher over the model of that name; returns its `ComponentRun`."""

    def run(name, *, blessed=True):
        saved = tmp_path / name / "Format-Serving"
        if not saved.exists():
            (saved / "variables").mkdir(parents=True)
            (saved / "saved_model.pb").write_text(name)
            (saved / "variables" / "variables.index").write_text("weights")
        model = Importer(source_uri=str(tmp_path / name), artifact_type=Model).with_id("Model")
        blessing = Importer(
            source_uri=str(tmp_path), artifact_type=ModelBlessing, custom_properties={"blessed": int(blessed)}
        ).with_id("Blessing")
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=str(tmp_path / "serving"))
        pusher = Pusher(
            model=model.outputs["result"],
            model_blessing=blessing.outputs["result"],
            push_destination=pusher_pb2.PushDestination(filesystem=filesystem),
        )
        pipeline = Pipeline(
            pipeline_name="push",
            pipeline_root=str(tmp_path / "root"),
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(tmp_path / "db")),
            components=[model, blessing, pusher],
            enable_cache=True,
        )
        return LocalRunner().run(pipeline)[-1]

    return run


@pytest.fixture
def served(tmp_path):
    """Returns what a model server would serve, and how many versions there are."""

    def look():
        versions = sorted((tmp_path / "serving").iterdir(), key=lambda path: int(path.name))
        return (versions[-1] / "saved_model.pb").read_text(), len(versions)

    return look


def test_a_blessed_model_is_pushed_whole(push, tmp_path):
    [pushed] = push("a").outputs["pushed_model"]
    [version] = (tmp_path / "serving").iterdir()
    assert (version / "saved_model.pb").read_text() == "a"
    assert (version / "variables" / "variables.index").read_text() == "weights"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name


def test_the_same_model_is_pushed_once(push, served):
    assert [push("a").cached for _ in range(3)] == [False, True, True]
    assert served() == ("a", 1)


def test_an_older_model_that_is_to_serve_again_does(push, served):
    for number, name in enumerate(["a", "b", "a"], start=1):
        push(name)
        assert served() == (name, number)
    assert push("a").cached
    assert served() == ("a", 3)


def test_a_deleted_folder_is_pushed_again(push, served, tmp_path):
    push("a")
    shutil.rmtree(tmp_path / "serving")
    assert not push("a").cached
    assert served() == ("a", 1)


def test_a_model_that_is_not_blessed_stays_home(push, tmp_path):
    runs = [push("a", blessed=False) for _ in range(2)]
    assert [run.cached for run in runs] == [False, True]
    assert [run.outputs["pushed_model"][0].get_int_custom_property("pushed") for run in runs] == [0, 0]
    assert not (tmp_path / "serving").exists()


def test_a_half_copy_is_no_version(push, served, tmp_path):
    (tmp_path / "serving" / ".1.partial").mkdir(parents=True)
    push("a")
    shutil.rmtree(tmp_path / "serving" / ".1.partial")
    assert served() == ("a", 1)
