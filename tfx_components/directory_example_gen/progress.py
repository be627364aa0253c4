"""How far ingest is, for workers that share the process of whoever started them."""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from keras_ext.progress import progress_logger

_SECONDS_BETWEEN_LINES = 1.0
_running: dict[str, "_Count"] = {}


@dataclass
class _Count:
    total: int
    logged: float
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def counted(total: int) -> Iterator[str]:
    """Opens a count up to `total` images and yields the key under which `advance` finds it."""
    key = uuid.uuid4().hex
    _running[key] = _Count(total, time.monotonic())
    try:
        yield key
    finally:
        del _running[key]


def advance(key: str) -> None:
    """Counts one image and logs now and then; in another process nothing is known of the key, and nothing happens."""
    count = _running.get(key)
    if count is None:
        return
    with count.lock:
        count.done += 1
        now = time.monotonic()
        if now - count.logged >= _SECONDS_BETWEEN_LINES:
            count.logged = now
            progress_logger.info("%s of %s images", f"{count.done:,}", f"{count.total:,}")
