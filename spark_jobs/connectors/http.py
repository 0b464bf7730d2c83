"""An API of the department: JSON in pages over HTTPS, with a token.

Address: `https://:TOKEN@host:port/base?ca=/path/of/a/CA.pem`; without `ca`, the system's. Parameters `page` and
`page_size`; the answer's `ETag` stands for all pages of a resource and changes with any of them. Periods are listed at
the path before `/{period}`: `{"periods": [{"period": "2026-W40", "etag": "…"}]}`.
"""

from __future__ import annotations

import json
import re
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from quality.delivery import Delivery
from quality.refusal import Refusal
from spark_jobs.connectors import PARTIAL, Offer, StillBeingWritten
from spark_jobs.connectors.addresses import Address, address_mistake, read_address
from spark_jobs.connectors.answers import MAX_REDIRECTS, UNCHANGED, broken, etag_of, judge, redirected
from spark_jobs.connectors.pages import Page, Pages, PagesMismatch, parsed, read_page
from spark_jobs.connectors.refusals import STAYS, no_inbox
from spark_jobs.connectors.retries import Lost, persistently
from spark_jobs.extracts import ALL, Extract

FORM = "https://:TOKEN@host:port/base?ca=/path/of/a/CA.pem"
CONNECT_S, READ_S = 10, 60
PAGE_ROWS = 1000
PAGE_BYTES = 64 << 20
PERIOD = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")
Answer = TypeVar("Answer")


def connect(address: str) -> Http:
    """The API of an address; nobody is asked yet."""
    found = read_address(address, "https", 443, FORM, ("ca",))
    if found.user:  # most likely the token without its colon, which messages would then show
        raise address_mistake(FORM, "one with a user")
    return Http(found)


class Http:
    """Resources below one address. One request at a time."""

    def __init__(self, address: Address) -> None:
        """Nobody is asked yet."""
        self.where = address.where
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "kho"}
        if address.password:
            headers["Authorization"] = f"Bearer {_token(address)}"
        self._client = httpx.Client(
            base_url=address.where,
            headers=headers,
            verify=_trust(address),
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=1),
            trust_env=False,  # neither a proxy nor a .netrc that this machine happens to have
        )

    def __enter__(self) -> Self:
        """Nobody is asked yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._client.close()

    def offers(self, delivery: Delivery, last: Extract | None) -> tuple[list[Offer], list[str]]:
        """The whole resource, or each of its periods. An API has no strangers."""
        if delivery.mode == "period":
            return self._do(lambda: self._periods(delivery)), []
        known = last.files[0].stamp if last and last.files else ""
        return [self._do(lambda: self._snapshot(delivery, known))], []

    def take(self, offer: Offer, delivery: Delivery, folder: Path) -> list[str]:  # noqa: ARG002 - the interface's
        """Each page as it came. Pages that have come are kept; if they do not fit together, all come again."""
        pages = Pages(f"{self.where}{offer.name}")
        paths: list[Path] = []
        try:
            is_last = False
            while not is_last:
                paths.append(folder / f"page-{len(paths) + 1:04d}.json")
                is_last = self._next(offer, paths[-1], len(paths), pages)
        except (StillBeingWritten, PagesMismatch):
            for path in folder.glob("page-*.json*"):
                path.unlink()
            raise
        return [path.name for path in paths]

    def put(self, name: str, content: Path) -> None:  # noqa: ARG002 - the interface's
        """Nobody takes files here."""
        raise no_inbox(self.where)

    def _next(self, offer: Offer, path: Path, number: int, pages: Pages) -> bool:
        """Add one page, from the folder or else from the department; whether it is the last."""
        kept = _kept(path)
        if kept is not None:
            return pages.add(kept)
        partial = path.with_name(path.name + PARTIAL)
        is_last = pages.add(self._do(lambda: self._page(offer, number, partial)))
        partial.rename(path)
        return is_last

    def _do(self, work: Callable[[], Answer]) -> Answer:
        return persistently(work, self.where)

    def _snapshot(self, delivery: Delivery, known: str) -> Offer:
        headers = {"If-None-Match": known} if known else {}
        with self._answer(delivery.resource, {"page": 1, "page_size": PAGE_ROWS}, headers) as answer:
            stamp = known if answer.status_code == UNCHANGED else etag_of(answer)
        return Offer(ALL, delivery.resource, stamp)

    def _periods(self, delivery: Delivery) -> list[Offer]:
        path = delivery.resource.partition("/{period}")[0]
        with self._answer(path, {}, {}) as answer:
            content = b"".join(_limited(answer))
        try:
            listed = [(str(each["period"]), _quoted(str(each["etag"]))) for each in _periods_in(parsed(content))]
        except json.JSONDecodeError as error:
            raise Lost("the API's answer breaks off", str(error)) from error
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_periods(path, "something else") from error
        for period, times in Counter(period for period, _ in listed).items():
            if times > 1 or not PERIOD.fullmatch(period):
                raise self._no_periods(path, f"the period {period!r}{' twice' if times > 1 else ''}")
        return [Offer(period, delivery.resource.replace("{period}", period), etag) for period, etag in sorted(listed)]

    def _page(self, offer: Offer, number: int, partial: Path) -> Page:
        """Fetch one page of exactly this version into `partial`."""
        # A weak tag never matches (RFC 9110, 13.1.1), so there only the answer's own tag can tell.
        headers = {} if offer.stamp.startswith("W/") else {"If-Match": offer.stamp}
        with self._answer(offer.name, {"page": number, "page_size": PAGE_ROWS}, headers) as answer:
            if etag_of(answer) != offer.stamp:
                raise StillBeingWritten(offer.name)
            with partial.open("wb") as copy:
                for content in _limited(answer):
                    copy.write(content)
        try:
            return read_page(partial)
        except json.JSONDecodeError as error:
            raise Lost(f"page {number} of the API breaks off", str(error)) from error
        except ValueError as error:
            raise Refusal(
                "the API's answer is no page",
                where=f"{self.where}{offer.name}, page {number}",
                expected="page, pages, total and data",
                found=str(error),
                remedy=f"tell the department that its API has changed; {STAYS}",
            ) from error

    @contextmanager
    def _answer(self, path: str, parameters: Mapping[str, int], headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The answer to one GET, its body still to be read. All but a good one is raised."""
        request = self._client.build_request("GET", path, params=dict(parameters), headers=dict(headers))
        try:
            answer = self._client.send(request, stream=True)
            for _ in range(MAX_REDIRECTS):
                if answer.has_redirect_location:
                    answer.close()
                    answer = self._client.send(redirected(answer), stream=True)
            try:
                judge(answer)
                yield answer
            finally:
                answer.close()
        except httpx.RequestError as error:
            raise broken(error, self.where) from error

    def _no_periods(self, path: str, found: str) -> Refusal:
        return Refusal(
            "the API's answer is no list of periods",
            where=f"{self.where}{path}",
            expected='{"periods": [{"period": "2026-W40", "etag": "…"}]}',
            found=found,
            remedy=f"tell the department that its API has changed; {STAYS}",
        )


def _kept(path: Path) -> Page | None:
    """What an earlier try fetched, unless the machine stopped before it was on the disk."""
    try:
        return read_page(path)
    except (FileNotFoundError, ValueError):
        return None


def _limited(answer: httpx.Response) -> Iterator[bytes]:
    """The body, in parts; refused where it grows beyond any page."""
    read_bytes = 0
    for content in answer.iter_bytes():
        read_bytes += len(content)
        if read_bytes > PAGE_BYTES:
            raise Refusal(
                "a page of the API is too large",
                where=str(answer.url),
                expected=f"at most {PAGE_BYTES:,} bytes for {PAGE_ROWS:,} rows",
                found="more",
                remedy=f"ask the department to heed page_size; {STAYS}",
            )
        yield content


def _periods_in(answer: Any) -> list[dict[str, object]]:
    periods: list[dict[str, object]] = answer["periods"]
    return periods


def _quoted(etag: str) -> str:
    """As it stands in a header."""
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'


def _token(address: Address) -> str:
    """The token, if a header can hold it: the library's own message would quote it."""
    if not re.fullmatch(r"[\x21-\x7e]+", address.password):
        raise Refusal(
            "the token in the address cannot be one",
            where=address.where,
            expected="letters, digits and signs of ASCII, without blanks",
            found="something else",
            remedy="copy the token again, percent-encoded",
        )
    return address.password


def _trust(address: Address) -> ssl.SSLContext:
    path = address.options.get("ca")
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise Refusal(
            "the CA file of the address cannot be used",
            where=str(path),
            expected="certificates in PEM",
            found=error.strerror or str(error),
            remedy="correct ca in the address, or put the file there",
        ) from error
