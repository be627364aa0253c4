"""One model is one version, and a version appears whole."""

import pytest
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from tfx_components.pusher.executor import Executor

CREATED = 1_700_000_000_123


@pytest.fixture
def push(tmp_path):
    """Pushes a model once, with the blessing given; returns the pushed_model artifact."""
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    model.mlmd_artifact.create_time_since_epoch = CREATED
    saved = tmp_path / "model" / "Format-Serving"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"graph")
    (saved / "variables" / "variables.index").write_bytes(b"weights")

    def run(attempt, *, blessed=True):
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("blessed", int(blessed))
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / f"pushed-{attempt}")
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=str(tmp_path / "serving"))
        destination = pusher_pb2.PushDestination(filesystem=filesystem)
        Executor().Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {"push_destination": proto_utils.proto_to_json(destination)},
        )
        return pushed

    return run


def test_a_blessed_model_is_pushed_whole(push, tmp_path):
    pushed = push(1)
    version = tmp_path / "serving" / str(CREATED)
    assert (version / "saved_model.pb").read_bytes() == b"graph"
    assert (version / "variables" / "variables.index").read_bytes() == b"weights"
    assert [path.name for path in version.parent.iterdir()] == [str(CREATED)]
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)


def test_the_same_model_is_not_pushed_again(push, tmp_path):
    push(1)
    graph = tmp_path / "serving" / str(CREATED) / "saved_model.pb"
    graph.write_bytes(b"served")
    pushed = push(2)
    assert graph.read_bytes() == b"served"
    assert [path.name for path in graph.parent.parent.iterdir()] == [str(CREATED)]
    assert pushed.get_string_custom_property("pushed_version") == str(CREATED)


def test_a_half_copy_of_a_killed_run_is_replaced(push, tmp_path):
    partial = tmp_path / "serving" / f".{CREATED}.partial"
    partial.mkdir(parents=True)
    (partial / "rubbish").touch()
    push(1)
    version = tmp_path / "serving" / str(CREATED)
    assert sorted(path.name for path in version.iterdir()) == ["saved_model.pb", "variables"]
    assert not partial.exists()


def test_a_model_that_is_not_blessed_stays_home(push, tmp_path):
    pushed = push(1, blessed=False)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()
