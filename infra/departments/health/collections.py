"""What the simulated Department of Health's API serves, read from the files that `health.deliver` laid out.

`state.json` names a file for each collection and is replaced when the department tells something new, while readers are
at their pages. A file never changes: what it holds is known by its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

STATE = "state.json"


class NothingYet(Exception):
    """The department has not delivered anything into the folder."""


@dataclass(frozen=True)
class Collection:
    """One list of records. `etag` stands in its quotation marks; `starts`: where each record begins, and the end."""

    content: bytes
    etag: str
    total: int
    as_of: str
    starts: tuple[int, ...]

    def pages(self, page_size: int) -> int:
        """How many; an empty collection has one, without records."""
        return max(1, -(-self.total // page_size))

    def records(self, page: int, page_size: int) -> list[bytes]:
        """Of one page, counted from 1: each a JSON object, as it stands in the file."""
        bounds = self.starts[(page - 1) * page_size : page * page_size + 1]
        return [self.content[start:end].rstrip(b"\n") for start, end in pairwise(bounds)]


class Collections:
    """All of them, as of the newest `state.json`. What was asked for is kept in memory: 40 MB of a whole city."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self._stamp: tuple[int, int] = (0, 0)
        self._state: dict[str, dict[str, Any]] = {}
        self._open: dict[str, Collection] = {}

    def listed(self) -> dict[str, dict[str, Any]]:
        """By name what `state.json` says: file, etag, total, as_of. Raises NothingYet."""
        path = self._folder / STATE
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp != self._stamp:
                self._state = json.loads(path.read_text(encoding="utf-8"))["collections"]
                self._stamp = stamp
                named = {entry["file"] for entry in self._state.values()}
                self._open = {name: known for name, known in self._open.items() if name in named}
        except FileNotFoundError as error:
            raise NothingYet(str(path)) from error
        return self._state

    def one(self, name: str) -> Collection | None:
        """A collection by its name, such as `disease-weeks/2026-W40`."""
        for _ in range(2):  # the file may have been replaced between the state and us: the state then is new, too
            entry = self.listed().get(name)
            if entry is None:
                return None
            try:
                return self._open.get(entry["file"]) or self._read(entry)
            except FileNotFoundError:
                continue
        return None

    def _read(self, entry: dict[str, Any]) -> Collection:
        content = (self._folder / entry["file"]).read_bytes()  # kept, for the file may go away between two pages
        starts = accumulate((len(line) for line in content.splitlines(keepends=True)), initial=0)
        found = Collection(content, entry["etag"], entry["total"], entry["as_of"], tuple(starts))
        self._open[entry["file"]] = found
        return found
