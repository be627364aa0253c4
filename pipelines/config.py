"""Reading a configuration: frozen dataclasses from TOML and `--set section.key=value`.

Nothing here knows what the settings mean; a pipeline brings its own dataclass.
"""

import dataclasses
import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import tomli_w

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Settings = TypeVar("Settings")


class ConfigurationError(ValueError):
    """A configuration that cannot be: what is wrong, where, and what to write instead."""


class _WrongSetting(ConfigurationError):
    """What is wrong with one key; where that key was given is not known yet."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def read_config(
    kind: type[Settings], file: str | Path | None = None, overrides: Iterable[str] = (), **values: Any
) -> Settings:
    """Builds the configuration `kind` from a TOML file, then overrides, which win, and `values`.

    Args:
      kind: A (nested) pydantic dataclass whose defaults suffice.
      file: A TOML file, or None.
      overrides: `section.key=value` texts; the value is read as TOML, and as plain text where it is no TOML.
      **values: Top-level fields that are no settings, such as the folder of images.

    Raises:
      ConfigurationError: The file is missing or no TOML, a key is unknown (the nearest one is named), or a value has
        the wrong type or range. What stands in the file is said with its name.
    """
    settings = _read_toml(Path(file)) if file is not None else {}
    overrides = list(overrides)
    for override in overrides:
        _set(settings, override)
    try:
        for key in sorted(set(settings) & set(values)):
            raise _WrongSetting(key, f"'{key}' is an argument of the command, not a setting. Received both.")
        settings.update(values)
        _check_keys(kind, settings)
        return _validated(kind, settings)
    except _WrongSetting as error:
        from_command_line = any(_on_one_branch(override.partition("=")[0].strip(), error.key) for override in overrides)
        raise ConfigurationError(str(error) if from_command_line or file is None else f"{file}: {error}") from None


def to_toml(settings: Any, leave_out: Iterable[str] = ()) -> str:
    """Returns a configuration as TOML text that `read_config` reads back; a setting without a value is a comment."""
    values = {key: value for key, value in dataclasses.asdict(settings).items() if key not in set(leave_out)}
    lines = tomli_w.dumps(_without_none(values)).split("\n")
    for header, names in _unset(settings):
        after = lines.index(header) + 1
        lines[after:after] = [f"# {name} =" for name in names]
    return "\n".join(lines)


def _unset(settings: Any, section: str = "") -> Iterator[tuple[str, list[str]]]:
    """The header of each section with the names in it that have no value."""
    for name, value in vars(settings).items():
        if dataclasses.is_dataclass(value):
            yield f"[{section}{name}]", [inner for inner, one in vars(value).items() if one is None]
            yield from _unset(value, f"{section}{name}.")


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"No configuration file '{file}'.") from None
    except OSError as error:
        raise ConfigurationError(f"Cannot read configuration file '{file}': {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"'{file}' is not TOML: {error}.") from None


def _set(settings: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigurationError(f"--set expects section.key=value. Received: '{override}'.")
    *sections, last = key.strip().split(".")
    place = settings
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigurationError(f"'{section}' in '--set {override}' is a value, not a section.")
    try:
        place[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        place[last] = text


def _check_keys(kind: Any, settings: Mapping[str, Any], prefix: str = "") -> None:
    known = {field.name: field.type for field in dataclasses.fields(kind)}
    for key, value in settings.items():
        if key not in known:
            siblings = [prefix + name for name in known]
            raise _WrongSetting(prefix + key, _unknown_key(prefix + key, siblings, _all_keys(kind, prefix)))
        if dataclasses.is_dataclass(known[key]) and isinstance(value, Mapping):
            _check_keys(known[key], value, f"{prefix}{key}.")


def _all_keys(kind: Any, prefix: str = "") -> list[str]:
    keys = []
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.type):
            keys += _all_keys(field.type, f"{prefix}{field.name}.")
        else:
            keys.append(prefix + field.name)
    return keys


def _unknown_key(key: str, siblings: list[str], known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, siblings) or difflib.get_close_matches(key, known, cutoff=0.5)
    advice = f"Did you mean '{nearest[0]}'?" if nearest else f"Known settings: {', '.join(known)}."
    return f"'{key}' is not a setting. {advice}"


def _validated(kind: type[Settings], settings: Mapping[str, Any]) -> Settings:
    try:
        return pydantic.TypeAdapter(kind).validate_python(settings)
    except pydantic.ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or kind.__name__
        message = problem["msg"].removeprefix("Value error, ").rstrip(".")
        raise _WrongSetting(place, f"{place}: {message}. Received: {problem['input']!r}.") from None


def _on_one_branch(key: str, other: str) -> bool:
    """Whether one of two keys is the other or a section above it."""
    shorter, longer = sorted((key, other), key=len)
    return f"{longer}.".startswith(f"{shorter}.")
