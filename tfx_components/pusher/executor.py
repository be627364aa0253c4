"""Copies a blessed model to `<base_directory>/<version>`, unless it is there."""

import os
from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from keras_ext.progress import progress_logger


class Executor(executor.Executor):
    """See `tfx_components.Pusher`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes `model` if it is blessed; marks `pushed_model` as pushed or not."""
        pushed_model = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed_model)
            return
        version = _version(artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY]))
        destination = os.path.join(_base_directory(exec_properties), version)
        model_path = self.GetModelPath(input_dict)
        if fileio.exists(destination):
            progress_logger.info("%s was pushed before", destination)
        else:
            _copy_whole(model_path, destination)
        io_utils.copy_dir(model_path, pushed_model.uri)
        self._MarkPushed(pushed_model, pushed_destination=destination, pushed_version=version)


def _base_directory(exec_properties: dict[str, Any]) -> str:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
    if destination.WhichOneof("destination") != "filesystem":
        raise ValueError(
            "push_destination must be a file system. "
            f"Received: push_destination={destination}. Pass PushDestination.Filesystem(base_directory=...)."
        )
    return str(destination.filesystem.base_directory)


def _version(model: types.Artifact) -> str:
    created = model.mlmd_artifact.create_time_since_epoch
    if created <= 0:
        raise ValueError(f"model must come from ML Metadata, which knows when it was made. Received: model={model}.")
    return str(created)


def _copy_whole(source: str, destination: str) -> None:
    # Model servers look for numbered folders only: a name with a dot is not seen until it is renamed.
    partial = os.path.join(os.path.dirname(destination), f".{os.path.basename(destination)}.partial")
    if fileio.exists(partial):
        fileio.rmtree(partial)
    io_utils.copy_dir(source, partial)
    fileio.rename(partial, destination)
