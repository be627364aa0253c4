"""The numbered folders that a model server watches, and which model is in which."""

import dataclasses
import json
import os
import time
from typing import Any

from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import standard_component_specs
from tfx.utils import io_utils, proto_utils

# `assets.extra` is where a SavedModel keeps files that are its users' and not its graph's.
_RECORD = os.path.join("assets.extra", "push.json")


@dataclasses.dataclass(frozen=True)
class Push:
    """What a version was made from.

    Attributes:
      model: When ML Metadata recorded the model, in milliseconds since 1970, which tells models apart.
      push: Which push made the version.
    """

    model: int
    push: str


def base_directory(exec_properties: dict[str, Any]) -> str:
    """Returns the folder that the versions lie in.

    Raises:
      ValueError: The destination is no file system.
    """
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
    if destination.WhichOneof("destination") != "filesystem":
        raise ValueError(
            "push_destination must be a file system. "
            f"Received: push_destination={destination}. Pass PushDestination.Filesystem(base_directory=...)."
        )
    return str(destination.filesystem.base_directory)


def newest_version(base: str) -> int:
    """Returns the highest number among the folders, or 0."""
    if not fileio.exists(base):
        return 0
    return max((int(name.strip("/")) for name in fileio.listdir(base) if name.strip("/").isdigit()), default=0)


def newest_push(base: str) -> Push | None:
    """Returns what the newest version was made from, or None where nothing tells."""
    record = os.path.join(base, str(newest_version(base)), _RECORD)
    if not fileio.exists(record):
        return None
    with fileio.open(record, "rb") as file:
        return Push(**json.loads(file.read()))


def push_version(source: str, base: str, push: Push) -> int:
    """Copies a SavedModel into a new version, newer than all others, which appears whole; returns its number."""
    version = max(int(time.time() * 1000), newest_version(base) + 1)
    # Model servers look for numbered folders only: a name with a dot is not seen until it is renamed.
    partial = os.path.join(base, f".{version}.partial")
    io_utils.copy_dir(source, partial)
    fileio.makedirs(os.path.dirname(os.path.join(partial, _RECORD)))
    with fileio.open(os.path.join(partial, _RECORD), "wb") as file:
        file.write(json.dumps(dataclasses.asdict(push)).encode())
    fileio.rename(partial, os.path.join(base, str(version)))
    return version
