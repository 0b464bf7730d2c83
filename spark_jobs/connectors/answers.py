"""What an answer of an API means: data, a reason to ask again, or a reason to stop."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from quality.refusal import Refusal
from spark_jobs.connectors import StillBeingWritten
from spark_jobs.connectors.refusals import STAYS, NotThere, NotTrusted, login_refused
from spark_jobs.connectors.retries import Lost

UNCHANGED = HTTPStatus.NOT_MODIFIED
MAX_REDIRECTS = 5


def judge(answer: httpx.Response) -> None:
    """Raise Lost, StillBeingWritten or a refusal for every answer that is not JSON or `304 Not Modified`."""
    status = answer.status_code
    where = _where(answer)
    found = f"{status} {answer.reason_phrase}".strip()
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise login_refused(where, found, "token")
    if status == HTTPStatus.PRECONDITION_FAILED:
        raise StillBeingWritten(where)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Lost("the department's API is asked too often", found, _retry_after_s(answer))
    if answer.is_server_error:
        raise Lost("the department's API is out of order", found, _retry_after_s(answer))
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise NotThere(
            "the department's API has no such resource",
            where=where,
            expected="the resource that the contract names",
            found=found,
            remedy=f"ask the department where it is now, and correct the contract; {STAYS}",
        )
    if status not in {HTTPStatus.OK, UNCHANGED}:
        raise _no_data(where, "200 OK", found)
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if status == HTTPStatus.OK and not re.fullmatch(r"application/([\w.-]+\+)?json", media_type):
        raise _no_data(where, "application/json", media_type or "an answer without Content-Type")


def etag_of(answer: httpx.Response) -> str:
    """The version of the resource."""
    etag = answer.headers.get("ETag", "")
    if not etag:
        raise _no_data(_where(answer), "an ETag, which tells versions apart", "an answer without one")
    return str(etag)


def redirected(answer: httpx.Response) -> httpx.Request:
    """The request that a redirection asks for. Elsewhere than to the same server we do not go: we carry a token."""
    request = answer.next_request
    if request is None or _origin(request.url) != _origin(answer.url):
        raise _no_data(_where(answer), "an answer of this server", f"{answer.status_code}, a redirection")
    return request


def broken(error: httpx.RequestError, where: str) -> Lost | NotTrusted:
    """A connection that failed; but who shows the wrong certificate will show it again."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NotTrusted(
                "the server shows a certificate that nobody we trust has signed for it; no token was sent",
                where=where,
                expected="a certificate for this host by a known authority",
                found=cause.verify_message,
                remedy=f"give the department's CA as ca in the address, or ask it for a new certificate; {STAYS}",
            )
        cause = cause.__cause__ or cause.__context__
    return Lost("the department's API cannot be reached", f"{type(error).__name__}: {error}")


def _retry_after_s(answer: httpx.Response) -> float:
    """How long we are asked to wait: a number of seconds or a date (RFC 9110, 10.2.3)."""
    text = str(answer.headers.get("Retry-After", "")).strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0
    return (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _where(answer: httpx.Response) -> str:
    return str(answer.url.copy_with(query=None))


def _no_data(where: str, expected: str, found: str) -> Refusal:
    return Refusal(
        "the department's API does not answer with data",
        where=where,
        expected=expected,
        found=found,
        remedy=f"open the address in a browser, or ask the department; {STAYS}",
    )
