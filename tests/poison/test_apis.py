"""APIs that answer with something else than their data, or with data that changes while it is fetched."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from quality.contract import Contract, load_all
from quality.refusal import Refusal
from spark_jobs.connectors import retries
from spark_jobs.extracts import extracts_of
from spark_jobs.fetch import fetch
from tests.poison.bench import Bench
from tests.poison.servers import Asked
from tests.spark_jobs.connectors.servers import HOST, https_server

FACILITIES = load_all()["health.facilities"]
WEEKS = load_all()["health.disease_weeks"]
ETAG = {"ETag": '"1"'}

Answer = Callable[[int], Response]


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "pause", lambda _: None)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def api(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], None]]:
    """Says what the department's API answers to a request for a page; 0 is the list of periods."""
    answers: list[Answer] = []

    async def answer(request: Request) -> Response:
        return answers[0](int(request.query_params.get("page", 0)))

    certificate = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(certificate)
    with https_server(Starlette(routes=[Route("/{path:path}", answer)]), authority, tmp_path) as port:
        monkeypatch.setenv("KHO_SOURCE_HEALTH_HTTP", f"https://:token@{HOST}:{port}?ca={quote(str(certificate))}")
        yield answers.append


def page(number: int, pages: int, total: int, *rows: Any) -> Response:
    return JSONResponse({"page": number, "pages": pages, "total": total, "data": list(rows)}, headers=ETAG)


def raw(content: str | bytes, kind: str = "application/json", **headers: str) -> Answer:
    return lambda _: Response(content, media_type=kind, headers=ETAG | headers)


def refused(bench: Bench, contract: Contract, lake: Path) -> Refusal:
    """Why nothing is fetched; and nothing is."""
    with bench.measured() as meter, pytest.raises(Refusal) as caught:
        fetch(contract, lake)
    bench.note("refused", caught.value.what, meter.peak)
    assert "what was fetched before stays" in caught.value.remedy
    assert "token" not in caught.value.found
    assert not extracts_of(lake, contract.table)
    return caught.value


def endless() -> Iterator[bytes]:
    yield b'{"page": 1, "pages": 1, "total": 1, "data": ["'
    while True:
        yield b"x" * (1 << 20)


def gzip_bomb(_: int) -> Response:
    packed = gzip.compress(b"[" * 300_000_000)
    return Response(packed, media_type="application/json", headers=ETAG | {"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        pytest.param(
            lambda number: page(number, 3, 6, "a", "b"), "a page of the API comes twice", id="the same page again"
        ),
        pytest.param(
            lambda number: page(number + (number > 1), 3, 6, number),
            "a page of the API is not the one asked for",
            id="a page left out",
        ),
        pytest.param(
            lambda number: page(number, 3, 9, number, -number),
            "the pages of the API do not add up",
            id="fewer rows than said",
        ),
        pytest.param(
            lambda number: page(number, 10**9, 10**12, number), "the API has too many pages", id="a billion pages"
        ),
        pytest.param(lambda number: page(number, 5_000, 1), "a page of the API is empty", id="empty pages"),
        pytest.param(
            raw("<html>Đăng nhập</html>", "text/html"), "the department's API does not answer with data", id="HTML"
        ),
        pytest.param(raw("<html>Đăng nhập</html>"), "page 1 of the API breaks off", id="HTML as JSON"),
        pytest.param(
            raw('{"page": 1, "pages": 1, "total": 1, "data": [1'), "page 1 of the API breaks off", id="half a page"
        ),
        pytest.param(raw(""), "page 1 of the API breaks off", id="nothing"),
        pytest.param(raw('{"error": "quota"}'), "the API's answer is no page", id="an error"),
        pytest.param(raw("[" * 10_000_000), "the API's answer is no page", id="brackets"),
        pytest.param(
            raw('{"page": 1, "pages": 1, "total": 1, "data": ' + "[" * 5_000 + "]" * 5_000 + "}"),
            "the API's answer is no page",
            id="deep lists",
        ),
        pytest.param(
            raw('{"page": 1, "pages": 1, "total": 1, "data": [' + "{}," * 15_000_000 + "{}]}"),
            "the API's answer is no page",
            id="15 million objects",
        ),
        pytest.param(
            lambda _: StreamingResponse(endless(), media_type="application/json", headers=ETAG),
            "a page of the API is too large",
            id="without end",
        ),
        pytest.param(gzip_bomb, "a page of the API is too large", id="a gzip bomb"),
        pytest.param(
            lambda _: JSONResponse({"error": "expired"}, 401),
            "the department's server refuses our login: the token is wrong or has expired",
            id="an expired token",
        ),
        pytest.param(lambda _: JSONResponse({}, 500), "the department's API is out of order", id="500"),
        pytest.param(lambda _: JSONResponse({}, 404), "the department's API has no such resource", id="404"),
    ],
)
def test_an_api_that_answers_with_something_else_is_refused(
    bench: Bench, lake: Path, api: Callable[[Answer], None], answer: Answer, what: str
) -> None:
    api(answer)
    assert refused(bench, FACILITIES, lake).what == what


def test_an_api_that_sends_us_elsewhere_is_not_followed(
    bench: Bench, lake: Path, api: Callable[[Answer], None]
) -> None:
    with Asked() as asked:
        api(lambda _: RedirectResponse(f"http://127.0.0.1:{asked.port}/"))
        assert "redirection" in refused(bench, FACILITIES, lake).found
    assert asked.paths == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda number: page(number, 3, 6 + number, number), id="more rows"),
        pytest.param(
            lambda number: Response(status_code=412) if number > 1 else page(1, 2, 2, 1), id="another version asked for"
        ),
        pytest.param(
            lambda number: JSONResponse(
                {"page": number, "pages": 2, "total": 2, "data": [number]}, headers={"ETag": f'"{number}"'}
            ),
            id="another version given",
        ),
    ],
)
def test_an_api_that_grows_while_it_is_paged_is_left_for_the_next_run(
    bench: Bench, lake: Path, api: Callable[[Answer], None], answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    api(answer)
    fetch(FACILITIES, lake)
    assert not extracts_of(lake, FACILITIES.table)
    told = "is still being written; the next run takes it"
    assert told in capsys.readouterr().out
    bench.note("later", told, 0)


@pytest.mark.parametrize(
    "periods",
    [
        pytest.param([{"period": "../../x", "etag": "1"}], id="a way out"),
        pytest.param([{"period": "2026-W40", "etag": "1"}] * 2, id="twice"),
        pytest.param([{"week": "2026-W40"}], id="another name"),
        pytest.param("2026-W40", id="text"),
        pytest.param([[[[]]]], id="lists"),
    ],
)
def test_a_list_of_periods_that_is_none_is_refused(
    bench: Bench, lake: Path, api: Callable[[Answer], None], periods: object
) -> None:
    api(lambda _: JSONResponse({"periods": periods}))
    assert refused(bench, WEEKS, lake).what == "the API's answer is no list of periods"


def test_a_list_of_periods_that_is_too_deep_is_refused(bench: Bench, lake: Path, api: Callable[[Answer], None]) -> None:
    api(raw('{"periods": ' + "[" * 100_000 + "]" * 100_000 + "}"))
    assert refused(bench, WEEKS, lake).what == "the API's answer is no list of periods"
