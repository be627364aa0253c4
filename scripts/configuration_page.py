#!/usr/bin/env python3
"""Writes the tables of docs/configuration.md from the dataclasses of the pipeline's settings.

Their docstrings say what each setting means, pydantic what it takes.
"""

import argparse
import dataclasses
import difflib
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from pipelines.image_classification.config import Config

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
MARK = "<!-- From here on scripts/configuration_page.py writes this page. -->\n"
_MEANING = re.compile(r"^  (\w+): (.*(?:\n {3,}.*)*)", re.MULTILINE)
_QUOTED = re.compile('("[^"]+")')
_COLUMNS = ["setting", "default", "meaning", "takes"]


def main() -> int:
    """Writes the page, or compares it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not current")
    options = parser.parse_args()
    written = PAGE.read_text(encoding="utf-8")
    current = page(written)
    if options.check and written != current:
        difference = difflib.unified_diff(written.splitlines(), current.splitlines(), "written", "current", lineterm="")
        print("\n".join(difference), f"\n{PAGE} is not current. Run {Path(__file__).name}.", file=sys.stderr)
        return 1
    if not options.check:
        PAGE.write_text(current, encoding="utf-8")
    return 0


def page(written: str) -> str:
    """Returns the page with the settings as they are now; what stands above the mark stays."""
    sections = [field for field in dataclasses.fields(Config) if dataclasses.is_dataclass(field.type)]
    return "".join([written.partition(MARK)[0], MARK, *(_section(field.name, field.type) for field in sections)])


def _section(name: str, kind: Any) -> str:
    prose = inspect.cleandoc(kind.__doc__).partition("\n\nA")[0]
    rows = [_COLUMNS, ["---"] * len(_COLUMNS), *_rows(kind)]
    nested = [field for field in dataclasses.fields(kind) if dataclasses.is_dataclass(field.type)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"\n## [{name}]\n\n{prose}\n\n{table}\n" + "".join(
        _section(f"{name}.{field.name}", field.type) for field in nested
    )


def _rows(kind: Any) -> Iterator[list[str]]:
    meanings = dict(_MEANING.findall(inspect.cleandoc(kind.__doc__)))
    schema = pydantic.TypeAdapter(kind).json_schema()["properties"]
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.type):
            continue
        if field.name not in meanings:
            raise ValueError(f"{kind.__name__}.{field.name} has no line in the docstring's Attributes.")
        takes = " or ".join(_takes(schema[field.name]))
        yield [f"`{field.name}`", _default(field), _cell(meanings[field.name]), takes]


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if isinstance(value, pydantic.fields.FieldInfo):
        value = value.get_default(call_default_factory=True)
    return "–" if value is None else "`" + _toml(value).replace("|", r"\|") + "`"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


def _takes(schema: dict[str, Any]) -> Iterator[str]:
    """Says in words what a JSON schema takes."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _takes(one)
    elif "enum" in schema or "const" in schema:
        yield ", ".join(f'`"{value}"`' for value in schema.get("enum", [schema.get("const")]))
    elif "prefixItems" in schema:
        yield f"[{', '.join(' or '.join(_takes(one)) for one in schema['prefixItems'])}]"
    elif schema.get("type") == "array":
        yield f"a list of {' or '.join(_takes(schema['items']))}s"
    elif schema.get("type") in ("integer", "number"):
        yield schema["type"] + _limits(schema)
    elif schema.get("type") != "null":
        yield {"object": "table", "boolean": "true or false"}.get(schema.get("type", ""), schema.get("type", "any"))


def _limits(schema: dict[str, Any]) -> str:
    low = [f"{sign}{schema[key]}" for key, sign in (("exclusiveMinimum", "("), ("minimum", "[")) if key in schema]
    high = [f"{schema[key]}{sign}" for key, sign in (("exclusiveMaximum", ")"), ("maximum", "]")) if key in schema]
    if low and high:
        return f" in {low[0]}, {high[0]}"
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    return "".join(f" {sign} {schema[key]}" for key, sign in signs.items() if key in schema)


def _cell(text: str) -> str:
    """Returns a text in one line, with what is quoted as code."""
    parts = re.split("(`[^`]*`)", " ".join(text.split()).replace("|", r"\|"))
    return "".join(part if part.startswith("`") else _QUOTED.sub(r"`\1`", part) for part in parts)


if __name__ == "__main__":
    sys.exit(main())
