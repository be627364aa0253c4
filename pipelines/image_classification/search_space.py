"""What a search for settings tries, and settings with what it found; neither needs KerasTuner."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pydantic
from pydantic import ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass

from keras_ext.choices import check_choice

_STRICT = ConfigDict(extra="forbid")
_RANGE_KEYS = {"min", "max", "step", "sampling"}
# Files, what would make trials incomparable, and what a trial has of its own.
_FIXED = {"model": {"weights", "builder"}, "train": {"epochs", "seed", "strategy"}}
_ARGUMENTS = "model.arguments."
_MAX_TRIALS = 10
_DEFAULTS: Any = ("random", None, 5, "val_accuracy")


@dataclass(frozen=True, config=_STRICT)
class Range:
    """Numbers from `min` to `max`, integers where all that is given is.

    Attributes:
      min: The smallest.
      max: The largest.
      step: Their distance, or none.
      sampling: "linear", or "log", where each order of magnitude is as likely.
    """

    min: int | float
    max: int | float
    step: int | float | None = None
    sampling: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not self.min < self.max:
            raise ValueError(f"min must be less than max, and they are {self.min:g} and {self.max:g}")
        if self.step is not None and not 0 < self.step <= self.max - self.min:
            raise ValueError(f"step must be positive, and no more than max - min, and is {self.step:g}")
        if self.sampling == "log" and (self.min <= 0 or self.step is not None):
            raise ValueError("sampling 'log' takes a positive min, and no step")

    @property
    def is_integer(self) -> bool:
        """Whether all numbers are integers."""
        return all(isinstance(number, int) for number in (self.min, self.max, self.step or 0))


@dataclass(frozen=True, config=_STRICT)
class Tuner:
    """A search for settings before training; without a space there is none.

    Attributes:
      space: Settings of [model] and [train], each with a list of values, or a range such as
        `{min = 1e-4, max = 1e-2, sampling = "log"}` or `{min = 0.0, max = 0.5, step = 0.1}`.
      algorithm: "random", "bayesian" or "hyperband".
      max_trials: Settings that are tried, 10 by default; "hyperband" decides by epochs.
      epochs: The most epochs of a trial.
      objective: What the best trial has the best of: "val_accuracy", "val_loss", "val_macro_f1" or "val_macro_recall".
    """

    space: dict[str, Any] = Field(default_factory=dict)
    algorithm: Literal["random", "bayesian", "hyperband"] = _DEFAULTS[0]
    max_trials: PositiveInt | None = _DEFAULTS[1]
    epochs: PositiveInt = _DEFAULTS[2]
    objective: Literal["val_accuracy", "val_loss", "val_macro_f1", "val_macro_recall"] = _DEFAULTS[3]

    def __post_init__(self) -> None:
        if not self.space and (self.algorithm, self.max_trials, self.epochs, self.objective) != _DEFAULTS:
            raise ValueError("space must name what is searched, such as tuner.space.train.learning_rate = [1e-3, 1e-4]")
        if self.algorithm == "hyperband" and self.max_trials is not None:
            raise ValueError("max_trials is none of hyperband's, which makes as many as it needs for epochs")
        self.settings  # noqa: B018 - checks them

    @property
    def trials(self) -> int | None:
        """The most trials, or None where the algorithm decides."""
        return None if self.algorithm == "hyperband" else self.max_trials or _MAX_TRIALS

    @property
    def settings(self) -> dict[str, Range | list[Any]]:
        """Each setting by its full name, such as "train.learning_rate"."""
        return {name: _values(name, values) for name, values in _flat(self.space)}


def check_search_space(config: Any) -> None:
    """Refuses what a trial would refuse.

    Args:
      config: A whole configuration, with the sections `model`, `train` and `tuner`.

    Raises:
      ValueError: A name of no setting that can be searched, or a value that the setting does not take.
    """
    if not config.tuner.space:
        return
    trained = _replaced(config.train, "tuner.epochs", epochs=config.tuner.epochs)
    sections = {"model": config.model, "train": trained}
    for name, values in config.tuner.settings.items():
        _check_name(name, sections)
        section, _, field = name.partition(".")
        for value in [values.min, values.max] if isinstance(values, Range) else values:
            if not name.startswith(_ARGUMENTS):
                _replaced(sections[section], f"tuner.space.{name}", **{field: value})


def with_hyperparameters(config: Mapping[str, Any], hyperparameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns plain settings with the values that a search found in place of their own.

    Args:
      config: Sections by name, as Trainer gets them.
      hyperparameters: KerasTuner's configuration of them, or None.
    """
    result = copy.deepcopy(dict(config))
    for name, value in (hyperparameters or {}).get("values", {}).items():
        if "/" in name:  # what an algorithm notes for itself
            continue
        *sections, last = name.split(".")
        place = result
        for section in sections:
            place = place[section]
        place[last] = value
    return result


def describe(values: Mapping[str, Any]) -> str:
    """Returns settings and their values as text, without what an algorithm notes for itself.

    Example:

    >>> describe({"train.learning_rate": 0.00123456, "tuner/epochs": 2})
    'train.learning_rate = 0.001235'
    """
    pairs = [(name, value) for name, value in values.items() if "/" not in name]
    return ", ".join(f"{name} = {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in pairs)


def _flat(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, values in space.items():
        if isinstance(values, Mapping) and not (_RANGE_KEYS & set(values)):
            yield from _flat(values, f"{prefix}{key}.")
        else:
            yield prefix + key, values


def _values(name: str, values: Any) -> Range | list[Any]:
    if isinstance(values, Mapping):
        try:
            return Range(**values)
        except (pydantic.ValidationError, TypeError) as error:
            raise ValueError(f"{name}: {_first_problem(error)}") from None
    kinds = {type(value) for value in values} if isinstance(values, list | tuple) else set()
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        raise ValueError(
            f"{name} must be a list of values of one type, or a range {{min = ..., max = ...}}, and is {values!r}"
        )
    return list(values)


def _check_name(name: str, sections: Mapping[str, Any]) -> None:
    if name.startswith(_ARGUMENTS) and sections["model"].builder is not None:
        return  # the builder says what it takes
    known = [
        f"{section}.{field.name}"
        for section, settings in sections.items()
        for field in dataclasses.fields(settings)
        if field.name not in _FIXED[section] | {"arguments"}
    ]
    check_choice("tuner.space", name, known)


def _replaced(section: Any, place: str, **values: Any) -> Any:
    try:
        return dataclasses.replace(section, **values)
    except pydantic.ValidationError as error:
        raise ValueError(f"{place}: {_first_problem(error)}. Received: {next(iter(values.values()))!r}") from None


def _first_problem(error: Exception) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    return f"{place + ': ' if place else ''}{problem['msg'].removeprefix('Value error, ')}"
