"""One file that holds the state of a training: nested dicts and lists of numbers, texts and arrays."""

import contextlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

_STATE = "state"
_ARRAY = "__array__"


def write_checkpoint(file: str | os.PathLike[str], state: dict[str, Any]) -> None:
    """Writes a file whole or not at all: under another name first, then on the disk, then under its own name.

    Args:
      file: Replaced where it is there.
      state: Dicts with texts as keys, lists, numbers, texts, booleans, None and NumPy arrays. Nothing is pickled.

    Raises:
      TypeError: Something else is in there.

    Example:

    >>> write_checkpoint("checkpoints/checkpoint.npz", {"epoch": 3, "weights": model.get_weights()})
    """
    arrays: dict[str, np.ndarray] = {}

    def reference(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            arrays[str(len(arrays))] = value
            return {_ARRAY: str(len(arrays) - 1)}
        raise TypeError(
            "The state of a training must be dicts, lists, numbers, texts and NumPy arrays. "
            f"Received: {value!r} of type {type(value).__name__}."
        )

    text = json.dumps(state, default=reference).encode()
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    with open(partial, "wb") as stream:
        np.savez(stream, **{_STATE: np.frombuffer(text, np.uint8)}, **arrays)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, file)
    _sync_folder(file.parent)


def read_checkpoint(file: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Returns what `write_checkpoint` wrote, or None where there is no such file.

    Raises:
      ValueError: The file is damaged, or no checkpoint.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:

            def resolve(value: dict[str, Any]) -> Any:
                return arrays[value[_ARRAY]] if set(value) == {_ARRAY} else value

            return json.loads(arrays[_STATE].tobytes(), object_hook=resolve)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"'{os.fspath(file)}' must be a checkpoint of keras_ext. Received: a file that is none, or is damaged "
            f"({error}). Delete it to train from the start, or pass another checkpoint_dir."
        ) from None


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power failure, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
