"""A run says which component failed and why, in one line, and the next run goes on from there."""

import pytest
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher
from tfx.types.standard_artifacts import Model, Schema

from pipelines.runners import ComponentFailed, LocalRunner


@component
def Makes(model: OutputArtifact[Model]):
    fileio.makedirs(model.uri)


@component
def Breaks(model: InputArtifact[Model], path: Parameter[str], schema: OutputArtifact[Schema]):
    if path.endswith("interrupt"):
        raise RuntimeError("KeyboardInterrupt [while running 'Step']")
    if not fileio.exists(path):
        raise ValueError(f"'{path}' is missing.\nA second line. [while running 'Step']")


@pytest.fixture
def run(tmp_path):
    """Runs two components, the second of which needs a file; returns the run's components."""

    def run_once(name="file"):
        makes = Makes()
        pipeline = Pipeline(
            pipeline_name="two",
            pipeline_root=str(tmp_path / "root"),
            components=[makes, Breaks(model=makes.outputs["model"], path=str(tmp_path / name))],
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(tmp_path / "db")),
            enable_cache=True,
        )
        seen = []
        try:
            return LocalRunner(on_finish=seen.append).run(pipeline), seen
        except ComponentFailed as failure:
            return failure, seen

    return run_once


def test_failure_and_going_on(run, tmp_path):
    failure, seen = run()
    assert str(failure) == f"Breaks failed: '{tmp_path / 'file'}' is missing."
    assert [(one.name, one.cached) for one in seen] == [("Makes", False)]

    assert states(tmp_path) == {"Makes": ["COMPLETE"], "Breaks": ["FAILED"]}

    (tmp_path / "file").touch()
    components, seen = run()
    assert [(one.name, one.cached) for one in components] == [("Makes", True), ("Breaks", False)]
    assert components == seen
    [model] = components[0].outputs["model"]
    assert model.uri == str(tmp_path / "root" / "Makes" / "model" / "1")

    components, _ = run()
    assert [one.cached for one in components] == [True, True]


def test_an_interrupt_that_beam_wrapped_is_an_interrupt(run):
    with pytest.raises(KeyboardInterrupt):
        run("interrupt")


def test_what_a_killed_run_left_is_cancelled_and_removed(run, tmp_path, monkeypatch):
    def interrupt(self):
        (tmp_path / "root" / "Makes" / "model" / "1").mkdir(parents=True)
        original(self)
        raise KeyboardInterrupt

    original = launcher.Launcher._prepare_execution
    monkeypatch.setattr(launcher.Launcher, "_prepare_execution", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert states(tmp_path) == {"Makes": ["CANCELED"]}
    assert not list(tmp_path.glob("root/Makes/model/*"))


def states(tmp_path):
    """The states of each component's executions, oldest first."""
    with metadata.Metadata(metadata.sqlite_metadata_connection_config(str(tmp_path / "db"))) as connection:
        found = {}
        for execution in connection.store.get_executions():
            [kind] = connection.store.get_execution_types_by_id([execution.type_id])
            state = execution.State.Name(execution.last_known_state)
            found.setdefault(kind.name.rpartition(".")[2], []).append(state)
        return found
