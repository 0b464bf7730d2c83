"""Pages of an HTTP API: a file is one page, `{"page": 1, …, "data": [{…}, {…}]}`, and each object of `data` a row.

A column's heading is the name of a member, with dots where it stands inside another object (`NoiLamViec.Ma`). A member
may be absent from some records (it is blank there), but not from all records of a page. JSON types stay as they are;
numbers that no 64 bits hold stay text.

A page comes from outside, so nothing in it is trusted: a page has at most 50 MB and 2 million values, a value at most
1 MB, and what JSON leaves open (two members of one name, NaN) is refused instead of guessed.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from quality.contract import Contract
from spark_jobs.layouts import Batch, Tally
from spark_jobs.layouts.headings import LONGEST, Matched, fold, promised, refuse_missing
from spark_jobs.layouts.json_text import DATA, SHOWN, VALUE_BYTES, Page, kind_of, shown

STRANGERS = 200  # more unknown names than that are data that stands where names should
ROWS = 10_000  # in a batch

_A_VALUE = "one value, no list and no object"

_fold = lru_cache(maxsize=4096)(fold)  # the same few names stand in every record


def read(path: Path, contract: Contract, period: str, tally: Tally) -> Iterator[Batch]:  # noqa: ARG001 - rows say it
    """The records of one page; `lines` counts them from 1. A page has no sheet."""
    page = Page(path)
    names = _Names(promised(contract))
    rows = _Rows(contract, names, page)
    count = 0
    for count, record in enumerate(page.records(), 1):
        if not isinstance(record, dict):
            raise page.refusal("a record is no object", f"{DATA}: objects", f"record {count} is {kind_of(record)}")
        rows.add(count, record)
        if len(rows.lines) == ROWS:
            yield rows.batch()
            rows = _Rows(contract, names, page)
    if count:
        _refuse_missing(page, contract, names)
    if names.strange:
        listed = ", ".join(sorted(names.strange))
        tally.warnings.append(f"members that the contract does not know are kept aside: {listed}")
    if rows.lines:
        yield rows.batch()


@dataclass
class _Names:
    """Which members the columns are, and which members were met so far."""

    known: Mapping[str, str]  # folded path → column
    cells: dict[str, str] = field(default_factory=dict)  # column → path as it was found
    strange: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inside: dict[str, list[str]] = {}  # folded path of an object → columns that stand in it
        for path, column in self.known.items():
            parts = path.split(".")
            for depth in range(1, len(parts)):
                self.inside.setdefault(".".join(parts[:depth]), []).append(column)


class _Rows:
    """Rows of a batch that is being filled."""

    def __init__(self, contract: Contract, names: _Names, page: Page) -> None:
        self.names = names
        self.page = page
        self.lines: list[int] = []
        self.columns: dict[str, list[object]] = {name: [] for name in contract.columns}
        self.unexpected: dict[str, dict[int, object]] = {}
        self.faults: dict[str, dict[int, str]] = {}

    def add(self, line: int, record: dict[str, object]) -> None:
        """One record."""
        self.lines.append(line)
        for values in self.columns.values():
            values.append(None)
        self._take(record, "", {})

    def _take(self, members: Mapping[str, object], prefix: str, taken: dict[str, str]) -> None:
        """Members of a record, or of an object in it that columns stand in. `taken`: column → the member it is."""
        for name, value in members.items():
            path = prefix + name
            if len(path) > LONGEST:
                self._refuse("the name of a member is too long", f"at most {LONGEST} characters", f"{len(path):,}")
            folded = _fold(path)
            column, inside = self.names.known.get(folded), self.names.inside.get(folded, [])
            if column:
                self._fill(column, path, value, taken)
            elif inside and isinstance(value, dict):
                self._take(value, f"{path}.", taken)
            elif inside and value is None:
                for inner in inside:
                    self.names.cells.setdefault(inner, path)
            else:
                for inner in inside:
                    self._fault(inner, f"{path} to be an object")
                self._keep_aside(shown(path), value)

    def _fill(self, column: str, path: str, value: object, taken: dict[str, str]) -> None:
        if column in taken:
            self._refuse("two members are one column", f"one that is {column}", f"{taken[column]} and {path}")
        taken[column] = path
        self.names.cells.setdefault(column, path)
        self.columns[column][-1], fault = _value(value)
        if fault:
            self._fault(column, fault)

    def _fault(self, column: str, expected: str) -> None:
        self.faults.setdefault(column, {})[len(self.lines) - 1] = expected

    def _keep_aside(self, path: str, value: object) -> None:
        self.names.strange[path] = None
        if len(self.names.strange) > STRANGERS:
            some = f"{', '.join(list(self.names.strange)[:3])} and others"
            self._refuse("too many members are unknown to the contract", f"at most {STRANGERS}", some)
        self.unexpected.setdefault(path, {})[len(self.lines) - 1] = _value(value)[0]

    def _refuse(self, what: str, expected: str, found: str) -> None:
        raise self.page.refusal(what, expected, f"{found} (record {self.lines[-1]:,})")

    def batch(self) -> Batch:
        """What was filled. A name that came up in a later record is blank in the earlier ones."""
        every = range(len(self.lines))
        aside = {path: [values.get(index) for index in every] for path, values in sorted(self.unexpected.items())}
        return Batch("", self.lines, self.columns, dict(self.names.cells), aside, self.faults)


def _refuse_missing(page: Page, contract: Contract, names: _Names) -> None:
    missing = [name for name in contract.columns if name not in names.cells]
    strange = {path: index for index, path in enumerate(sorted(names.strange))}
    refuse_missing(Matched({}, strange, missing), sorted({*names.cells.values(), *strange}), contract, str(page.path))


def _value(value: object) -> tuple[object, str]:
    """As a batch holds it, and what was expected if it is not that."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (dict, list)):
        return _text(_as_json(value))[0], _A_VALUE
    return value, ""


def _text(text: str) -> tuple[str | None, str]:
    fault = ""
    if len(text) * 4 > VALUE_BYTES and len(text.encode("utf-8", "surrogatepass")) > VALUE_BYTES:
        text, fault = f"{text[:SHOWN]}…", f"at most {VALUE_BYTES:,} bytes"
    if "\0" in text:
        text, fault = text.replace("\0", "\N{SYMBOL FOR NULL}"), fault or "text without NUL characters"
    if not text.isascii():
        whole = shown(text)
        fault = fault if whole == text else fault or "letters of Unicode, no halves of them"
        text = unicodedata.normalize("NFC", whole.replace("\N{NO-BREAK SPACE}", " "))
    return text.strip() or None, fault


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "…"
