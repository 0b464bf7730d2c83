"""What the types of contracts and of raw tables are in Arrow, and so in files of Delta that this process writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = "map<string, string>"
REASON = ("column", "cell", "value", "rule", "expected")
REASONS = f"array<struct<{', '.join(f'{name}: string' for name in REASON)}>>"


def arrow_type(kind: str) -> pa.DataType:
    """By Spark's name, but for a geometry, which is well-known binary. Moments are kept in UTC."""
    import pyarrow as pa  # noqa: PLC0415

    types: dict[str, pa.DataType] = {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
        "geometry": pa.binary(),
        TEXTS: pa.map_(pa.string(), pa.string()),
        REASONS: pa.list_(pa.struct([(name, pa.string()) for name in REASON])),
    }
    return types[kind]
