"""Copies a blessed model to `<base_directory>/<version>`, unless the newest version is this model."""

import os
from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from keras_ext.progress import progress_logger
from tfx_components.pusher.driver import PUSH_KEY
from tfx_components.pusher.versions import Push, base_directory, newest_push, newest_version, push_version


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
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        push = Push(model.mlmd_artifact.create_time_since_epoch, exec_properties[PUSH_KEY])
        base = base_directory(exec_properties)
        newest = newest_push(base)
        if newest and newest.model == push.model:
            version = newest_version(base)
            progress_logger.info("version %s is this model", version)
        else:
            version = push_version(self.GetModelPath(input_dict), base, push)
        io_utils.copy_dir(self.GetModelPath(input_dict), pushed_model.uri)
        destination = os.path.join(base, str(version))
        self._MarkPushed(pushed_model, pushed_destination=destination, pushed_version=str(version))
