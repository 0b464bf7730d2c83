"""Before the simulated Department of Health's API: its limit of requests, its bad days, and its token.

An ASGI application around another. `/v1/ping` is let through, so that a supervisor may ask as often as it likes.
"""

from __future__ import annotations

import hmac
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PING = "/v1/ping"
REALM = 'Bearer realm="so-y-te"'
BURST_SECONDS = 2  # so many seconds' requests may come at once


class Answer(Response):
    """JSON, with Vietnamese as it is."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Bytes stay as they are."""
        return content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Rules:
    """What the gate asks for.

    `rate`: requests a second, 0 for no limit. `fault_every`: every so many requests one goes wrong, in turn with 500
    and with a cut connection; 0 for never. `expires`: when the token does, None for never.
    """

    token: str
    expires: datetime | None = None
    rate: float = 50
    fault_every: int = 50


class Bucket:
    """A token bucket. `clock` in seconds, only ever growing."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Full."""
        self._rate = rate
        self._clock = clock
        self._held = rate * BURST_SECONDS
        self._at = clock()

    def wait_s(self) -> int:
        """0 when a request may pass, and it is counted; else after how many seconds to try again."""
        if not self._rate:
            return 0
        now = self._clock()
        self._held = min(self._rate * BURST_SECONDS, self._held + (now - self._at) * self._rate)
        self._at = now
        if self._held >= 1:
            self._held -= 1
            return 0
        return math.ceil((1 - self._held) / self._rate)


class Gate:
    """Lets a request through to `app`, or answers itself."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        """`rules` hold as long as it lives."""
        self._app = app
        self._rules = rules
        self._bucket = Bucket(rules.rate)
        self._passed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] == PING:
            await self._app(scope, receive, send)
            return
        if wait_s := self._bucket.wait_s():
            answer = _problem(429, "quá nhiều yêu cầu: too many requests", {"Retry-After": str(wait_s)})
            await answer(scope, receive, send)
            return
        self._passed += 1
        every = self._rules.fault_every
        turn = self._passed // every if every and self._passed % every == 0 else 0
        if turn % 2 == 1:
            await _problem(500, "lỗi máy chủ: internal error")(scope, receive, send)
            return
        found = self._refusal(Headers(scope=scope).get("authorization", "")) or self._app
        await found(scope, receive, _cut(send) if turn else send)

    def _refusal(self, authorization: str) -> Response | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _problem(401, "thiếu mã truy cập: no token", {"WWW-Authenticate": REALM})
        is_ours = hmac.compare_digest(token.strip().encode(), self._rules.token.encode())
        is_over = self._rules.expires is not None and datetime.now(UTC) >= self._rules.expires
        if is_ours and not is_over:
            return None
        what = "mã truy cập đã hết hạn: the token expired" if is_ours else "mã truy cập không đúng: unknown token"
        told = f'{REALM}, error="invalid_token", error_description="{what.partition(": ")[2]}"'
        return _problem(401, what, {"WWW-Authenticate": told})


def _problem(status: int, what: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer({"loi": what}, status, headers)


def _cut(send: Send) -> Send:
    """Half of the body, and then nothing: the server closes the connection of an application that ends so."""
    is_over = False

    async def half(message: Message) -> None:
        nonlocal is_over
        if is_over:
            return
        if message["type"] == "http.response.body":
            is_over = True
            body = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return half
