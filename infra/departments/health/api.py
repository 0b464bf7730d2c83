"""The simulated Department of Health's HTTP API, with TLS, on 127.0.0.1.

`python -m infra.departments.health.api --folder F --port P --certificate C --key K` serves what `health.deliver` laid
out in F. From the environment: `KHO_DEPARTMENT_TOKEN` (needed), `KHO_DEPARTMENT_TOKEN_EXPIRES` (such as
2026-12-31T00:00:00+07:00), `KHO_DEPARTMENT_RATE` (requests a second, 50; 0: no limit), `KHO_DEPARTMENT_FAULTS` (every
so many requests one fails, 50; 0: none).

    GET /v1/ping                      without token
    GET /v1/facilities, /v1/practitioners, /v1/disease-weeks/{period}    ?page=1&page_size=100, 1,000 at most
    GET /v1/disease-weeks             {"periods": [{"period": "2026-W40", "etag": "…", …}]}

A page is `{"nguon", "page", "pages", "total", "as_of", "data"}`; its ETag is that of the whole collection. With
If-None-Match the answer is 304 when nothing changed, with If-Match 412 when something did.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from infra.departments.health.collections import STATE, Collection, Collections, NothingYet
from infra.departments.health.gate import PING, Answer, Gate, Rules
from quality.refusal import Refusal, run

HOST = "127.0.0.1"
PAGE_SIZE, LARGEST_PAGE_SIZE = 100, 1_000
WEEKS = "disease-weeks"
SOURCE_NOTE = "dữ liệu mô phỏng"


def application(folder: Path, rules: Rules) -> ASGIApp:
    """The API of one folder, behind its gate."""
    collections = Collections(folder)

    def ping(_: Request) -> Response:
        return Answer({"nguon": SOURCE_NOTE, "ping": "pong"})

    def page(request: Request) -> Response:
        name = request.url.path.removeprefix("/v1/")
        found = collections.one(name)
        if found is None:
            raise HTTPException(404, f"không có: there is no {name}")
        return _page(request, found)

    def weeks(_: Request) -> Response:
        listed = [
            {"period": name.partition("/")[2], "etag": entry["etag"], "total": entry["total"], "as_of": entry["as_of"]}
            for name, entry in sorted(collections.listed().items())
            if name.startswith(f"{WEEKS}/")
        ]
        return Answer({"nguon": SOURCE_NOTE, "periods": listed})

    routes = [
        Route(PING, ping),
        Route("/v1/facilities", page),
        Route("/v1/practitioners", page),
        Route(f"/v1/{WEEKS}", weeks),
        Route(f"/v1/{WEEKS}/{{period}}", page),
    ]
    return Gate(Starlette(routes=routes, exception_handlers={HTTPException: _problem, NothingYet: _nothing}), rules)


def main() -> None:
    """Read the command line and the environment, and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m infra.departments.health.api", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    given = parser.parse_args()
    for path in (given.certificate, given.key, given.folder / STATE):
        if not path.is_file():
            raise Refusal("a file that the API needs is not there", where=str(path))
    uvicorn.run(
        application(given.folder, _rules()),
        host=HOST,
        port=given.port,
        ssl_certfile=given.certificate,
        ssl_keyfile=given.key,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,  # who asked for which people is nobody's business
        server_header=False,
        timeout_graceful_shutdown=3,
    )


def _rules() -> Rules:
    token = os.environ.get("KHO_DEPARTMENT_TOKEN", "")
    if not token:
        raise Refusal("KHO_DEPARTMENT_TOKEN is not set", expected="the token that readers must show")
    expires = os.environ.get("KHO_DEPARTMENT_TOKEN_EXPIRES", "")
    rate, faults = os.environ.get("KHO_DEPARTMENT_RATE", ""), os.environ.get("KHO_DEPARTMENT_FAULTS", "")
    default = Rules(token)
    return Rules(
        token,
        datetime.fromisoformat(expires).astimezone() if expires else None,
        float(rate or default.rate),
        int(faults or default.fault_every),
    )


def _page(request: Request, found: Collection) -> Response:
    headers = {"ETag": found.etag, "Cache-Control": "private, no-cache"}
    if found.etag in (known := _tags(request, "if-none-match", weak="W/")) or "*" in known:
        return Response(None, 304, headers)
    if (wanted := _tags(request, "if-match")) and found.etag not in wanted and "*" not in wanted:
        raise HTTPException(412, "dữ liệu đã thay đổi: the collection has changed", headers)
    page = _whole(request, "page", 1, sys.maxsize)
    page_size = _whole(request, "page_size", PAGE_SIZE, LARGEST_PAGE_SIZE)
    pages = found.pages(page_size)
    if page > pages:
        raise HTTPException(404, f"không có trang này: there are {pages} pages")
    told = {"nguon": SOURCE_NOTE, "page": page, "pages": pages, "total": found.total, "as_of": found.as_of}
    head = json.dumps(told, ensure_ascii=False).encode().removesuffix(b"}")
    records = b",\n".join(found.records(page, page_size))
    return Answer(head + b', "data": [\n' + records + b"\n]}\n", 200, headers)


def _tags(request: Request, header: str, weak: str = "") -> list[str]:
    """The versions that a condition names. If-Match compares strongly, If-None-Match weakly (RFC 9110, 8.8.3.2)."""
    named = (word.strip().removeprefix(weak) for word in request.headers.get(header, "").split(","))
    return [tag for tag in named if tag]


def _whole(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19 and 1 <= int(text) <= most):  # noqa: PLR2004  int64
        raise HTTPException(400, f"{name} không hợp lệ: expected a whole number, 1 to {most}")
    return int(text)


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return Answer({"loi": error.detail}, error.status_code, error.headers)


async def _nothing(_: Request, __: Exception) -> Response:
    return Answer({"loi": "chưa có dữ liệu: nothing was delivered yet"}, 503, {"Retry-After": "5"})


if __name__ == "__main__":
    sys.exit(run(main))
