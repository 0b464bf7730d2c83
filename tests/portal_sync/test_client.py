import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from portal_sync.actual import TokenInvalid, read_portal
from portal_sync.client import Client, NotAPortal, PortalFailed, PortalUnreachable
from tests.portal import publisher
from tests.stack import Stack


class Page(BaseHTTPRequestHandler):
    """A web server that is no CKAN: the same page for every question."""

    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"<html><body>It works!</body></html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


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


@pytest.mark.parametrize("token", ["", "not-a-token"])
def test_a_bad_token_is_found_before_anything_is_compared(stack: Stack, token: str) -> None:
    with pytest.raises(TokenInvalid, match="kho up"):
        read_portal(Client(stack.settings.portal_url, token))


def test_the_publisher_is_no_sysadmin(stack: Stack) -> None:
    assert publisher(stack).call("user_show", {})["sysadmin"] is False
