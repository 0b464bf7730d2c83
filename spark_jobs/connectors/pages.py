"""Pages of an API: `{"page": 1, "pages": 3, "total": 2100, "data": […]}`, and whether they are the whole, each once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from quality.refusal import Refusal
from spark_jobs.connectors import StillBeingWritten
from spark_jobs.connectors.refusals import STAYS

MOST_PAGES = 10_000  # of a thousand rows each
MOST_VALUES = 2_000_000  # of a page: the worst, lists in lists, take 0.3 GB in memory


@dataclass(frozen=True)
class Page:
    """What a page says of itself. `sha256`: of its rows."""

    number: int
    pages: int
    total: int
    rows: int
    sha256: str


class PagesMismatch(Refusal):
    """Pages that are not what they say: one is left out, or comes twice."""


def read_page(path: Path) -> Page:
    """One page. Raises json.JSONDecodeError where the text breaks off, ValueError where it is no page."""
    match parsed(path.read_bytes()):
        case {"page": int(page), "pages": int(pages), "total": int(total), "data": list(rows)}:
            sha256 = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
            return Page(page, pages, total, len(rows), sha256)
    raise ValueError("no JSON object with the whole numbers page, pages and total and the list data")


def parsed(content: bytes) -> object:
    """JSON that is fit to be opened; else raises ValueError."""
    values = sum(map(content.count, (b",", b"[", b"{")))
    if values > MOST_VALUES:
        raise ValueError(f"about {values:,} values, more than {MOST_VALUES:,}")
    try:
        found: object = json.loads(content)
    except RecursionError as error:
        raise ValueError("lists or objects that stand too deep in each other") from error
    return found


class Pages:
    """The pages of one offer so far."""

    def __init__(self, where: str) -> None:
        """None yet."""
        self._where = where
        self._pages: list[Page] = []

    def add(self, page: Page) -> bool:
        """The next one; whether it is the last. Raises StillBeingWritten when the whole has changed meanwhile."""
        number = len(self._pages) + 1
        if page.number != number:
            raise self._mismatch("a page of the API is not the one asked for", f"page {number}", f"page {page.number}")
        if self._pages and (page.pages, page.total) != (self._pages[0].pages, self._pages[0].total):
            raise StillBeingWritten(self._where)
        if page.pages > MOST_PAGES:
            raise self._mismatch("the API has too many pages", f"at most {MOST_PAGES:,}", f"{page.pages:,}")
        if not page.rows and number < page.pages:
            raise self._mismatch("a page of the API is empty", f"rows, on each of {page.pages:,} pages", "none")
        for earlier in self._pages:
            if page.rows and page.sha256 == earlier.sha256:
                raise self._mismatch(
                    "a page of the API comes twice", f"other rows than page {earlier.number}", f"the same on {number}"
                )
        self._pages.append(page)
        if number < page.pages:
            return False
        rows = sum(each.rows for each in self._pages)
        if rows != page.total:
            raise self._mismatch(
                "the pages of the API do not add up", f"{page.total:,} rows, as every page says", f"{rows:,} rows"
            )
        return True

    def _mismatch(self, what: str, expected: str, found: str) -> PagesMismatch:
        return PagesMismatch(
            what,
            where=self._where,
            expected=expected,
            found=found,
            remedy=f"tell the department that its API leaves out or repeats rows; {STAYS}",
        )
