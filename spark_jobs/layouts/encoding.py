"""In which encoding a file's text is: told by evidence, never guessed.

A byte order mark, the NULs of UTF-16, or valid UTF-8 settle it. Else the text is 8-bit, and four ways to read it are
tried: the one under which the words are Vietnamese syllables is right. Where two ways do equally well, or none does,
the file is refused: a wrong reading would look like data.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from spark_jobs.layouts import AGAIN, ExtractMismatch
from spark_jobs.layouts.syllables import well_formed
from spark_jobs.layouts.tcvn3 import from_tcvn3, from_unicode, is_tcvn3
from spark_jobs.layouts.vni import from_vni, is_vni

SAMPLE = 4 << 20  # bytes that are looked at before a file is read
BLOCK = 1 << 20  # bytes
LONGEST_LINE = 16 << 20  # characters
DISTINCT = 5_000  # words that are tried
ENOUGH = 0.6  # share of words that are syllables under the right reading; names and abbreviations are not
LEAD = 0.2  # the next best reading must be so far behind
NUL = "\0"
LATIN_1_LAST = "\xff"

_OTHERS = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a ZIP archive, or an .xlsx",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\xfd7zXZ": "an xz archive",
    b"\xd0\xcf\x11\xe0": "an .xls",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
}
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# In all four, ASCII and 0x80 to 0xA0 (dashes, quotation marks, the unbreakable blank) part words.
_WORD = re.compile("[A-Za-z\xa1-\xff]*[\xa1-\xff][A-Za-z\xa1-\xff]*")


@dataclass(frozen=True)
class Encoding:
    """`codec` is Python's for the bytes, `repair` makes Unicode NFC of what it yields; `mark`: bytes to pass over."""

    name: str
    codec: str
    repair: Callable[[str], str] = from_unicode
    mark: int = 0


def _from_windows(codec: str) -> Callable[[str], str]:
    return lambda text: from_unicode(text.encode("latin-1").decode(codec, "replace"))


# Names as messages show them. The repair takes Latin-1 code points, that is bytes.
_EIGHT_BIT: dict[str, Callable[[str], str]] = {
    "TCVN3": from_tcvn3,
    "VNI-Windows": from_vni,
    "Windows-1258": _from_windows("cp1258"),
    "Windows-1252": _from_windows("cp1252"),
}
_CODECS = {"Windows-1258": "cp1258", "Windows-1252": "cp1252"}
_POSSIBLE = {"TCVN3": is_tcvn3, "VNI-Windows": is_vni}  # neither has a letter for each byte


def encoding_of(content: bytes, where: str = "") -> Encoding:
    """The encoding of a file whose beginning is `content`; its last character may be cut."""
    if kind := next((kind for magic, kind in _OTHERS.items() if content.startswith(magic)), ""):
        raise _no_text(where, kind)
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return Encoding(name, name, mark=len(mark))
    if wide := _without_mark(content):
        return Encoding(wide, wide)
    if b"\0" in content:
        raise _no_text(where, f"a NUL byte at offset {content.index(0):,}")
    if content.isascii():
        return Encoding("ASCII", "utf-8")  # what comes later may have accents
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, final=False)
    except UnicodeDecodeError as error:
        _refuse_damaged(content, error, where)
        name = _eight_bit([content.decode("latin-1")], where)
    else:
        return Encoding("utf-8", "utf-8")
    return Encoding(name, _CODECS[name]) if name in _CODECS else Encoding(name, "latin-1", _EIGHT_BIT[name])


def blocks(path: Path, encoding: Encoding) -> Iterator[str]:
    """The text of a file in NFC, in blocks that end where a line ends (the last one may not)."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    rest = ""
    with path.open("rb") as file:
        at = file.seek(encoding.mark)
        while content := file.read(BLOCK):
            text = rest + _decoded(decoder, content, path, encoding, at)
            at += len(content)
            # A lone carriage return ends a line too (old Macintosh), unless a line feed may still follow it.
            cut = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1
            if cut:
                yield encoding.repair(text[:cut])
            rest = text[cut:]
            if len(rest) > LONGEST_LINE:
                raise ExtractMismatch(
                    "a line is too long",
                    where=f"{path}, up to byte {at:,}",
                    expected=f"lines of at most {LONGEST_LINE:,} characters",
                    found=f"{len(rest):,} characters without a line end",
                    remedy=AGAIN,
                )
        rest += _decoded(decoder, b"", path, encoding, at)
    if rest:
        yield encoding.repair(rest)


def decode_cells(texts: Iterable[str], where: str = "") -> Callable[[str], str]:
    """How to read cells that came as Latin-1 code points (XLS, DBF): given them all, or enough of them.

    Most such cells are Unicode already, and stay so unless the words are Vietnamese under one other reading only.
    A cell with a letter beyond Latin-1 is Unicode in any case: one book may hold both.
    """
    narrow = [text for text in texts if _is_narrow(text)]
    if not narrow:
        return from_unicode
    # The bytes of UTF-8 taken for Latin-1: no other text is valid UTF-8 by chance.
    if all(_is_utf8(text) for text in narrow):
        return lambda text: from_unicode(text.encode("latin-1").decode("utf-8") if _is_narrow(text) else text)
    words = _words(narrow)
    best = max(_share(_read(words, name)) for name in _EIGHT_BIT)
    if best < ENOUGH or best < _share(tuple(words)) + LEAD:
        return from_unicode
    repair = _EIGHT_BIT[_eight_bit(narrow, where)]
    return lambda text: repair(text) if _is_narrow(text) else from_unicode(text)


def tidy(text: str) -> str | None:
    """A text value as a batch has it: NFC, without outer blanks, the unbreakable blank a blank; None if empty."""
    return from_unicode(text).replace("\xa0", " ").strip() or None


def _eight_bit(texts: list[str], where: str) -> str:
    """The reading under which these Latin-1 code points are Vietnamese. Readings that agree on them are one."""
    words = _words(texts)
    readings: dict[tuple[str, ...], str] = {}
    for name in _EIGHT_BIT:
        readings.setdefault(_read(words, name), name)
    scores = sorted(((_share(read), name) for read, name in readings.items()), reverse=True)
    first, second = scores[0], scores[1] if len(scores) > 1 else (0.0, "")
    if words and first[0] >= ENOUGH and first[0] >= second[0] + LEAD:
        return first[1]
    told = ", ".join(f"{name} {100 * score:.0f} %" for score, name in scores)
    raise ExtractMismatch(
        "the encoding of the text cannot be told",
        where=where,
        expected="UTF-8, or text whose words are Vietnamese under one encoding only",
        found=f"{len(words):,} words with accents, Vietnamese under {told}" if words else "no word to tell by",
        remedy="ask the department to save the file as UTF-8; the last good version stays",
    )


def _refuse_damaged(content: bytes, error: UnicodeDecodeError, where: str) -> None:
    """Text with few bytes that are not UTF-8 among many letters that are is no 8-bit text: something broke it."""
    text = content.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if len(text) - len(text.encode("ascii", "ignore")) > 5 * bad:
        raise ExtractMismatch(
            "the text is not utf-8 throughout",
            where=f"{where}, line {content.count(10, 0, error.start) + 1}, byte {error.start:,}",
            expected="utf-8, as the rest of the text",
            found=f"bytes {content[error.start : error.start + 4].hex(' ')}",
            remedy=AGAIN,
        ) from error


def _words(texts: Iterable[str]) -> set[str]:
    """Each word counts once, however often it stands there: one frequent abbreviation must not decide."""
    found: set[str] = set()
    for word in chain.from_iterable(map(_WORD.finditer, texts)):
        found.add(word[0])
        if len(found) == DISTINCT:
            break
    return found


def _read(words: Iterable[str], name: str) -> tuple[str, ...]:
    """The words as this encoding has them; "" for one that it cannot have written."""
    possible, repair = _POSSIBLE.get(name), _EIGHT_BIT[name]
    return tuple(repair(word) if possible is None or possible(word) else "" for word in words)


def _share(read: tuple[str, ...]) -> float:
    return sum(map(well_formed, read)) / len(read) if read else 0.0


def _without_mark(content: bytes) -> str:
    """UTF-16 without a byte order mark: most characters are below U+0100, and their upper byte is NUL."""
    even, odd = content[::2].count(0), content[1::2].count(0)
    if 4 * odd >= len(content) > 0 == even:
        return "utf-16-le"
    if 4 * even >= len(content) > 0 == odd:
        return "utf-16-be"
    return ""


def _decoded(decoder: codecs.IncrementalDecoder, content: bytes, path: Path, encoding: Encoding, at: int) -> str:
    try:
        text = decoder.decode(content, final=not content)
    except UnicodeDecodeError as error:
        raise ExtractMismatch(
            f"the text is not {encoding.name} throughout",
            where=f"{path}, near byte {at + error.start:,}",
            expected=f"{encoding.name}, as the file begins",
            found=f"bytes {error.object[error.start : error.start + 4].hex(' ')}",
            remedy=AGAIN,
        ) from error
    if NUL in text:
        raise _no_text(str(path), f"a NUL character near byte {at:,}")
    return text


def _no_text(where: str, found: str) -> ExtractMismatch:
    return ExtractMismatch("the file is no text", where=where, expected="text without NUL", found=found, remedy=AGAIN)


def _is_narrow(text: str) -> bool:
    return not text.isascii() and max(text) <= LATIN_1_LAST


def _is_utf8(text: str) -> bool:
    try:
        text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
