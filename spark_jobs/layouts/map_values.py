"""Values of a map sheet's fields: text as Unicode whatever it was written in, nested JSON as text."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.layouts.dbf_fields import native
from spark_jobs.layouts.encoding import decode_cells
from spark_jobs.layouts.tcvn3 import from_unicode

Values: TypeAlias = "Sequence[object] | pa.Array[Any]"
LATIN_1_LAST = "\xff"
_UNBREAKABLE_BLANK = "\u00a0"


def values_of(found: Sequence[pa.Array[Any]], kinds: Sequence[str], where: str) -> list[Values]:
    """Fields as they were found, text as Unicode NFC without outer blanks, None for blank.

    `kinds`: what is no text though it is stored as text (see `dbf_fields`), none if empty. All fields together tell
    how text was encoded.
    """
    plain = [_plain(array) for array in found]
    values: dict[int, Values] = {index: native(plain[index], kind) for index, kind in enumerate(kinds) if kind}
    texts = [index for index, array in enumerate(plain) if index not in values and pa.types.is_string(array.type)]
    distinct = {index: [str(text) for text in pc.unique(plain[index].drop_null()).to_pylist()] for index in texts}
    repair = _repair([text for some in distinct.values() for text in some], where)
    for index, some in distinct.items():
        repaired: Mapping[str | None, str | None] = {text: _blank(repair(text)) for text in some}
        values[index] = pa.array([repaired.get(text) for text in plain[index].to_pylist()], pa.string())
    return [values.get(index, array) for index, array in enumerate(plain)]


def _plain(found: pa.Array[Any]) -> pa.Array[Any]:
    array = found.storage if isinstance(found, pa.ExtensionArray) else found
    if pa.types.is_nested(array.type):
        nested = [None if value is None else json.dumps(value, ensure_ascii=False) for value in array.to_pylist()]
        return pa.array(nested, pa.string())
    return array


def _blank(text: str) -> str | None:
    return text.replace(_UNBREAKABLE_BLANK, " ").strip() or None


def _repair(texts: list[str], where: str) -> Callable[[str], str]:
    """How to read texts of Latin-1 code points. A letter of UTF-8 that a field's width cut is dropped."""
    narrow = [text.encode("latin-1") for text in texts if _is_narrow(text)]
    cut = sum(_utf8(content, final=True) is None for content in narrow)
    if 0 < 2 * cut < len(narrow) and None not in [_utf8(content, final=False) for content in narrow]:
        return lambda text: from_unicode(_utf8(text.encode("latin-1"), final=False) or "" if _is_narrow(text) else text)
    return decode_cells(texts, where)


def _is_narrow(text: str) -> bool:
    return not text.isascii() and max(text) <= LATIN_1_LAST


def _utf8(content: bytes, *, final: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=final)
    except UnicodeDecodeError:
        return None
