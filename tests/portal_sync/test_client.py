import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portal_sync import client
from portal_sync.actual import TokenInvalid, read_portal
from portal_sync.client import Client, NotAPortal, PortalFailed, PortalUnreachable
from portal_sync.portal import opened
from portal_sync.rows import Rows
from tests.portal import publisher
from tests.stack import Stack

ROWS = b'"ten"\n"a"\n"b"\n'


class Page(BaseHTTPRequestHandler):
    """A web server that is no CKAN: the same page for every question. `later`: so often it says "come back later"."""

    status = 200
    content: bytes | None = b"<html><body>It works!</body></html>"
    promised = 0  # bytes more than come
    later = 0
    asked = 0
    sent = b""  # with the last question

    def do_POST(self) -> None:
        type(self).asked += 1
        length = self.headers["Content-Length"]
        type(self).sent = self._parts() if length is None else self.rfile.read(int(length))
        if self.content is None:
            self.close_connection = True
            return
        is_later = self.asked <= self.later
        self.send_response(429 if is_later else self.status)
        if is_later:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(self.content) + self.promised))
        self.end_headers()
        self.wfile.write(self.content)

    def _parts(self) -> bytes:
        """What comes in parts, each with its length before it; the last is empty."""
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_PUT = do_POST  # noqa: N815 - the library's names
    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def served(server: HTTPServer) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def web_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Page, "asked", 0)
    yield from served(HTTPServer(("127.0.0.1", 0), Page))


class Weary(Page):
    """A server that hangs up on a connection that has rested, just as something new comes on it."""

    protocol_version = "HTTP/1.1"
    patience_s = 0.2
    answered_at: float | None = None
    refused = 0

    def do_POST(self) -> None:
        if self.answered_at and time.monotonic() - self.answered_at > self.patience_s:
            type(self).refused += 1
            self.close_connection = True
            return
        super().do_POST()
        self.answered_at = time.monotonic()

    do_PUT = do_POST  # noqa: N815 - the library's name


@pytest.fixture
def weary(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Weary, "content", b'{"success": true, "result": {}}')
    yield from served(ThreadingHTTPServer(("127.0.0.1", 0), Weary))


def test_nothing_is_sent_on_a_connection_that_the_portal_may_be_closing(
    weary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_REST_S", Weary.patience_s / 4)
    asking = Client(weary, "token")
    asking.call("package_search")
    time.sleep(Weary.patience_s * 2)
    asking.put("kho/tables", io.BytesIO(ROWS))
    time.sleep(Weary.patience_s * 2)
    asking.call("package_search")
    assert Weary.refused == 0


def test_a_portal_that_is_down_is_named_with_what_to_do() -> None:
    with pytest.raises(PortalUnreachable, match="kho up"):
        read_portal(Client("http://127.0.0.1:9", "token"))


def test_a_page_that_is_no_ckan_is_told_from_one(web_page: str) -> None:
    with pytest.raises(NotAPortal, match="kho logs portal"):
        read_portal(Client(web_page, "token"))


def test_a_portal_that_fails_is_told_from_one_that_refuses(web_page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Page, "status", 500)
    with pytest.raises(PortalFailed, match="kho status") as caught:
        read_portal(Client(web_page, "token"))
    assert "<html>" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 409])
@pytest.mark.parametrize("content", [b"", b"<p>no JSON</p>", b"[]", b"{}"])
def test_what_is_no_answer_of_ckan_is_no_success(
    web_page: str, monkeypatch: pytest.MonkeyPatch, content: bytes, status: int
) -> None:
    monkeypatch.setattr(Page, "content", content)
    monkeypatch.setattr(Page, "status", status)
    with pytest.raises(NotAPortal, match=f"found: {status}"):
        read_portal(Client(web_page, "token"))
    with pytest.raises(NotAPortal, match="expected: JSON with `success`"):
        Client(web_page, "token").put("api/kho/files/x", io.BytesIO(b"x"))


@pytest.mark.parametrize(("content", "promised"), [(None, 0), (b'{"success": true, "result"', 10)])
def test_a_portal_that_hangs_up_or_breaks_off_is_told_with_where(
    web_page: str, monkeypatch: pytest.MonkeyPatch, content: bytes | None, promised: int
) -> None:
    monkeypatch.setattr(Page, "content", content)
    monkeypatch.setattr(Page, "promised", promised)
    with pytest.raises(PortalUnreachable, match="goes on where it stopped") as caught:
        read_portal(Client(web_page, "token"))
    assert caught.value.where == f"{web_page} user_show"


@pytest.mark.parametrize("made", [True, False], ids=["made as it is sent", "a file"])
def test_who_is_asked_to_come_back_later_does_so_with_all_that_was_sent(
    web_page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, made: bool
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"ten": ["a", "b"]}), path)
    stream = Rows(partial(opened, path)) if made else io.BytesIO(ROWS)
    monkeypatch.setattr(Page, "content", json.dumps({"success": True, "result": "done"}).encode())
    monkeypatch.setattr(Page, "later", 2)
    assert Client(web_page, "token").put("api/kho/files/x", stream) == "done"
    assert (Page.asked, Page.sent) == (3, ROWS)
    assert not isinstance(stream, Rows) or stream.sha256 == hashlib.sha256(ROWS).hexdigest()


def test_a_portal_that_is_never_ready_is_left_with_what_it_said(web_page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Page, "later", 1_000)
    with pytest.raises(PortalFailed, match="found: 429 It works!"):
        Client(web_page, "token").call("user_show")
    assert Page.asked == 4


@pytest.mark.parametrize("token", ["", "not-a-token"])
def test_a_bad_token_is_found_before_anything_is_compared(ckan: Stack, token: str) -> None:
    with pytest.raises(TokenInvalid, match="kho up"):
        read_portal(Client(ckan.settings.portal_url, token))


def test_the_publisher_is_no_sysadmin(ckan: Stack) -> None:
    assert publisher(ckan).call("user_show", {})["sysadmin"] is False
