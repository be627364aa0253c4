"""A file from an http or https address: fetched once, resumed when broken off, whole or not there at all."""

import contextlib
import fcntl
import hashlib
import http
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from keras_ext.progress import progress_logger

CACHE_VARIABLE: Final = "KERAS_EXT_CACHE"
MAX_BYTES: Final = 1 << 40

_CHUNK: Final = 1 << 20
_PAUSES: Final = (0.1, 0.5, 2.0, 5.0, 5.0)  # seconds after failures one after another
_ATTEMPTS: Final = len(_PAUSES)
_PAST_THE_END: Final = 416
_SECONDS_BETWEEN_LINES: Final = 1.0
_TIMEOUT: Final = 60.0
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})  # an answer that may be another one a little later


class DownloadError(ValueError):
    """The file cannot be had; the message says why."""


def is_address(path: str) -> bool:
    """Whether a path is an http or https address."""
    return re.match("https?://", path, re.IGNORECASE) is not None


def downloaded(
    address: str, cache_dir: str | None = None, sha256: str | None = None, max_bytes: int = MAX_BYTES
) -> str:
    """Returns the path of a local copy of the file at `address`; fetches it if there is none.

    A copy is taken as it is and the address not asked again; to have it fetched anew, delete the copy. What was fetched
    before the connection broke off stays, and the next attempt, also one of a later process, goes on from there.

    Args:
      address: Begins with 'http://' or 'https://'.
      cache_dir: The folder of the copies. By default that of the environment variable KERAS_EXT_CACHE, or 'keras_ext'
        in the user's cache folder.
      sha256: What the file must be, in hexadecimal.
      max_bytes: A larger file is refused.

    Raises:
      DownloadError: The address does not answer, or with another file than `sha256` says, or with too large a one.
    """
    check_sha256(sha256)
    folder = Path(cache_dir or os.environ.get(CACHE_VARIABLE) or _user_cache())
    folder.mkdir(parents=True, exist_ok=True)
    name = os.path.basename(urllib.parse.urlsplit(address).path) or "download"
    # Several addresses end in the same name.
    copy = folder / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}-{name[-100:]}"
    with _locked(copy.with_name(f"{copy.name}.lock")):
        known = _read_json(_record_of(copy)).get("sha256") if copy.exists() else None
        if known is None or (sha256 and sha256.lower() != known):
            known = _fetch(address, copy, max_bytes, sha256)
    return str(copy)


def check_sha256(sha256: str | None) -> None:
    """Refuses what cannot be a SHA-256.

    Raises:
      ValueError: It is not 64 hexadecimal digits.
    """
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"sha256 must be 64 hexadecimal digits. Received: sha256={sha256!r}.")


def _user_cache() -> str:
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "keras_ext")


def _fetch(address: str, copy: Path, max_bytes: int, sha256: str | None) -> str:
    """Fetches a file, however often the connection breaks off; returns its SHA-256."""
    partial = copy.with_name(f"{copy.name}.partial")
    failures = 0
    while failures < _ATTEMPTS:
        before = _size(partial)
        try:
            _fetch_rest(address, partial, max_bytes)
            return _finish(address, partial, copy, sha256)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code not in _PASSING:
                raise DownloadError(f"{address} answers {error.code} {error.reason}.") from None
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        failures = 1 if _size(partial) > before else failures + 1
        progress_logger.info("%s broke off (%s); going on", copy.name, reason)
        time.sleep(_PAUSES[failures - 1])
    kept = " What came is kept: run again to go on from there." if _size(partial) else ""
    raise DownloadError(f"{address} cannot be fetched: {reason}.{kept}")


def _fetch_rest(address: str, partial: Path, max_bytes: int) -> None:
    """Appends to `partial` what is missing, or fetches everything where that is another file by now."""
    headers = {"User-Agent": "keras-ext", "Accept-Encoding": "identity"}
    version = _read_json(_record_of(partial)).get("version")
    if version and _size(partial):
        headers |= {"Range": f"bytes={_size(partial)}-", "If-Range": version}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - http and https, see `is_address`
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != _PAST_THE_END:
            raise
        partial.unlink()
        raise ConnectionError("the file changed") from error
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        with open(partial, "ab" if goes_on else "wb") as file:
            if not goes_on:
                etag = response.headers.get("ETag", "")
                version = response.headers.get("Last-Modified") if etag[:2] in ("", "W/") else etag
                _write_json(_record_of(partial), {"version": version})
            _copy(response, file, max_bytes, address)


def _copy(response: Any, file: BinaryIO, max_bytes: int, address: str) -> None:
    done = file.tell()
    length = response.headers.get("Content-Length")
    total = None if length is None else done + int(length)
    shown = f" of {total / 1e6:,.1f}" if total else ""
    logged = time.monotonic()
    if max(total or 0, done) > max_bytes:
        raise DownloadError(f"{address} is larger than {max_bytes / 1e6:,.1f} MB. Raise the limit if that is right.")
    while chunk := response.read1(_CHUNK):
        done += len(chunk)
        if done > max_bytes:
            raise DownloadError(
                f"{address} is larger than {max_bytes / 1e6:,.1f} MB. Raise the limit if that is right."
            )
        file.write(chunk)
        if time.monotonic() - logged >= _SECONDS_BETWEEN_LINES:
            logged = time.monotonic()
            progress_logger.info("Fetched %s%s MB", f"{done / 1e6:,.1f}", shown)
    if total is not None and done < total:
        raise ConnectionError("the connection was closed")


def _finish(address: str, partial: Path, copy: Path, sha256: str | None) -> str:
    with open(partial, "rb") as file:
        found = _sha256(file)
    if sha256 and found != sha256.lower():
        partial.unlink()
        raise DownloadError(
            f"{address} is not the expected file: its SHA-256 is {found}, expected {sha256.lower()}. "
            "If the new file is right, pass its SHA-256."
        )
    copy.unlink(missing_ok=True)
    _write_json(_record_of(copy), {"address": address, "sha256": found})
    partial.rename(copy)
    _record_of(partial).unlink(missing_ok=True)
    return found


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lets one process at a time fetch a file; the others then find it."""
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
