"""One of several names: the check, and the error that suggests the nearest one."""

import difflib
from collections.abc import Iterable


def check_choice(argument: str, value: str, choices: Iterable[str]) -> str:
    """Returns `value` when it is one of `choices`.

    Args:
      argument: What the value was passed as; the error names it.
      value: What came.
      choices: What is allowed.

    Raises:
      ValueError: It is not; the message lists the choices and suggests the nearest.

    Example:

    >>> check_choice("color_mode", "rgb", ("rgb", "grayscale"))
    'rgb'
    """
    known = list(choices)
    if value in known:
        return value
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(value).lower(), lower, n=1, cutoff=0.5)
    hint = f" Did you mean {lower[near[0]]!r}?" if near else ""
    raise ValueError(f"{argument} must be one of {', '.join(map(repr, known))}. Received: {argument}={value!r}.{hint}")
