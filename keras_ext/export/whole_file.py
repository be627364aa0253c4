"""Files that appear whole or not at all, also on remote file systems, and folders of this machine that do."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Yields the path of a local file to write, which becomes `path` when all went well.

    Example:

    >>> with whole_file("gs://bucket/model.keras") as local:
    ...     model.save(local)
    """
    with tempfile.TemporaryDirectory() as directory:
        local = os.path.join(directory, os.path.basename(path))
        yield local
        tf.io.gfile.copy(local, f"{path}.partial", overwrite=True)
    tf.io.gfile.rename(f"{path}.partial", path, overwrite=True)


@contextlib.contextmanager
def whole_folder(path: str) -> Iterator[str]:
    """Yields the folder to write, which becomes `path` when all went well.

    That is `path` itself where there is such a folder, in which other things may lie, and on remote file systems, which
    move no folder at once.

    Example:

    >>> with whole_folder("serving/1") as unfinished:
    ...     archive.write_out(unfinished)
    """
    if "://" in path or os.path.exists(path):
        yield path
        return
    path = os.path.normpath(path)
    unfinished = f"{path}.partial-{os.getpid()}"
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
