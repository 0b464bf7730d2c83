"""What values that are no text say: numbers, dates and truth values of Excel, JSON and databases, as text.

Each column type takes what can be meant by it and nothing else: a truth value is no number, a year is no date. Numbers
between 20,000 and 80,000 in a column of dates are days as Excel counts them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# Days as Excel counts them (1900 system): 1954 to 2119. What is below may be a year, what is above an amount.
_SERIAL_FROM, _SERIAL_TO = 20_000, 80_000
_SERIAL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  cells of Excel have no zone
_SECONDS = 86_400  # of a day
_EXACT = 2.0**53  # beyond, not every whole number has a float


def text_of(value: object, kind: str) -> tuple[str, bool]:
    """The text of one value, and whether it fits a column of this type."""
    written = _WRITE[kind](value)
    return (_plain(value), False) if written is None else (written, True)


def text_of_all(values: pa.Array[Any], kind: str) -> tuple[pa.Array[Any], pa.Array[Any]] | None:
    """The same for a whole array of one type, and which fit; None if they must be looked at one by one."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    types, is_number = pa.types, kind in ("int", "bigint", "double")
    if (types.is_integer(values.type) and (is_number or kind == "string")) or (
        types.is_boolean(values.type) and kind in ("boolean", "string")
    ):
        return values.cast(pa.string()), pc.is_valid(values)
    if types.is_date32(values.type) and kind in ("date", "timestamp", "string"):
        written = values.cast(pa.string())
        if pc.all(pc.match_substring_regex(written, "^[0-9]{4}-")).as_py():  # else one is beyond the year 9999
            return written, pc.is_valid(values)
    if types.is_floating(values.type) and is_number:
        fits = pc.is_finite(values)
        if kind == "double":
            return values.cast(pa.string()), fits
        fits = pc.and_(fits, pc.equal(values, pc.trunc(values)))
        if pc.all(pc.and_(fits, pc.less(pc.abs(values), pa.scalar(_EXACT)))).as_py():
            return values.cast(pa.int64()).cast(pa.string()), fits
    return None


def _plain(value: object) -> str:
    """The shortest text that says the same."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _string(value: object) -> str | None:
    return None if isinstance(value, (list, tuple, dict, bytes)) else _plain(value)


def _number(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    return _plain(value) if math.isfinite(value) else None


def _integer(value: object) -> str | None:
    written = _number(value)
    if written is None or not isinstance(value, (int, float, Decimal)):
        return None
    return str(int(value)) if value == int(value) else None


def _day(value: object) -> str | None:
    moment = _serial(value)
    if isinstance(moment, datetime):
        moment = moment.date()
    return moment.isoformat() if isinstance(moment, date) else None


def _moment(value: object) -> str | None:
    moment = _serial(value)
    return moment.isoformat() if isinstance(moment, date) else None


def _serial(value: object) -> object:
    """A number that is a day of Excel's, as that time; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return value
    if not _SERIAL_FROM <= value <= _SERIAL_TO:
        return value
    return _SERIAL_ZERO + timedelta(seconds=round(float(value) * _SECONDS))


def _boolean(value: object) -> str | None:
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return "true" if value else "false"
    return None


_WRITE: Mapping[str, Callable[[object], str | None]] = {
    "string": _string,
    "int": _integer,
    "bigint": _integer,
    "double": _number,
    "date": _day,
    "timestamp": _moment,
    "boolean": _boolean,
}
