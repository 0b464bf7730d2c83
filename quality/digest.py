"""A table's content in few figures: rows, nulls by column, and a digest that no order of the rows changes.

The lake's files and the portal's database must come to the same: `export` counts it into its manifest, and the
portal's extension counts it in SQL over what it serves (`infra/ckan/ckanext_kho/tables/text.py`, in its own licence;
a test holds the two together).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import md5
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")  # the portal's timestamps have no zone: they are this one's
_HEX_DIGITS = 15  # 60 bits: a sum of them is the same in PostgreSQL, where a bigint has 63


@dataclass
class Digest:
    """The figures of the rows that were added so far."""

    columns: Sequence[str]
    rows: int = 0
    total: int = 0
    nulls: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Every column counts from nothing."""
        self.nulls = dict.fromkeys(self.columns, 0)

    def add(self, batch: Sequence[Sequence[Any]]) -> None:
        """Rows as columns of Python's values, in the order of `columns`."""
        texts = []
        for name, values in zip(self.columns, batch, strict=True):
            self.nulls[name] += sum(1 for value in values if value is None)
            texts.append([_part(value) for value in values])
        self.rows += len(texts[0])
        self.total += sum(_bits("".join(parts)) for parts in zip(*texts, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """As manifests have it; the sum as a text, for it is larger than what JSON's readers keep exact."""
        return {"rows": self.rows, "digest": str(self.total), "nulls": self.nulls}


def _bits(text: str) -> int:
    return int(md5(text.encode(), usedforsecurity=False).hexdigest()[:_HEX_DIGITS], 16)


def _part(value: Any) -> str:
    """A value with its length before it, so that no two rows are one text."""
    if value is None:
        return "N,"
    text = _canonical(value)
    return f"{len(text.encode())}:{text},"


def _canonical(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, datetime):
        return value.astimezone(ZONE).replace(tzinfo=None).isoformat(timespec="microseconds")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
