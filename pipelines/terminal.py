"""The terminal of a run: one live line for what runs now, one row for what is done; the flood goes to a log file."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from keras_ext.progress import progress_logger


class Terminal:
    """Shows rows and one live line. Make it with `terminal`."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._task = progress.add_task("", message="")

    def start(self, title: str) -> None:
        """Starts the live line of something."""
        self._progress.reset(self._task, description=escape(title), message="")

    def update(self, message: str) -> None:
        """Changes what the live line says beside its title."""
        self._progress.update(self._task, message=escape(message))

    def print(self, content: str | Table, style: str | None = None) -> None:
        """Prints a line or a table above the live line."""
        self._console.print(content, style=style, soft_wrap=True)


@contextlib.contextmanager
def terminal(log_file: Path) -> Iterator[Terminal]:
    """Takes over the terminal: all else that this process and its libraries print goes to `log_file`."""
    with _captured_output(log_file) as screen:
        console = Console(file=screen, markup=False, highlight=False)  # what is printed is data
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            # A long message is cut off; what stands before it keeps its place.
            TextColumn("[dim]{task.fields[message]}", table_column=Column(ratio=1, no_wrap=True)),
        )
        with Progress(
            *columns,
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
            # What the libraries print goes to the log, not above the live line.
            redirect_stdout=False,
            redirect_stderr=False,
        ) as progress:
            shown = Terminal(console, progress)
            handler = _TerminalHandler(shown)
            progress_logger.addHandler(handler)
            try:
                yield shown
            finally:
                progress_logger.removeHandler(handler)


@contextlib.contextmanager
def _captured_output(log_file: Path) -> Iterator[TextIO]:
    """Points the process's standard output and error, also those of C++ libraries, to the log; yields the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with open(log_file, "a", encoding="utf-8") as log, os.fdopen(os.dup(1), "w", encoding="utf-8") as screen:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
        try:
            yield screen
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for target, source in zip((1, 2), saved, strict=True):
                os.dup2(source, target)
                os.close(source)


class _TerminalHandler(logging.Handler):
    """Progress goes to the live line, warnings stay."""

    def __init__(self, shown: Terminal) -> None:
        super().__init__(logging.INFO)
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._shown.print(f"  {record.getMessage()}", style="yellow")
        else:
            self._shown.update(record.getMessage())
