"""Citizens who read a dataset without end while something happens to it, and what they were given."""

from __future__ import annotations

import codecs
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

ABSENT = 0  # the version of what is not there
_FIRST = 500  # rows that a search asks for
_ANSWER_S = 60
_PAUSE_S = 0.25  # as people do: without, they keep each thread of the portal in motion, and one that is broken hides

Rows = Mapping[str, int]  # `ten` and `so_ca`


@dataclass(frozen=True)
class Answer:
    """What a reader was given. `version`: None if it is none, or the server has `failed`. `allowed`: what it may be."""

    began: float
    ended: float
    asked: str
    version: int | None
    failed: str
    allowed: frozenset[int]


class Failed(Exception):
    """The server says that it could not."""


class Half(Exception):
    """What is shown has not all that belongs to it."""


@dataclass
class Readers:
    """They ask for the first rows and their number, for the whole table, and for the file.

    `known`: versions, by what they look like. `allowed`: those that may be seen now.
    """

    url: str
    name: str
    known: dict[int, int] = field(default_factory=dict)
    allowed: frozenset[int] = frozenset({ABSENT})
    answers: list[Answer] = field(default_factory=list)

    def learn(self, version: int, rows: Rows) -> None:
        """To know it when it is seen."""
        listed = sorted(rows.items())
        lines = (f"{name},{count}".encode() for name, count in listed)
        self.known |= {_whole(lines): version, _first(len(listed), listed): version}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Meanwhile all of them read."""
        over = threading.Event()

        def read(asked: str, ask: Callable[[], int | None]) -> None:
            while not over.wait(_PAUSE_S):
                self._note(asked, ask)

        ways = {"search": self._search, "dump": self._dump, "download": self._download}
        with ThreadPoolExecutor(len(ways)) as pool:
            reads = [pool.submit(read, asked, ask) for asked, ask in ways.items()]
            try:
                yield
            finally:
                over.set()
        for one in reads:
            one.result()

    def _note(self, asked: str, ask: Callable[[], int | None]) -> None:
        began, allowed, version, failed = time.monotonic(), self.allowed, None, ""
        try:
            seen = ask()
            version = ABSENT if seen is None else self.known.get(seen)
        except (requests.RequestException, Failed) as error:
            failed = f"{type(error).__name__}: {error}"[:200]
        except Half:
            pass
        self.answers.append(Answer(began, time.monotonic(), asked, version, failed, allowed | self.allowed))

    def _search(self) -> int | None:
        found = self._get("/api/3/action/datastore_search", limit=_FIRST, sort="ten", resource_id=self._resource())
        if found is None:
            return None
        result = found.json()["result"]
        return _first(result["total"], [(row["ten"], row["so_ca"]) for row in result["records"]])

    def _dump(self) -> int | None:
        return _read(self._get(f"/datastore/dump/{self._resource()}"))

    def _download(self) -> int | None:
        return _read(self._get(f"/download/{self.name}/cases.csv"))

    def _resource(self) -> str:
        found = self._get("/api/3/action/package_show", id=self.name)
        if found is None:
            return "none"
        if not (resources := found.json()["result"]["resources"]):
            raise Half
        return str(resources[0]["id"])

    def _get(self, path: str, **parameters: Any) -> requests.Response | None:
        answer = requests.get(f"{self.url}{path}", parameters, timeout=_ANSWER_S)
        if answer.status_code in (requests.codes.forbidden, requests.codes.not_found):  # a draft is nobody's
            return None
        if answer.status_code != requests.codes.ok:
            raise Failed(f"{answer.status_code} {answer.text}")
        return answer


def _read(answer: requests.Response | None) -> int | None:
    if answer is None:
        return None
    heading, *lines = answer.content.removeprefix(codecs.BOM_UTF8).splitlines() or [b""]
    if heading == b"_id,ten,so_ca":  # CKAN's own numbers say nothing of a version
        heading, lines = b"ten,so_ca", [line.partition(b",")[2] for line in lines]
    if heading != b"ten,so_ca":
        raise Half
    return _whole(lines)


def _whole(lines: Iterable[bytes]) -> int:
    return hash(("whole", *sorted(lines)))


def _first(total: int, rows: list[tuple[str, int]]) -> int:
    return hash(("first", total, *rows[:_FIRST]))
