"""JSON from outside, read strictly: one document whose member `data` is a list, handed out record by record.

What JSON leaves open is refused instead of guessed (two members of one name, NaN), and so is what would fill the
memory. Messages tell line and column, never the text itself: it may be about people.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from spark_jobs.layouts import AGAIN, ExtractMismatch

DATA = "data"
PAGE_BYTES = 50_000_000
# The worst 2 million values (lists in lists, 50 MB of them) take 0.3 GB in memory; the reader may take 1 GB.
PAGE_VALUES = 2_000_000
VALUE_BYTES = 1_000_000
SHOWN = 200  # characters of a value that is too long
DIGITS_OF_INT64 = 18  # so many digits always fit

_BLANK = re.compile(r"[ \t\r\n]*")
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}


class _Unfit(Exception):
    """A value that JSON allows, or Python's reader of it does, and we do not: (what, expected, found)."""


class Page:
    """The text of one page, read from its beginning to its end, one record at a time."""

    def __init__(self, path: Path) -> None:
        """Read it. What is no text of a fit size is refused."""
        self.path = path
        self.text = _text_of(path)
        self.at = 0

    def records(self) -> Iterator[object]:
        """What stands in `data`. What stands beside it is read too, so that the page is known to be whole."""
        names: dict[str, None] = {}
        for _ in self._items("{", "}"):
            if self._next() != '"':
                raise self._broken(self.at, "a member's name in quotation marks")
            name = str(self._value())
            if name in names:
                raise self.refusal("two members of the page have one name", "each name once", f"twice {shown(name)}")
            names[name] = None
            self._step(":")
            if name != DATA:
                self._value()
                continue
            if self._next() != "[":
                raise self.refusal("the page has no list of records", f'"{DATA}": [{{…}}, …]', kind_of(self._value()))
            for _ in self._items("[", "]"):
                yield self._value()
        if self._next():
            raise self._broken(self.at, "the end of the page")
        if DATA not in names:
            found = ", ".join(shown(name) for name in list(names)[:20]) or "no member at all"
            raise self.refusal("the page has no list of records", f'"{DATA}": [{{…}}, …]', found)

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        """Once for each item of an object or a list; who asks reads the item."""
        self._step(opening)
        if self._next() == closing:
            self.at += 1
            return
        while True:
            yield
            if self._step(f",{closing}") == closing:
                return

    def _next(self) -> str:
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at
        return self.text[self.at : self.at + 1]

    def _step(self, wanted: str) -> str:
        found = self._next()
        if not found or found not in wanted:
            raise self._broken(self.at, " or ".join(wanted))
        self.at += 1
        return found

    def _value(self) -> object:
        self._next()
        try:
            value, self.at = _DECODER.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise self._broken(error.pos, "JSON", error.msg) from error
        except RecursionError as error:
            raise self.refusal("lists and objects stand too deep in each other", "a few levels", "hundreds") from error
        except _Unfit as error:
            raise self.refusal(*error.args) from error
        found: object = value
        return found

    def _broken(self, at: int, expected: str, found: str = "") -> ExtractMismatch:
        """JSON that is none. Nothing of the text is shown: it may be about people."""
        if not self.text[at:].strip() or found.startswith("Unterminated string"):
            return self.refusal("the page is cut short", "a whole JSON document", "its end is missing", at)
        return self.refusal("the page is not JSON", expected, found or "something else", at)

    def refusal(self, what: str, expected: str, found: str, at: int | None = None) -> ExtractMismatch:
        """A refusal that says how far the page was read."""
        at = self.at if at is None else at
        line, column = self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)
        where = f"{self.path}, line {line:,}, column {column:,}"
        return ExtractMismatch(what, where=where, expected=expected, found=found, remedy=AGAIN)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        met: set[str] = set()
        twice = next(name for name, _ in pairs if name in met or met.add(name))  # type: ignore[func-returns-value]
        raise _Unfit("two members of an object have one name", "each name once", f"twice {shown(twice)}")
    return members


def _int(digits: str) -> int | str:
    if len(digits) <= DIGITS_OF_INT64:
        return int(digits)
    fits = len(digits) <= DIGITS_OF_INT64 + 2 and -(2**63) <= int(digits) < 2**63
    return int(digits) if fits else digits


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _constant(name: str) -> object:
    raise _Unfit("a value is no number of JSON", "a number, or null where there is none", name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant, strict=True
)


def _text_of(path: Path) -> str:
    size = path.stat().st_size
    if size > PAGE_BYTES:
        raise _refused(path, "the page is too large", f"at most {PAGE_BYTES:,} bytes", f"{size:,} bytes")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise _refused(path, "the page is cut short", "whole letters", "half of one at the end") from error
        found = f"byte {content[error.start] if error.object else 0:#04x} after {error.start:,} others"
        raise _refused(path, "the page is not UTF-8", "JSON in UTF-8", found) from error
    start = _BLANK.match(text)
    begin = start.end() if start else 0
    if begin == len(text):
        raise _refused(path, "the page is empty", "a JSON document", f"{size:,} bytes")
    if text[begin] == "<":
        raise _refused(path, "the page is not JSON", "a JSON document", "a web page (HTML) or XML")
    values = sum(map(text.count, ",[{"))
    if values > PAGE_VALUES:
        raise _refused(path, "the page holds too many values", f"at most {PAGE_VALUES:,}", f"about {values:,}")
    return text


def _refused(path: Path, what: str, expected: str, found: str) -> ExtractMismatch:
    return ExtractMismatch(what, where=str(path), expected=expected, found=found, remedy=AGAIN)


def shown(text: str) -> str:
    """Text that can be written: halves of surrogate pairs are no letters."""
    return text.encode("utf-8", "replace").decode() if len(text) <= VALUE_BYTES else f"{text[:SHOWN]}…"


def kind_of(value: object) -> str:
    """What JSON calls it."""
    return _KINDS.get(type(value), "a number")
