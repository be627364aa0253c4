"""The component's arguments, as they arrive in drivers and executors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from keras_ext.choices import check_choice
from keras_ext.image_checks import ImageChecks
from keras_ext.image_input import InputSettings
from tfx_components.directory_example_gen.ratios import ratios_of

FOLDERS_KEY = "input_folders"
SETTINGS_KEY = "input_settings"
MAX_REJECTED_KEY = "max_rejected"
SHARD_SIZE_KEY = "shard_size"
VERIFY_KEY = "verify"
SPLIT_KEY = "split"
IMAGE_CHECKS_KEY = "image_checks"
CODE_VERSION_KEY = "code_version"


@dataclass(frozen=True)
class IngestOptions:
    """See the arguments of `DirectoryExampleGen`."""

    input_base: str
    input_config: example_gen_pb2.Input
    ratios: dict[str, int]
    range_config: range_config_pb2.RangeConfig | None
    folders: list[str]
    settings: InputSettings
    max_rejected: float
    shard_size: int
    verify: str
    split: str
    image_checks: ImageChecks | None

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
            folders=json.loads(exec_properties[FOLDERS_KEY]),
            settings=InputSettings.from_json(exec_properties[SETTINGS_KEY]),
            max_rejected=exec_properties[MAX_REJECTED_KEY],
            shard_size=exec_properties[SHARD_SIZE_KEY],
            verify=exec_properties[VERIFY_KEY],
            split=exec_properties[SPLIT_KEY],
            image_checks=image_checks_of(json.loads(exec_properties[IMAGE_CHECKS_KEY])),
        )


def image_checks_of(image_checks: bool | Mapping[str, float]) -> ImageChecks | None:
    """Returns the thresholds that an argument `image_checks` means, None where nothing is to be checked.

    Raises:
      ValueError: There is no such check, or a threshold has no meaning.
    """
    if isinstance(image_checks, bool):
        return ImageChecks() if image_checks else None
    if not isinstance(image_checks, Mapping):
        raise TypeError(
            f"image_checks must be True, False, or thresholds such as {{'dark': 0.1}}. Received: {image_checks!r}."
        )
    for name in image_checks:
        check_choice("image_checks", name, [field.name for field in fields(ImageChecks)])
    thresholds: dict[str, Any] = dict(image_checks)
    return ImageChecks(**thresholds)


def _message(text: str, message: Any) -> Any:
    proto_utils.json_to_proto(text, message)
    return message
