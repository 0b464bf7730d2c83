from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from quality.refusal import Refusal
from spark_jobs.connectors import Offer, StillBeingWritten, http
from spark_jobs.connectors.http import Http, connect
from spark_jobs.connectors.pages import PagesMismatch
from spark_jobs.connectors.refusals import LoginRefused, NotThere, NotTrusted, Unreachable
from tests.ports import free_port
from tests.spark_jobs.connectors.servers import HOST, cutting_line, delivery, extract, https_server

TOKEN = "t0ken/=="  # noqa: S105 - of a test
FACILITIES = delivery("http", resource="/v1/facilities")
WEEKS = delivery("http", resource="/v1/disease-weeks/{period}", mode="period")
OFFER = Offer("all", "/v1/facilities", '"1"')

Answer = Callable[[Request, int], Response | None]


@dataclass
class Api:
    """An API of pages, its faults, and what it was asked."""

    pages: list[list[Any]] = field(default_factory=lambda: [[1, 2], [3, 4], [5]])
    etag: str = '"1"'
    total: int | None = None
    periods: object = field(default_factory=lambda: {"periods": [{"period": "2026-W40", "etag": '"a"'}]})
    fault: Answer = lambda _request, _page: None
    asked: list[tuple[str, int]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def page(self, number: int) -> dict[str, Any]:
        total = sum(len(page) for page in self.pages) if self.total is None else self.total
        return {"page": number, "pages": len(self.pages), "total": total, "data": self.pages[number - 1]}

    async def answer(self, request: Request) -> Response:
        number = int(request.query_params.get("page", 0))
        self.asked.append((request.url.path, number))
        self.headers.append(dict(request.headers))
        if (wrong := self.fault(request, number)) is not None:
            return wrong
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "expired"}, 401)
        if number == 0:
            return JSONResponse(self.periods)
        if request.headers.get("If-None-Match") == self.etag:
            return Response(status_code=304, headers={"ETag": self.etag})
        if request.headers.get("If-Match", self.etag) != self.etag:
            return JSONResponse({"error": "changed"}, 412)
        assert request.query_params["page_size"] == "1000"
        return JSONResponse(self.page(number), headers={"ETag": self.etag})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def port(api: Api, authority: trustme.CA, tmp_path: Path) -> Iterator[int]:
    app = Starlette(routes=[Route("/{path:path}", api.answer)])
    with https_server(app, authority, tmp_path) as port:
        yield port


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "CA của sở.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def source(port: int, ca: Path) -> Iterator[Http]:
    with connect(address(port, ca)) as source:
        yield source


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def address(port: int, ca: Path, token: str = TOKEN, base: str = "/api") -> str:
    return f"https://:{quote(token, safe='')}@{HOST}:{port}{base}?ca={quote(str(ca))}"


def taken(target: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_bytes())["data"] for path in sorted(target.iterdir())}


def once(wrong: Callable[[], Response], at_page: int = 1) -> Answer:
    """Answers wrongly the first time it is asked for a page."""
    left = [wrong]
    return lambda _, page: left.pop()() if left and page == at_page else None


def test_a_snapshot_is_offered_with_the_version_of_its_first_page(source: Http, api: Api) -> None:
    assert source.offers(FACILITIES, None) == ([OFFER], [])
    assert api.asked == [("/api/v1/facilities", 1)]


def test_an_unchanged_snapshot_has_the_stamp_of_the_last_one_and_sends_no_data(source: Http, api: Api) -> None:
    assert source.offers(FACILITIES, extract('"1"')) == ([OFFER], [])
    assert api.headers[0]["if-none-match"] == '"1"'
    api.etag = '"2"'
    assert source.offers(FACILITIES, extract('"1"'))[0][0].stamp == '"2"'
    assert len(api.asked) == 2


def test_periods_are_read_from_the_collection(source: Http, api: Api) -> None:
    listed = [{"period": "2026-W41", "etag": "b"}, {"period": "2026-W40", "etag": 'W/"a"'}]
    api.periods = {"periods": listed}
    assert source.offers(WEEKS, None) == (
        [
            Offer("2026-W40", "/v1/disease-weeks/2026-W40", 'W/"a"'),
            Offer("2026-W41", "/v1/disease-weeks/2026-W41", '"b"'),
        ],
        [],
    )
    assert api.asked == [("/api/v1/disease-weeks", 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"periods": 1},
        {"periods": [{"period": "2026"}]},
        {"periods": [{"period": "../2026", "etag": "a"}]},
        {"periods": [{"period": "2026", "etag": "a"}, {"period": "2026", "etag": "b"}]},
    ],
)
def test_a_list_of_periods_that_is_none_is_refused(source: Http, api: Api, wrong: object) -> None:
    api.periods = wrong
    with pytest.raises(Refusal, match="no list of periods"):
        source.offers(WEEKS, None)


def test_every_page_is_kept_as_it_came(source: Http, api: Api, target: Path) -> None:
    body = b'{ "total":2,\n"pages":2, "page":%d, "data":["\xe1\xbb\x87%d"] }'
    api.fault = lambda _, page: Response(body % (page, page), media_type="application/json", headers={"ETag": '"1"'})
    assert source.take(OFFER, FACILITIES, target) == ["page-0001.json", "page-0002.json"]
    assert (target / "page-0002.json").read_bytes() == body % (2, 2)
    assert [headers["if-match"] for headers in api.headers] == ['"1"', '"1"']
    assert api.headers[0]["accept-encoding"] == "identity"


def test_a_resource_without_rows_is_one_page(source: Http, api: Api, target: Path) -> None:
    api.pages = [[]]
    assert source.take(OFFER, FACILITIES, target) == ["page-0001.json"]


def test_a_weak_version_is_compared_but_not_asked_for(source: Http, api: Api, target: Path) -> None:
    api.etag = 'W/"1"'
    assert len(source.take(Offer("all", "/v1/facilities", 'W/"1"'), FACILITIES, target)) == 3
    assert "if-match" not in api.headers[0]


def test_pages_of_an_interrupted_try_are_kept(source: Http, api: Api, target: Path) -> None:
    (target / "page-0001.json").write_text(json.dumps(api.page(1)))
    (target / "page-0002.json").write_bytes(b"")  # the machine stopped before it was on the disk
    (target / "page-0002.json.partial").write_text('{"page":')
    assert len(source.take(OFFER, FACILITIES, target)) == 3
    assert api.asked == [("/api/v1/facilities", 2), ("/api/v1/facilities", 3)]
    assert taken(target) == {"page-0001.json": [1, 2], "page-0002.json": [3, 4], "page-0003.json": [5]}


def test_an_interrupted_take_keeps_its_pages_and_goes_on_from_there(source: Http, api: Api, target: Path) -> None:
    api.fault = lambda _, page: JSONResponse({}, 500) if page == 3 else None
    with pytest.raises(Unreachable):
        source.take(OFFER, FACILITIES, target)
    api.fault = lambda _request, _page: None
    api.asked.clear()
    assert len(source.take(OFFER, FACILITIES, target)) == 3
    assert api.asked == [("/api/v1/facilities", 3)]


def grow(api: Api, *, etag: str, precondition: bool = True) -> Answer:
    """Another version from the second page on."""

    def answer(request: Request, page: int) -> Response | None:
        if page != 2:
            return None
        api.pages, api.etag = [[1, 2], [3, 4], [5, 6]], etag
        known = request.headers["If-Match"]
        return None if precondition or known == etag else JSONResponse(api.page(2), headers={"ETag": etag})

    return answer


@pytest.mark.parametrize(("etag", "precondition"), [('"2"', True), ('"2"', False), ('"1"', True)])
def test_a_resource_that_grows_while_it_is_paged_is_still_being_written(
    source: Http, api: Api, target: Path, etag: str, *, precondition: bool
) -> None:
    api.fault = grow(api, etag=etag, precondition=precondition)
    with pytest.raises(StillBeingWritten):
        source.take(OFFER, FACILITIES, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("page", "fact"),
    [
        ({"page": 1, "pages": 3, "total": 5, "data": [1, 2]}, "not the one asked for"),
        ({"page": 3, "pages": 3, "total": 5, "data": [5]}, "not the one asked for"),
        ({"page": 2, "pages": 3, "total": 5, "data": [1, 2]}, "comes twice"),
        ({"page": 2, "pages": 3, "total": 5, "data": [3]}, "do not add up"),
        ({"page": 2, "pages": 3, "total": 5, "data": [3, 4, 4]}, "do not add up"),
    ],
)
def test_a_page_that_is_left_out_or_repeated_is_refused_and_all_come_again(
    source: Http, api: Api, target: Path, page: dict[str, Any], fact: str
) -> None:
    api.fault = once(lambda: JSONResponse(page, headers={"ETag": '"1"'}), at_page=2)
    with pytest.raises(PagesMismatch, match=fact):
        source.take(OFFER, FACILITIES, target)
    assert list(target.iterdir()) == []
    assert len(source.take(OFFER, FACILITIES, target)) == 3


def test_an_expired_token_is_refused_at_once(port: int, ca: Path, waits: list[float]) -> None:
    with connect(address(port, ca, "oldt0ken")) as source, pytest.raises(LoginRefused, match="the token is") as caught:
        source.offers(FACILITIES, None)
    assert caught.value.found == "401 Unauthorized"
    assert "oldt0ken" not in str(caught.value)
    assert waits == []


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        (HTMLResponse("<html>Đăng nhập</html>"), "text/html"),
        (Response(b"{}"), "without Content-Type"),
        (JSONResponse({}), "without one"),
        (JSONResponse({}, headers={"ETag": '"1"'}), "no JSON object with"),
        (JSONResponse({}, 400), "400 Bad Request"),
        (RedirectResponse("https://elsewhere.invalid/v1/facilities"), "307, a redirection"),
        (RedirectResponse(f"http://{HOST}/v1/facilities"), "307, a redirection"),
    ],
)
def test_what_is_no_page_is_refused_at_once(
    source: Http, api: Api, target: Path, waits: list[float], answer: Response, fact: str
) -> None:
    api.fault = lambda _request, _page: answer
    with pytest.raises(Refusal) as caught:
        source.take(OFFER, FACILITIES, target)
    assert fact in caught.value.found
    assert TOKEN not in str(caught.value)
    assert waits == []
    assert len(api.asked) == 1


def test_a_missing_resource_is_refused_at_once(source: Http, api: Api, waits: list[float]) -> None:
    api.fault = lambda _request, _page: JSONResponse({}, 404)
    with pytest.raises(NotThere):
        source.offers(FACILITIES, None)
    assert waits == []


def test_a_redirection_on_the_same_server_is_followed_a_few_times(source: Http, api: Api) -> None:
    api.fault = lambda request, _: (
        RedirectResponse("/v2/facilities?page=1&page_size=1000") if "v1" in request.url.path else None
    )
    assert source.offers(FACILITIES, None)[0][0].stamp == '"1"'
    api.fault = lambda _request, _page: RedirectResponse("/v1/facilities")
    with pytest.raises(Refusal, match="does not answer with data"):
        source.offers(FACILITIES, None)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_given_the_seconds_it_asks_for(
    source: Http, api: Api, waits: list[float], status: int
) -> None:
    api.fault = once(lambda: JSONResponse({}, status, {"Retry-After": "40"}))
    assert source.offers(FACILITIES, None) == ([OFFER], [])
    assert waits == [40]


def test_a_busy_server_may_name_a_date_and_is_waited_for_two_minutes_at_most(
    source: Http, api: Api, waits: list[float]
) -> None:
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    api.fault = once(lambda: JSONResponse({}, 429, {"Retry-After": tomorrow}))
    source.offers(FACILITIES, None)
    assert waits == [120]


def test_a_server_that_is_always_busy_is_given_up_after_five_tries(source: Http, api: Api, waits: list[float]) -> None:
    api.fault = lambda _request, _page: JSONResponse({}, 429, {"Retry-After": "soon"})
    with pytest.raises(Unreachable, match="asked too often"):
        source.offers(FACILITIES, None)
    assert len(api.asked) == 5
    assert len(waits) == 4


def test_a_server_that_fails_once_is_asked_again(source: Http, api: Api, target: Path, waits: list[float]) -> None:
    api.fault = once(lambda: JSONResponse({}, 502), at_page=2)
    assert len(source.take(OFFER, FACILITIES, target)) == 3
    assert len(waits) == 1


async def half() -> AsyncIterator[bytes]:
    yield b'{"page": 2, "pages": 3, "total": 5, "da'


@pytest.mark.parametrize("headers", [{"Content-Length": "60"}, {}])
def test_a_page_that_breaks_off_is_asked_for_again(
    source: Http, api: Api, target: Path, waits: list[float], headers: dict[str, str]
) -> None:
    json_of_version = {"Content-Type": "application/json", "ETag": '"1"', **headers}
    api.fault = once(lambda: StreamingResponse(half(), headers=json_of_version), at_page=2)
    source.take(OFFER, FACILITIES, target)
    assert taken(target) == {"page-0001.json": [1, 2], "page-0002.json": [3, 4], "page-0003.json": [5]}
    assert len(waits) == 1


def test_a_cut_line_is_taken_up_again(port: int, ca: Path, api: Api, target: Path) -> None:
    api.pages = [["x" * 100_000], ["y" * 100_000]]
    with ExitStack() as stack:
        at = stack.enter_context(cutting_line(port, [500, 50_000, 150_000]))
        with connect(address(at, ca)) as source:
            assert len(source.take(OFFER, FACILITIES, target)) == 2
    assert [page for _, page in api.asked] == [1, 1, 2, 2]


def test_nobody_at_the_port_is_refused_after_five_tries(ca: Path, waits: list[float]) -> None:
    with connect(address(free_port(), ca)) as source, pytest.raises(Unreachable) as caught:
        source.offers(FACILITIES, None)
    assert len(waits) == 4
    assert TOKEN not in str(caught.value)


def test_a_page_beyond_the_limit_is_refused_and_not_kept(
    source: Http, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PAGE_BYTES", 20)
    with pytest.raises(Refusal, match="too large"):
        source.take(OFFER, FACILITIES, target)
    assert (
        taken(target) == {}
        if not list(target.iterdir())
        else [path.suffix for path in target.iterdir()] == [".partial"]
    )


def test_a_certificate_of_another_authority_is_refused_before_the_token_is_sent(
    port: int, api: Api, tmp_path: Path, waits: list[float]
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with connect(address(port, other)) as source, pytest.raises(NotTrusted):
        source.offers(FACILITIES, None)
    assert api.asked == []
    assert waits == []


def test_without_a_ca_the_authorities_of_the_system_decide(port: int, api: Api, ca: Path) -> None:
    with connect(address(port, ca).partition("?")[0]) as source, pytest.raises(NotTrusted):
        source.offers(FACILITIES, None)
    assert api.asked == []


def test_a_certificate_for_another_host_is_refused(port: int, ca: Path, api: Api) -> None:
    with connect(address(port, ca).replace(HOST, "localhost")) as source, pytest.raises(NotTrusted):
        source.offers(FACILITIES, None)
    assert api.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        "http://:geheim@host/api",
        "https://geheim@host/api",
        "https://:gehe/im@host/api",
        "https://:gehe%0Aim@host/api",
        "https://:gehe%C3%A9@host/api",
        "https://:geheim@host/api?ca=/nowhere/ca.pem",
        "https://:geheim@host/api?verify=no",
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_its_token(wrong: str) -> None:
    with pytest.raises(Refusal) as caught:
        connect(wrong)
    assert "gehe" not in str(caught.value)


def test_nothing_is_put_anywhere(source: Http, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="takes no files back"):
        source.put("a", tmp_path)
