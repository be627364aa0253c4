"""Reads a schema, adds what is missing, writes it."""

import os
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from keras_ext import features

_SCHEMA_FILE = "schema.pbtxt"
_BYTES_FEATURES = (features.ENCODED, features.FORMAT, features.FILENAME, features.SHA256)


def complete_schema(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Returns a copy of `schema` with every missing bytes feature of an image example, required, of shape (1,)."""
    completed = schema_pb2.Schema()
    completed.CopyFrom(schema)
    present = {feature.name for feature in schema.feature}
    for name in _BYTES_FEATURES:
        if name not in present:
            feature = completed.feature.add(name=name, type=schema_pb2.BYTES)
            feature.presence.min_fraction = 1.0
            feature.presence.min_count = 1
            feature.shape.dim.add(size=1)
    return completed


class Executor(base_executor.BaseExecutor):
    """Writes the completed schema."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads `schema`, writes `completed_schema`; see `ImageSchema`."""
        source = artifact_utils.get_single_uri(input_dict["schema"])
        target = artifact_utils.get_single_uri(output_dict["completed_schema"])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(source))
        io_utils.write_pbtxt_file(os.path.join(target, _SCHEMA_FILE), complete_schema(schema))
