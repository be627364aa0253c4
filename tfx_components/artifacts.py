"""The artifact types that our components exchange, each one readable JSON file.

An artifact is a folder; `write_json` and `read_json` hold the one file in it, under the name below.
"""

import json
import os
from typing import Any

from tfx.dsl.io import fileio
from tfx.types import artifact

CLASS_NAMES_FILE = "class_names.json"
CLASS_WEIGHTS_FILE = "class_weights.json"
REPORT_FILE = "report.json"
REJECTED_FILE = "rejected.csv"
SKEW_FILE = "skew.json"

# Which classes a Model artifact knows: the SHA-256 of their JSON list, a string custom property.
CLASS_NAMES_PROPERTY = "class_names_sha256"


class ClassNames(artifact.Artifact):
    """The class names, a JSON list; a class's index is its position."""

    TYPE_NAME = "KerasExtClassNames"


class ClassWeights(artifact.Artifact):
    """What was counted and what it weighs, a JSON object.

    `strategy` and its `options`; `class_names`, a list; `counts`, {class index: images}; `weights`, {class index:
    weight}.
    """

    TYPE_NAME = "KerasExtClassWeights"


class IngestReport(artifact.Artifact):
    """What ingest found, wrote and rejected: `report.json` and `rejected.csv` (path, reason)."""

    TYPE_NAME = "KerasExtIngestReport"


class SkewReport(artifact.Artifact):
    """How far serving is from training, a JSON object; see `tfx_components.SkewValidator`."""

    TYPE_NAME = "KerasExtSkewReport"


def write_json(uri: str, name: str, value: Any) -> None:
    """Writes `value` as readable JSON to the file `name` in the artifact at `uri`."""
    fileio.makedirs(uri)
    # Bytes, because text would depend on the machine's locale.
    with fileio.open(os.path.join(uri, name), "wb") as file:
        file.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(uri: str, name: str) -> Any:
    """Reads what `write_json` wrote."""
    with fileio.open(os.path.join(uri, name), "rb") as file:
        return json.loads(file.read())
