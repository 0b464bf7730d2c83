"""A table's content in few figures: rows, nulls by column, and a digest that no order of the rows changes.

The lake's files and the portal's database must come to the same: `export` counts it into its manifest, and the
portal's extension counts it in SQL over what it serves (`infra/ckan/ckanext_kho/tables/state.py`, in its own licence;
a test holds the two together).

A row is digested as PostgreSQL's `record_send` gives it, for nothing else costs the database as little: how many
columns, then of each its type's number, how many bytes its value has (-1: null) and these bytes, all in network order.
Both sides have every value with its exact bits, and no two rows of a table are the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import md5
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")  # the portal's timestamps have no zone: they are this one's
_SHIFT = 4  # of 64 bits 60 are kept: a sum of them is the same in PostgreSQL, where a bigint has 63

# By Spark's type: the number of PostgreSQL's (pg_type.dat: text, int4, int8, float8, bool, date, timestamp), the form
# of its value, and how that is got. PostgreSQL counts time from the year 2000.
_DAY, _MOMENT = date(2000, 1, 1).toordinal(), datetime(2000, 1, 1)  # noqa: DTZ001 - the zone is taken off before
_FORMS: Mapping[str, tuple[int, str, Callable[[Any], Any]]] = {
    "int": (23, "i", int),
    "bigint": (20, "q", int),
    "double": (701, "d", float),
    "boolean": (16, "?", bool),
    "date": (1082, "i", lambda value: value.toordinal() - _DAY),
    "timestamp": (1114, "q", lambda value: (_local(value) - _MOMENT) // timedelta(microseconds=1)),
    "string": (25, "", str.encode),  # of any length
}
_HEAD = struct.Struct(">Ii")


@dataclass
class Digest:
    """The figures of the rows that were added so far. `columns`: names and Spark's types, in their order."""

    columns: Mapping[str, str]
    rows: int = 0
    total: int = 0
    nulls: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Every column counts from nothing."""
        self.nulls = dict.fromkeys(self.columns, 0)
        self._head = struct.pack(">i", len(self.columns))
        self._sent = [_sender(kind) for kind in self.columns.values()]

    def add(self, batch: Sequence[Sequence[Any]]) -> None:
        """Rows as columns of Python's values, in the order of `columns`."""
        sent = []
        for name, send, values in zip(self.columns, self._sent, batch, strict=True):
            self.nulls[name] += values.count(None)
            sent.append(list(map(send, values)))
        self.rows += len(sent[0])
        self.total += sum(_bits(self._head + b"".join(row)) for row in zip(*sent, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """As manifests have it; the sum as a text, for it is larger than what JSON's readers keep exact."""
        return {"rows": self.rows, "digest": str(self.total), "nulls": self.nulls}


def _bits(row: bytes) -> int:
    return int.from_bytes(md5(row, usedforsecurity=False).digest()[:8], "big") >> _SHIFT


def _sender(kind: str) -> Callable[[Any], bytes]:
    """What `record_send` makes of a value of that type."""
    number, form, value_of = _FORMS[kind]
    null = _HEAD.pack(number, -1)
    if not form:

        def send_text(value: str | None) -> bytes:
            if value is None:
                return null
            text: bytes = value_of(value)
            return _HEAD.pack(number, len(text)) + text

        return send_text
    whole = struct.Struct(f">Ii{form}")
    size = struct.calcsize(f">{form}")
    return lambda value: null if value is None else whole.pack(number, size, value_of(value))


def _local(value: datetime) -> datetime:
    return value.astimezone(ZONE).replace(tzinfo=None)
