"""Decides whether a push is cached: only while the newest pushed version is this very model."""

import uuid

from tfx.components.util import model_utils
from tfx.dsl.components.base import base_driver as dsl_driver
from tfx.dsl.io import fileio
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver, data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_component_specs

from tfx_components.code_version import code_version
from tfx_components.pusher.versions import base_directory, newest_push

PUSH_KEY = "push"


class Driver(dsl_driver.BaseDriver, base_driver.BaseDriver):
    """Puts into the cache key which push the outputs stand for.

    Where the newest version is this model, it is the push that made that version, so its outputs are served from cache.
    Otherwise (a new model, an older one that is to serve again, a folder that somebody deleted) it is a push that never
    was.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        # A component takes drivers of the one kind only, and the launcher runs those of the other.
        dsl_driver.BaseDriver.__init__(self, metadata_handle)
        base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Overrides `BaseDriver.run`."""
        output = driver_output_pb2.DriverOutput()
        properties = {"code_version": code_version(), PUSH_KEY: _push_of(execution_info)}
        for key, value in {**execution_info.exec_properties, **properties}.items():
            if value is not None:
                data_types_utils.set_metadata_value(output.exec_properties[key], value)
        return output


def _push_of(execution_info: data_types.ExecutionInfo) -> str:
    blessings = execution_info.input_dict.get(standard_component_specs.MODEL_BLESSING_KEY)
    if blessings and not model_utils.is_model_blessed(blessings[0]):
        return "none"
    base = base_directory(execution_info.exec_properties)
    newest = newest_push(base) if fileio.exists(base) else None
    [model] = execution_info.input_dict[standard_component_specs.MODEL_KEY]
    if newest and newest.model == model.mlmd_artifact.create_time_since_epoch:
        return newest.push
    return uuid.uuid4().hex
