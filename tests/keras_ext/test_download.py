"""Against a server of this process that can break off, change and lie."""

import hashlib
import http.server
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_ext import download
from keras_ext.download import DownloadError, downloaded

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """One file at every path.

    Attributes:
      content: The file.
      etag: Its version, or None.
      break_after: Bytes after which the connection breaks off, for each request to come; then no more.
      says_length: Whether the length is told.
      ranges: Whether a part can be asked for.
      answers: Status codes of the requests to come, before it works.
      asked: The headers `Range` of the requests so far.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.says_length, self.ranges = CONTENT, '"1"', True, True
        self.break_after, self.answers, self.asked = [], [], []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/some/photos.zip?x=1"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.answers:
            self.send_error(server.answers.pop(0))
            return
        start = 0
        if asked and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.says_length:
            self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        end = server.break_after.pop(0) if server.break_after else len(server.content)
        self.wfile.write(server.content[start : start + end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_PAUSES", (0, 0, 0, 0, 0))

    def fetch(**options):
        path = downloaded(server.address, str(tmp_path / "cache"), **options)
        with open(path, "rb") as file:
            return file.read()

    return fetch


def cached(tmp_path):
    """What lies in the cache beside locks."""
    return sorted(path.name.split("-", 1)[1] for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock")


def test_fetched_once(fetch, server, tmp_path):
    assert fetch() == CONTENT
    assert fetch(sha256=SHA256.upper()) == CONTENT
    assert server.asked == [None]
    assert cached(tmp_path) == ["photos.zip", "photos.zip.json"]


def test_two_addresses_of_the_same_name_are_two_files(server, tmp_path):
    paths = {downloaded(address, str(tmp_path)) for address in (server.address, server.address + "&y=2")}
    assert len(paths) == 2


def test_goes_on_where_the_connection_broke_off(fetch, server):
    server.break_after = [1_000_000, 500_000]
    assert fetch(sha256=SHA256) == CONTENT
    assert server.asked == [None, "bytes=1000000-", "bytes=1500000-"]


def test_goes_on_in_a_later_run(fetch, server, tmp_path):
    server.break_after = [1_000_000, *[0] * 5]
    with pytest.raises(
        DownloadError, match="cannot be fetched: the connection was closed. What came is kept: run again"
    ):
        fetch()
    assert cached(tmp_path) == ["photos.zip.partial", "photos.zip.partial.json"]
    assert fetch() == CONTENT
    assert server.asked[-1] == "bytes=1000000-"
    assert cached(tmp_path) == ["photos.zip", "photos.zip.json"]


def test_many_breaks_are_no_failure_while_it_grows(fetch, server):
    server.break_after = [300_000] * 9
    assert fetch() == CONTENT
    assert len(server.asked) == 10


def test_begins_again_where_the_file_is_another_one_by_now(fetch, server):
    server.break_after = [1_000_000, *[0] * 5]
    with pytest.raises(DownloadError):
        fetch()
    server.content, server.etag = CONTENT[::-1], '"2"'
    assert fetch() == CONTENT[::-1]


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": None}, {"etag": 'W/"1"'}])
def test_server_that_cannot_go_on(fetch, server, change):
    for name, value in change.items():
        setattr(server, name, value)
    server.break_after = [1_000_000]
    assert fetch(sha256=SHA256) == CONTENT


def test_partial_file_that_is_longer_than_the_file_now(fetch, server):
    server.break_after = [1_000_000, *[0] * 5]
    with pytest.raises(DownloadError):
        fetch()
    server.content = CONTENT[:900_000]
    assert fetch() == CONTENT[:900_000]


def test_other_content_than_expected(fetch, server, tmp_path):
    with pytest.raises(DownloadError, match=f"is not the expected file: its SHA-256 is {SHA256}, expected 0000"):
        fetch(sha256="0" * 64)
    assert cached(tmp_path) == ["photos.zip.partial.json"]
    assert fetch() == CONTENT
    server.content = CONTENT[::-1]
    assert fetch(sha256=hashlib.sha256(CONTENT[::-1]).hexdigest()) == CONTENT[::-1]


def test_sha256_that_cannot_be_is_refused_early(fetch, server):
    with pytest.raises(ValueError, match="sha256 must be 64 hexadecimal digits. Received: sha256='abc'"):
        fetch(sha256="abc")
    assert not server.asked


@pytest.mark.parametrize("says_length", [True, False])
def test_limit_of_size(fetch, server, tmp_path, says_length):
    server.says_length = says_length
    with pytest.raises(DownloadError, match="is larger than 1.0 MB"):
        fetch(max_bytes=1_000_000)
    assert "photos.zip" not in cached(tmp_path)
    partial = sum(path.stat().st_size for path in (tmp_path / "cache").glob("*.partial"))
    assert partial <= 1_000_000


def test_without_a_length(fetch, server):
    server.says_length = False
    assert fetch(sha256=SHA256) == CONTENT


@pytest.mark.parametrize("code", [403, 404, 410])
def test_answer_that_is_final(fetch, server, code):
    server.answers = [code]
    with pytest.raises(DownloadError, match=f"answers {code}"):
        fetch()
    assert len(server.asked) == 1


def test_answer_that_passes(fetch, server):
    server.answers = [503, 429, 500]
    assert fetch() == CONTENT


def test_nobody_answers(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_PAUSES", (0, 0, 0, 0, 0))
    with pytest.raises(DownloadError, match="http://127.0.0.1:9/x.zip cannot be fetched: .*refused.$"):
        downloaded("http://127.0.0.1:9/x.zip", str(tmp_path))


def test_several_at_a_time_fetch_once(fetch, server):
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: fetch(), range(4))) == [CONTENT] * 4
    assert server.asked == [None]


def test_progress(fetch, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "keras_ext.progress")
    monkeypatch.setattr(download, "_SECONDS_BETWEEN_LINES", 0)
    fetch()
    assert caplog.messages[-1] == "Fetched 3.0 of 3.0 MB"


def test_places_of_the_cache(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert downloaded(server.address).startswith(str(tmp_path / "user" / "keras_ext"))
    monkeypatch.setenv("KERAS_EXT_CACHE", str(tmp_path / "ours"))
    assert downloaded(server.address).startswith(str(tmp_path / "ours"))
