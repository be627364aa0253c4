"""Files of this machine that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields the name of a file to write, which becomes `path` when all went well, and vanishes otherwise.

    Example:

    >>> with atomic_file("out.csv") as unfinished, open(unfinished, "w") as file:
    ...     file.writelines(rows)
    """
    unfinished = f"{os.fspath(path)}.partial-{os.getpid()}"
    try:
        yield unfinished
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())  # the content is on the disk before the name
        os.replace(unfinished, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(unfinished)
