"""The component's arguments, as they arrive in drivers and executors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from tfx_components.directory_example_gen.ratios import ratios_of

CLASSES_KEY = "classes"
MAX_REJECTED_KEY = "max_rejected"
SHARD_SIZE_KEY = "shard_size"
VERIFY_KEY = "verify"
CODE_VERSION_KEY = "code_version"


@dataclass(frozen=True)
class IngestOptions:
    """See the arguments of `DirectoryExampleGen`."""

    input_base: str
    input_config: example_gen_pb2.Input
    ratios: dict[str, int]
    range_config: range_config_pb2.RangeConfig | None
    classes: list[str] | None
    max_rejected: float
    shard_size: int
    verify: str

    @classmethod
    def of(cls, exec_properties: Mapping[str, Any]) -> "IngestOptions":
        """Reads execution properties, in which messages and lists are JSON."""
        keys = standard_component_specs
        ranges = exec_properties.get(keys.RANGE_CONFIG_KEY)
        return cls(
            input_base=exec_properties[keys.INPUT_BASE_KEY],
            input_config=_message(exec_properties[keys.INPUT_CONFIG_KEY], example_gen_pb2.Input()),
            ratios=ratios_of(_message(exec_properties[keys.OUTPUT_CONFIG_KEY], example_gen_pb2.Output())),
            range_config=_message(ranges, range_config_pb2.RangeConfig()) if ranges else None,
            classes=json.loads(exec_properties[CLASSES_KEY]),
            max_rejected=exec_properties[MAX_REJECTED_KEY],
            shard_size=exec_properties[SHARD_SIZE_KEY],
            verify=exec_properties[VERIFY_KEY],
        )


def _message(text: str, message: Any) -> Any:
    proto_utils.json_to_proto(text, message)
    return message
