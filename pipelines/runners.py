"""Runs a pipeline on this machine, component by component, and tells what became of each.

Unlike TFX's `LocalDagRunner`, Beam options belong to the run and not to the pipeline: they stay out of the cache keys,
so that another runner or another number of workers finds everything that is finished.
"""

import dataclasses
import datetime
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import beam_executor_operator, launcher, runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2, placeholder_pb2
from tfx.types import artifact_utils

_PIPELINE_RUN_ID = "pipeline-run-id"


@dataclasses.dataclass(frozen=True)
class ComponentRun:
    """One component of a finished run.

    Attributes:
      name: The component's id in the pipeline.
      seconds: Wall time of its driver, executor and publisher.
      cached: Whether its outputs were served from an earlier run; None for a node that only looks something up.
      inputs: Its input artifacts by key.
      outputs: Its output artifacts by key.
    """

    name: str
    seconds: float
    cached: bool | None
    inputs: dict[str, list[types.Artifact]]
    outputs: dict[str, list[types.Artifact]]


class ComponentFailed(RuntimeError):
    """A component failed; the cause is chained."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} failed: {reason}")
        self.name = name


def _say_nothing(_: object) -> None:
    pass


class LocalRunner(tfx_runner.IrBasedRunner):
    """Runs the components one after another in this process; one run at a time for a metadata store.

    Args:
      beam_pipeline_args: Options for every Beam pipeline of the run, such as `--runner=FnApiRunner`.
      on_start: Called with a component's name before it runs.
      on_finish: Called with its `ComponentRun` afterwards.
    """

    def __init__(
        self,
        beam_pipeline_args: Sequence[str] = (),
        on_start: Callable[[str], None] = _say_nothing,
        on_finish: Callable[[ComponentRun], None] = _say_nothing,
    ) -> None:
        self._operators = {executable_spec_pb2.BeamExecutableSpec: _beam_operator(beam_pipeline_args)}
        self._on_start = on_start
        self._on_finish = on_finish

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None, **kwargs: Any
    ) -> list[ComponentRun]:
        """Runs a compiled pipeline; returns its components in the order they ran.

        Raises:
          ComponentFailed: A component raised or was not given its inputs. What finished before it stays cached.
        """
        if run_options is not None:
            raise ValueError("Partial runs are not supported: the cache skips what is finished.")
        _cancel_unfinished(pipeline)
        run_id = datetime.datetime.now().isoformat()
        runtime_parameter_utils.substitute_runtime_parameter(pipeline, {_PIPELINE_RUN_ID: run_id})
        return [self._run(pipeline, node.pipeline_node) for node in pipeline.nodes]

    def _run(self, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> ComponentRun:
        name = node.node_info.id
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        store = _store(pipeline)
        executor_spec = runner_utils.extract_executor_spec(deployment, name)
        self._on_start(name)
        started = time.monotonic()
        try:
            info = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=store,
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=executor_spec,
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
                custom_executor_operators=self._operators,
            ).launch()
        except Exception as error:
            _cancel_unfinished(pipeline)
            if _is_interrupt(error):
                raise KeyboardInterrupt from error
            raise ComponentFailed(name, _reason(error)) from error
        except BaseException:
            _cancel_unfinished(pipeline)
            raise
        component = _read_execution(store, name, info.execution_id, time.monotonic() - started)
        if executor_spec is None:
            component = dataclasses.replace(component, cached=None)
        self._on_finish(component)
        return component


def _beam_operator(arguments: Sequence[str]) -> type[beam_executor_operator.BeamExecutorOperator]:
    class BeamOperator(beam_executor_operator.BeamExecutorOperator):
        """Adds the run's Beam options after the cache key has been computed."""

        def __init__(self, executor_spec: Any, platform_config: Any = None) -> None:
            super().__init__(executor_spec, platform_config)
            for argument in arguments:
                expression = placeholder_pb2.PlaceholderExpression()
                expression.value.string_value = argument
                self.beam_pipeline_args.append(expression)

    return BeamOperator


def _store(pipeline: pipeline_pb2.Pipeline) -> metadata.Metadata:
    connection = runner_utils.extract_local_deployment_config(pipeline).metadata_connection_config
    return metadata.Metadata(getattr(connection, connection.WhichOneof("connection_config")))


def _cancel_unfinished(pipeline: pipeline_pb2.Pipeline) -> None:
    """Marks what a killed or interrupted run left running as cancelled, and removes its half-written outputs."""
    with _store(pipeline) as connection:
        context = connection.store.get_context_by_type_and_name("pipeline", pipeline.pipeline_info.id)
        executions = connection.store.get_executions_by_context(context.id) if context else []
        running = (metadata_store_pb2.Execution.NEW, metadata_store_pb2.Execution.RUNNING)
        unfinished = [execution for execution in executions if execution.last_known_state in running]
        for execution in unfinished:
            execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        if unfinished:
            connection.store.put_executions(unfinished)
    root = pipeline.runtime_spec.pipeline_root.field_value.string_value
    for execution in unfinished:
        # Outputs lie in <root>/<component>/<key>/<execution>; a component's .system folder holds its working files.
        for pattern in ("*/*", "*/.system/*"):
            for folder in fileio.glob(os.path.join(root, pattern, str(execution.id))):
                fileio.rmtree(folder)


def _read_execution(store: metadata.Metadata, name: str, execution_id: int | None, seconds: float) -> ComponentRun:
    if execution_id is None:
        raise ComponentFailed(name, "it was skipped, because its inputs are missing")
    with store as connection:
        [execution] = connection.store.get_executions_by_id([execution_id])
        state = execution.last_known_state
        if state not in (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED):
            raise ComponentFailed(name, "its inputs could not be resolved")
        events = connection.store.get_events_by_execution_ids([execution_id])
        inputs = _artifacts(connection.store, events, {metadata_store_pb2.Event.INPUT})
        # A resolver hands artifacts on: its outputs are internal ones.
        kinds = {metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INTERNAL_OUTPUT}
        outputs = _artifacts(connection.store, events, kinds)
    return ComponentRun(name, seconds, state == metadata_store_pb2.Execution.CACHED, inputs, outputs)


def _artifacts(store: Any, events: Sequence[Any], kinds: set[int]) -> dict[str, list[types.Artifact]]:
    key_of = {event.artifact_id: event.path.steps[0].key for event in events if event.type in kinds}
    found = store.get_artifacts_by_id(list(key_of)) if key_of else []
    type_of = {one.id: one for one in store.get_artifact_types_by_id([artifact.type_id for artifact in found])}
    artifacts: dict[str, list[types.Artifact]] = {}
    for artifact in found:
        readable = artifact_utils.deserialize_artifact(type_of[artifact.type_id], artifact)
        artifacts.setdefault(key_of[artifact.id], []).append(readable)
    return artifacts


def _is_interrupt(error: BaseException | None) -> bool:
    # Beam's workers wrap Ctrl-C into errors of their own, some with its name in their text alone.
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or str(error).startswith("KeyboardInterrupt"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: BaseException) -> str:
    """The first line of what went wrong, without Beam's note on where."""
    text = str(error).strip() or type(error).__name__
    return text.split(" [while running", 1)[0].splitlines()[0]
