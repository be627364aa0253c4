"""Docstrings in Keras's form for griffe, which reads Google's.

An example stands below its heading without indentation, and there are sections that Google's form does not have:
shapes, call arguments, the outputs of a component.
"""

import re
import textwrap
from typing import Any

import griffe

_GOOGLE = {"Args", "Attributes", "Examples", "Raises", "Returns", "Yields"}
_HEADING = re.compile(r"^([A-Z][\w `]*):$", re.MULTILINE)
_ITEM = re.compile(r"^`?([\w*]+)`?(?= ?[:(])", re.MULTILINE)


class KerasDocstrings(griffe.Extension):
    """Rewrites docstrings into what griffe reads as it is meant."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(docstring: str) -> str:
    """Returns a docstring with its examples indented, and sections unknown to Google as paragraphs and lists."""
    prose, *sections = _HEADING.split(docstring)
    headings, bodies = sections[::2], sections[1::2]
    return prose + "".join(_section(heading, body.strip("\n")) for heading, body in zip(headings, bodies, strict=True))


def _section(heading: str, body: str) -> str:
    if heading in ("Example", "Examples"):
        return "Examples:\n" + textwrap.indent(textwrap.dedent(body), "    ") + "\n\n"
    if heading in _GOOGLE or not body.startswith(" "):
        return f"{heading}:\n{body}\n\n"
    text = textwrap.dedent(body)
    if _ITEM.match(text):
        text = _ITEM.sub(r"- `\1`", text)  # an item goes on in lines that are indented
    return f"**{heading}:**\n\n{text}\n\n"
