"""Who reads the portal while something is published: what each answer held, and how long it took."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.synchronize import Event
from urllib.parse import quote, urlsplit

LOOK_SECONDS = 0.2  # each look costs the portal some 20 ms of a processor, which the load then lacks
TIMEOUT_SECONDS = 120
OK = 200
CHUNK = 1 << 20
ROWS_A_SEARCH = 100


def get(address: str, path: str) -> tuple[int, bytes]:
    """Status and body. Each asks on a connection of its own: one that is kept may be closed while it is quiet."""
    with closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT_SECONDS)) as connection:
        connection.request("GET", path, headers={"Accept-Encoding": "identity", "Connection": "close"})
        with connection.getresponse() as answer:
            return answer.status, answer.read()


def search_path(resource: str, asked: Mapping[str, object]) -> str:
    """Of a search among the rows of a table."""
    given = "".join(
        f"&{name}={quote(value if isinstance(value, str) else json.dumps(value))}" for name, value in asked.items()
    )
    return f"/api/3/action/datastore_search?resource_id={resource}{given}"


@dataclass
class Seen:
    """For how long the first row of a table was not there, and not found by its words; what failed; how many looks."""

    looks: int = 0
    empty_seconds: float = 0
    unfound_seconds: float = 0
    errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """In a line."""
        return (
            f"{self.looks} looks: {self.empty_seconds:.1f} s without rows, "
            f"{self.unfound_seconds:.1f} s without search results, {len(self.errors)} errors"
        )


@contextmanager
def watching(address: str, resource: str, word: str) -> Iterator[Seen]:
    """Look five times a second, in a thread. Both questions go by `_id`: they cost little, whatever is indexed."""
    seen, over = Seen(), threading.Event()
    first: dict[str, object] = {"filters": {"_id": 1}, "limit": 1, "include_total": False}
    rows, words = search_path(resource, first), search_path(resource, {**first, "q": word})

    def look() -> None:
        since = time.monotonic()
        while not over.wait(LOOK_SECONDS):
            has_rows, has_words = _has_records(address, rows, seen), _has_records(address, words, seen)
            now = time.monotonic()
            seen.looks += 1
            seen.empty_seconds += 0 if has_rows else now - since
            seen.unfound_seconds += 0 if has_words else now - since
            since = now

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield seen
    finally:
        over.set()
        looker.join()


def _has_records(address: str, path: str, seen: Seen) -> bool:
    status, body = get(address, path)
    if status != OK:
        seen.errors.append(f"{status} {body[:200]!r}")
        return False
    return bool(json.loads(body)["result"]["records"])


@dataclass(frozen=True)
class Read:
    """One answer: what is wrong with it (nothing, "error", "empty" or "mixed"), and its seconds."""

    kind: str
    fault: str
    seconds: float


@dataclass(frozen=True)
class Readable:
    """A table of so many rows, of which all say the same number, and the dataset's file of them."""

    address: str
    dataset: str
    resource: str
    rows: int


def fault_of(numbers: Sequence[int | str], expected: int, total: int, expected_total: int) -> str:
    """Of an answer that holds the numbers of its rows, and says how many there are in all."""
    if not total or not numbers:
        return "empty"
    return "" if len(set(numbers)) == 1 and (len(numbers), total) == (expected, expected_total) else "mixed"


def read_searches(table: Readable, many: int, pause: float) -> list[Read]:
    """Pages of the table, and every third time a word of one row."""
    found = []
    for turn in range(many):
        time.sleep(pause)
        row = turn * 7919 % (table.rows - ROWS_A_SEARCH)
        asked: dict[str, object] = {"offset": row, "limit": ROWS_A_SEARCH}
        expected = (ROWS_A_SEARCH, table.rows)
        if turn % 3 == 0:
            asked, expected = {"q": f"dong {row}a"}, (1, 1)
        found.append(_timed("search", partial(_search, table, asked, expected)))
    return found


def _search(table: Readable, asked: Mapping[str, object], expected: tuple[int, int]) -> str:
    status, body = get(table.address, search_path(table.resource, asked))
    if status != OK:
        return "error"
    result = json.loads(body)["result"]
    return fault_of([row["so_ca"] for row in result["records"]], expected[0], result["total"], expected[1])


def read_files(table: Readable, pause: float) -> list[Read]:
    """The whole table by turns: by CKAN's own address of a download, and as the dataset's file, until it is over."""
    found: list[Read] = []
    paths = {"dump": f"/datastore/dump/{table.resource}", "file": f"/download/{table.dataset}/cases.csv"}
    while not _OVER[0].wait(pause):
        found += [_timed(kind, partial(_whole, table, path)) for kind, path in paths.items()]
    return found


def _whole(table: Readable, path: str) -> str:
    status, body = get(table.address, path)
    if status != OK:
        return "error"
    numbers = [line.rpartition(",")[2] for line in body.decode().splitlines()[1:]]
    return fault_of(numbers, table.rows, len(numbers), table.rows)


def _timed(kind: str, ask: Callable[[], str]) -> Read:
    began = time.monotonic()
    try:
        fault = ask()
    except (OSError, http.client.HTTPException, ValueError):
        fault = "error"
    return Read(kind, fault, time.monotonic() - began)


_OVER: list[Event] = []


def _remember(over: Event) -> None:
    _OVER[:] = [over]


def reading(table: Readable, searches: int, readers: int, pause: float, meanwhile: Callable[[], None]) -> list[Read]:
    """So many searches by so many readers, each a process, and one more that downloads. `meanwhile` until they end."""
    context = multiprocessing.get_context("spawn")  # a fork would share this process's connections
    over = context.Event()
    with ProcessPoolExecutor(readers + 1, context, _remember, (over,)) as pool:
        bulk = pool.submit(read_files, table, 10 * pause)
        searching = [pool.submit(read_searches, table, searches // readers, pause) for _ in range(readers)]
        try:
            while not all(one.done() for one in searching):
                meanwhile()
        finally:
            over.set()
        return [read for one in [bulk, *searching] for read in one.result()]


def download_seconds(address: str, at_least: int) -> float:
    """Of one download that is thrown away as it comes. Raises ConnectionError if it is no such file."""
    parts, buffer, size = urlsplit(address), bytearray(CHUNK), 0
    began = time.monotonic()
    with closing(http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)) as connection:
        connection.request("GET", parts.path, headers={"Accept-Encoding": "identity", "Connection": "close"})
        with connection.getresponse() as answer:
            while many := answer.readinto(buffer):
                size += many
            if answer.status != OK or size < at_least:
                raise ConnectionError(f"{address}: expected {at_least:,} bytes, found {answer.status}, {size:,} bytes")
    return time.monotonic() - began
