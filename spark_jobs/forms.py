"""What text means: numbers and dates as departments write them → plain text, once for all layouts.

The grammars are strict, and the contract says which one holds. "687.200" is 687200 where numbers are Vietnamese and
687.2 where they are not: what fits the other grammar only is a fault, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from quality.contract import Column
from spark_jobs.natives import text_of, text_of_all

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Faults = dict[int, str]
TEXT = "text without control characters, of at most 32,767 characters"

# Thousands in groups of three throughout, or not at all.
_WHOLE = {
    "plain": r"-?[0-9]+",
    "vi": r"-?(?:[0-9]{1,3}(?:\.[0-9]{3})*|[0-9]+)",
    "en": r"-?(?:[0-9]{1,3}(?:,[0-9]{3})*|[0-9]+)",
}
_FRACTION = {"plain": r"(?:\.[0-9]+)?", "vi": "(?:,[0-9]+)?", "en": r"(?:\.[0-9]+)?"}
_LONGEST = 300  # characters; a number of 309 digits is no double any more, and the engine would make it infinite
_MARKS = {"plain": ("", "."), "vi": (".", ","), "en": (",", ".")}  # of thousands, of the fraction
_NUMBER_SUCH_AS = {"plain": "1234.56", "vi": "1.234,56", "en": "1,234.56"}

_DATE = {
    "iso": r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})",
    "dd/mm/yyyy": r"(?P<day>[0-9]{1,2})/(?P<month>[0-9]{1,2})/(?P<year>[0-9]{4})",
    "mm/dd/yyyy": r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})",
}
_WITH_ZEROS = {"iso": "yyyy-mm-dd", "dd/mm/yyyy": "dd/mm/yyyy", "mm/dd/yyyy": "mm/dd/yyyy"}
_DATE_SUCH_AS = {"iso": "2025-12-31", "dd/mm/yyyy": "31/12/2025", "mm/dd/yyyy": "12/31/2025"}
_CLOCK = r"(?P<clock>[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)?"
_ZONE = r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # of each month

# Signs that are no text: databases, Excel and terminals trip over them, or they turn the writing round.
_UNPRINTABLE = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069]"
_SUSPECT = bytes(range(0x20)) + b"\x7f\xc2\xe2"  # with which their UTF-8 begins
_MOST = 32_767  # characters: a cell of Excel holds no more, and in such cells bad rows are given back

_TRUE, _FALSE = ("true", "có", "đúng", "x", "1"), ("false", "không", "sai", "0")


def as_text(
    values: Sequence[object] | pa.Array[Any], column: Column, numbers: str, dates: str
) -> tuple[pa.Array[Any], Faults]:
    """Plain text: decimals, ISO dates; and by index what was expected of those that do not fit.

    Those keep their text as found. `numbers` and `dates` say how text writes them; native values are what they are.
    A geometry is no text: it comes back as binary.
    """
    import pyarrow as pa  # noqa: PLC0415

    if column.type == "geometry":
        return _geometry(values)
    array = _array(values, column)
    if array is None:
        return _one_by_one(values, column, numbers, dates)
    if pa.types.is_string(array.type):
        if strange := _no_text(array):
            array = _shown(array, strange)
        text, fits = _from_text(array, column.type, numbers, dates)
        read, faults = _told(array, text, fits, expected_of(column, numbers, dates))
        return read, faults | dict.fromkeys(strange, TEXT)
    written = text_of_all(array, column.type)
    if written is None:
        return _one_by_one(_listed(array), column, numbers, dates)
    return _told(array.cast(pa.string()), *written, expected_of(column, numbers, dates))


def expected_of(column: Column, numbers: str, dates: str) -> str:
    """What a value of this column looks like, for people."""
    number = _NUMBER_SUCH_AS[numbers]
    return {
        "int": f"a whole number such as {number[:-3]}",
        "bigint": f"a whole number such as {number[:-3]}",
        "double": f"a number such as {number}",
        "date": f"a date such as {_DATE_SUCH_AS[dates]}",
        "timestamp": f"a time such as {_DATE_SUCH_AS[dates]}T23:59:59+07:00",
        "boolean": f"{', '.join(_TRUE)} for true, {', '.join(_FALSE)} for false",
    }.get(column.type, "text")


def _array(values: Sequence[object] | pa.Array[Any], column: Column) -> pa.Array[Any] | None:
    """The values as one array of one type; None if they have several. Empty text is null."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    array: pa.Array[Any] | None
    if isinstance(values, pa.Array):
        array = values.cast(values.type.value_type) if isinstance(values.type, pa.DictionaryType) else values
    else:
        kinds = frozenset(map(type, values)) - {type(None)}
        array_type = {
            frozenset(): pa.string(),
            frozenset({str}): pa.string(),
            frozenset({int}): pa.int64(),
            frozenset({float}): pa.float64(),
            frozenset({int, float}): pa.float64() if column.type == "double" else None,
            frozenset({date}): pa.date32(),
        }.get(kinds)
        try:
            array = None if array_type is None else pa.array(values, array_type)
        except (OverflowError, pa.ArrowInvalid):  # a whole number that no int64 holds
            return None
    if array is None or not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return array
    texts: pa.Array[Any] = array.cast(pa.string())
    empty = pc.equal(texts, pa.scalar(""))
    return pc.if_else(empty, None, texts) if pc.any(empty).as_py() else texts


def _no_text(array: pa.Array[Any]) -> list[int]:
    """Where it is none, or too long."""
    import pyarrow.compute as pc  # noqa: PLC0415

    if not may_hold(array, _SUSPECT) and _longest(array) <= _MOST:
        return []
    is_text = pc.invert(pc.match_substring_regex(array, _UNPRINTABLE))
    strange: Any = pc.indices_nonzero(pc.invert(pc.and_(is_text, _is_at_most(_MOST, array))))
    return [int(index) for index in strange.to_pylist()]


def may_hold(array: pa.Array[Any], beginnings: bytes) -> bool:
    """Whether any character of a column of text begins, in UTF-8, with one of these bytes: for a tenth of a search."""
    content = _bytes_of(array).tobytes()
    return len(content.translate(None, beginnings)) < len(content)


def _bytes_of(array: pa.Array[Any]) -> np.ndarray[Any, Any]:
    """The UTF-8 of all its values, one after the other."""
    import numpy as np  # noqa: PLC0415

    content: Any = array.buffers()[2] or b""
    offsets = _offsets(array)
    return np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]]


def _offsets(array: pa.Array[Any]) -> np.ndarray[Any, Any]:
    """Where each value begins, and where the last one ends."""
    import numpy as np  # noqa: PLC0415

    offsets: Any = array.buffers()[1] or bytes(4)
    return np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]


def _longest(array: pa.Array[Any]) -> int:
    """Bytes of the longest value: it has no more characters than that."""
    import numpy as np  # noqa: PLC0415

    return int(np.diff(_offsets(array)).max(initial=0))


def _is_at_most(length: int, array: pa.Array[Any]) -> pa.Array[Any]:
    """Of text, whether it has no more characters."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    found: pa.Array[Any] = pc.less_equal(pc.call_function("utf8_length", [array]), pa.scalar(length))
    return found


def _shown(array: pa.Array[Any], strange: Sequence[int]) -> pa.Array[Any]:
    """Such text as it can be shown: visible signs for those that are not, and not without end."""
    import pyarrow as pa  # noqa: PLC0415

    texts: list[Any] = array.to_pylist()
    for index in strange:
        text = re.sub(_UNPRINTABLE, lambda sign: _visible(ord(sign[0])), texts[index][:_MOST])
        texts[index] = text if len(texts[index]) <= _MOST else f"{text[: _MOST - 1]}…"
    return pa.array(texts, pa.string())


def _visible(code: int) -> str:
    return chr(0x2400 + code) if code < ord(" ") else f"\\u{code:04x}"


def _listed(array: pa.Array[Any]) -> list[object]:
    """The values. A day that no calendar of Python's has is text: a database may know the year 290,000."""
    try:
        values: list[object] = array.to_pylist()
    except (OverflowError, ValueError):
        return [_value(scalar) for scalar in array]
    return values


def _value(scalar: Any) -> object:
    try:
        value: object = scalar.as_py()
    except (OverflowError, ValueError):
        return f"{scalar.value} of {scalar.type}"
    return value


def _one_by_one(
    values: Sequence[object] | pa.Array[Any], column: Column, numbers: str, dates: str
) -> tuple[pa.Array[Any], Faults]:
    """Values of several types: the texts together, the others each for itself."""
    import pyarrow as pa  # noqa: PLC0415

    texts = [value if isinstance(value, str) else None for value in values]
    read, faults = as_text(texts, column, numbers, dates)
    written = read.to_pylist()
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, str):
            written[index], fits = text_of(value, column.type)
            if not fits:
                faults[index] = expected_of(column, numbers, dates)
    return pa.array(written, pa.string()), dict(sorted(faults.items()))


def _told(
    found: pa.Array[Any], read: pa.Array[Any], fits: pa.Array[Any], expected: str
) -> tuple[pa.Array[Any], Faults]:
    """What was read, but as found where it does not fit."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if pc.all(fits).as_py():
        return read, {}
    at = pc.indices_nonzero(pc.and_(pc.invert(fits), pc.is_valid(found))).to_pylist()
    return pc.if_else(fits, read, found).cast(pa.string()), dict.fromkeys(at, expected)


def _from_text(text: pa.Array[Any], kind: str, numbers: str, dates: str) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """What the text says, and which of it fits the grammar."""
    import pyarrow.compute as pc  # noqa: PLC0415

    if kind == "string" or text.null_count == len(text):
        return text, pc.is_valid(text)
    if kind in ("date", "timestamp"):
        return _dates(text, dates, timed=kind == "timestamp")
    if kind == "boolean":
        return _booleans(text)
    return _numbers(text, numbers, whole=kind != "double")


def _numbers(text: pa.Array[Any], form: str, *, whole: bool) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """A written fraction is a fault where the number is whole, ",000" too: it may have been meant for thousands."""
    import pyarrow.compute as pc  # noqa: PLC0415

    grammar = f"^{_WHOLE[form]}{'' if whole else _FRACTION[form]}$"
    fits = pc.and_(pc.match_substring_regex(text, grammar), _is_at_most(_LONGEST, text))
    thousands, fraction = _MARKS[form]
    if thousands:
        text = pc.replace_substring(text, thousands, "")
    if fraction != ".":
        text = pc.replace_substring(text, fraction, ".")
    return text, fits


def _dates(text: pa.Array[Any], form: str, *, timed: bool) -> tuple[pa.Array[Any], pa.Array[Any]]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not timed and (days := _with_zeros(text, form)) is not None:
        return days, pc.is_valid(days)
    parts = pc.extract_regex(text, f"^{_DATE[form]}{_CLOCK + _ZONE if timed else ''}$")
    fits = pc.is_valid(parts)
    year, month, day = (pc.utf8_lpad(parts.field(name), 2, "0") for name in ("year", "month", "day"))
    numbers = [pc.fill_null(pc.if_else(fits, part, "0").cast(pa.int32()), 0).to_numpy() for part in (year, month, day)]
    fits = pc.and_(fits, pa.array(_is_day(*numbers)))
    pieces: list[Any] = [year, month, day, "-"]
    if timed:
        zone = pc.replace_substring_regex(parts.field("zone"), "^([+-]..)(..)$", r"\1:\2")
        pieces = [pc.binary_join_element_wise(*pieces), parts.field("clock"), zone, ""]
    return pc.binary_join_element_wise(*pieces), fits


def _with_zeros(text: pa.Array[Any], form: str) -> pa.Array[Any] | None:
    """Dates of ten signs each, as programs write them, read all at once; None if there is any that is no such date."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    found = text.drop_null()
    template = np.array(list(_WITH_ZEROS[form]))
    (mark,) = set(_WITH_ZEROS[form]) - set("ymd")
    if not (np.diff(_offsets(found)) == len(template)).all():
        return None
    signs = _bytes_of(found).reshape(-1, len(template))
    marks, *parts = (signs[:, template == sign] for sign in (mark, *"ymd"))
    numbers = [part - np.uint8(ord("0")) for part in parts]  # what stands below "0" becomes more than 9
    if not ((marks == ord(mark)).all() and all((number <= 9).all() for number in numbers)):  # noqa: PLR2004
        return None
    powers = np.array([1000, 100, 10, 1])
    if not _is_day(*(number @ powers[-number.shape[1] :] for number in numbers)).all():
        return None
    if form == "iso":
        return text
    year, month, day = parts
    dash = np.full((len(found), 1), ord("-"), np.uint8)
    written = np.hstack((year, dash, month, dash, day))
    ends = np.arange(len(found) + 1, dtype=np.int32) * len(template)
    days = pa.StringArray.from_buffers(len(found), pa.py_buffer(ends.tobytes()), pa.py_buffer(written.tobytes()))
    among: pa.Array[Any] = pc.replace_with_mask(text, pc.is_valid(text), days)
    return among


def _is_day(year: np.ndarray[Any, Any], month: np.ndarray[Any, Any], day: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np  # noqa: PLC0415

    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = np.array(_DAYS)[np.clip(month, 0, 12)] + (leap & (month == 2))  # noqa: PLR2004  February
    fits: np.ndarray[Any, Any] = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)  # noqa: PLR2004
    return fits


def _booleans(text: pa.Array[Any]) -> tuple[pa.Array[Any], pa.Array[Any]]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    lower = pc.utf8_lower(text)
    is_true, is_false = (pc.is_in(lower, pa.array(words)) for words in (_TRUE, _FALSE))
    return pc.if_else(is_true, "true", pc.if_else(is_false, "false", text)), pc.or_(is_true, is_false)


def _geometry(values: Sequence[object] | pa.Array[Any]) -> tuple[pa.Array[Any], Faults]:
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(values, pa.Array):
        return values.cast(pa.binary()), {}
    known = [value if isinstance(value, bytes) else None for value in values]
    strange = [i for i, value in enumerate(values) if value is not None and known[i] is None]
    return pa.array(known, pa.binary()), dict.fromkeys(strange, "well-known binary")
