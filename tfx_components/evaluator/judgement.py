"""The outcome of an evaluation, in the artifact as one readable JSON file."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keras_ext.evaluation_result import EvaluationResult, Figure
from tfx_components.artifacts import read_json, write_json

EVALUATION_FILE: Final = "evaluation.json"


@dataclass(frozen=True)
class Judgement:
    """What was found, and what follows.

    Attributes:
      split: The split that was scored.
      result: The figures.
      failures: One sentence for each threshold that does not hold.
    """

    split: str
    result: EvaluationResult
    failures: tuple[str, ...] = ()

    @property
    def blessed(self) -> bool:
        """Whether every threshold holds."""
        return not self.failures

    def write(self, uri: str) -> None:
        """Writes `evaluation.json` into the artifact at `uri`; NaN becomes null."""
        figures = {
            name: {key: figure._asdict() for key, figure in getattr(self.result, name).items()}
            for name in ("figures", "change")
        }
        content = {
            "split": self.split,
            "blessed": self.blessed,
            "failures": self.failures,
            **dataclasses.asdict(self.result),
            **figures,
        }
        write_json(uri, EVALUATION_FILE, _replaced(content, _none_of))

    @classmethod
    def read(cls, uri: str) -> "Judgement":
        """Reads what `write` wrote."""
        content = read_json(uri, EVALUATION_FILE)
        names = [field.name for field in dataclasses.fields(EvaluationResult)]
        result = {name: content[name] for name in names}
        for name in ("figures", "change"):
            result[name] = {key: Figure(**_nan_for_none(figure)) for key, figure in result[name].items()}
        result["classes"] = {name: _nan_for_none(row) for name, row in result["classes"].items()}
        result["slices"] = {
            column: {value: _nan_for_none(row) for value, row in rows.items()}
            for column, rows in result["slices"].items()
        }
        result["not_finite"] = tuple(result["not_finite"])
        return cls(content["split"], EvaluationResult(**result), tuple(content["failures"]))


def _none_of(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _replaced(value: Any, replace: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(item, replace) for key, item in value.items()}
    return replace(value)


def _nan_for_none(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in row.items()}
