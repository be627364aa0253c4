"""The folder of a run: one input, one run at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_RECORD = "input.json"
_PARTIAL = "input.partial"
_LOCK = ".lock"


class OutputDirectoryError(ValueError):
    """The output folder cannot be used."""


@contextlib.contextmanager
def output_directory(path: str | Path, images: str | Path | Sequence[str]) -> Iterator[Path]:
    """Makes `path` if needed and holds it for one run over `images`.

    The folder records its input: the same input continues what is there, another one is an error, since caches,
    blessings and versions of two data sets must not mix.

    Raises:
      OutputDirectoryError: The folder is not writable, belongs to another input, holds other things, or another run is
        alive in it.
    """
    output = Path(path)
    try:
        output.mkdir(parents=True, exist_ok=True)
        _check_foreign(output)
        lock = open(output / _LOCK, "a")  # noqa: SIM115 - held for the whole run
    except OSError as error:
        raise OutputDirectoryError(f"Cannot write to output folder '{output}': {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputDirectoryError(
                f"Another run is alive in '{output}'. Wait for it to end, or choose another --output."
            ) from None
        several = [os.fspath(images)] if isinstance(images, str | Path) else images
        recorded = sorted(one if "://" in one else os.path.realpath(one) for one in several)
        _record_input(output, recorded if len(recorded) > 1 else recorded[0])
        yield output


def check_apart(output: str, images: str | Sequence[str]) -> None:
    """Refuses an output folder that lies in a local folder of images, or around it.

    Raises:
      OutputDirectoryError: What a run writes would be read as images, or the images lie among what it writes.
    """
    inner = os.path.join(os.path.realpath(output), "")
    for folder in filter(os.path.isdir, [images] if isinstance(images, str) else images):
        outer = os.path.join(os.path.realpath(folder), "")
        if inner.startswith(outer):
            raise OutputDirectoryError(
                f"--output must not lie in the images, as it would be read with them. Received: '{output}', and images "
                f"in '{folder}'. Choose another --output."
            )
        if outer.startswith(inner):
            raise OutputDirectoryError(
                f"The images must not lie in --output, which is for what a run writes. Received: '{output}', and "
                f"images in '{folder}'. Choose another --output."
            )


def _check_foreign(output: Path) -> None:
    names = sorted(entry.name for entry in output.iterdir())
    foreign = [name for name in names if name not in (_LOCK, _PARTIAL)]
    if foreign and _RECORD not in names:
        raise OutputDirectoryError(
            f"'{output}' is not empty and no output of keras-ext (it holds '{foreign[0]}'). Choose another --output."
        )


def _record_input(output: Path, images: str | list[str]) -> None:
    record = output / _RECORD
    if not record.exists():
        text = json.dumps({"images": images}, indent=2, ensure_ascii=False) + "\n"
        (output / _PARTIAL).write_text(text, encoding="utf-8")
        (output / _PARTIAL).rename(record)
        return
    try:
        recorded = json.loads(record.read_text(encoding="utf-8"))["images"]
    except (ValueError, KeyError, TypeError):
        raise OutputDirectoryError(f"'{record}' does not say what the input was. Choose another --output.") from None
    if recorded != images:
        raise OutputDirectoryError(
            f"'{output}' belongs to the images in {_quoted(recorded)}. Received: {_quoted(images)}. "
            "Choose another --output."
        )


def _quoted(images: str | list[str]) -> str:
    return ", ".join(f"'{one}'" for one in ([images] if isinstance(images, str) else images))
