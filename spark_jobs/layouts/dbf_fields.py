"""Numbers and dates of a dBASE table, read as the text they are stored as.

GDAL makes 2026-03-03 of "20260231" and 0 of a number field that holds letters, and says nothing (3.12.4). So fields of
dates and numbers are declared as text in a copy of the table; what is a date or a number becomes one here, and what is
none stays text, for the contract's rules to name.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

DATE, NUMBER, WHOLE = "date", "number", "whole number"

_HEADER = 32  # bytes, and as many for each field
_END = 0x0D
_TYPE, _DECIMALS = 11, 17  # where they stand in a field's 32 bytes
_DATE = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})")
_NOTHING = re.compile(r"\**|0{8}")  # asterisks: a number wider than its field, so nobody knows it


def declare_as_text(table: Path) -> tuple[str, ...]:
    """Change the declarations in place; what each field was, in order ("" for other fields)."""
    kinds: list[str] = []
    with table.open("r+b") as file:
        length = int.from_bytes(file.read(10)[8:], "little")
        file.seek(_HEADER)
        fields = file.read(max(length - _HEADER, 0))
        for start in range(0, len(fields) - _HEADER + 1, _HEADER):
            if fields[start] == _END:
                break
            letter, decimals = chr(fields[start + _TYPE]), fields[start + _DECIMALS]
            kind = {"D": DATE, "N": NUMBER if decimals else WHOLE, "F": NUMBER}.get(letter, "")
            if kind:
                file.seek(_HEADER + start + _TYPE)
                file.write(b"C")
                file.seek(_HEADER + start + _DECIMALS)
                file.write(b"\0")
            kinds.append(kind)
    return tuple(kinds)


def native(found: pa.Array[Any], kind: str) -> list[object] | pa.Array[Any]:
    """Text of such a field as dates or numbers, None for blank; as a list where some of it is neither."""
    trimmed = pc.utf8_trim_whitespace(found)
    nothing = pc.match_substring_regex(trimmed, f"^({_NOTHING.pattern})$")
    texts = pc.if_else(nothing, pa.scalar(None, pa.string()), trimmed)
    if kind == DATE:
        return [None if text is None else _date(text) for text in texts.to_pylist()]
    wanted = pa.int64() if kind == WHOLE else pa.float64()
    try:
        numbers: pa.Array[Any] = texts.cast(wanted)
    except pa.ArrowInvalid:
        return [None if text is None else _number(text, kind) for text in texts.to_pylist()]
    return numbers


def _date(text: str) -> date | str:
    parts = _DATE.fullmatch(text)
    try:
        return date(*map(int, parts.groups())) if parts else text
    except ValueError:
        return text


def _number(text: str, kind: str) -> float | str:
    try:
        return int(text) if kind == WHOLE else float(text)
    except ValueError:
        return text
