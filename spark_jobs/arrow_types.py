"""What the types of contracts and of raw tables are in Arrow, and plain text in them.

So they stand in the files of Delta that this process writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = "map<string, string>"
REASON = ("column", "cell", "value", "rule", "expected")
REASONS = f"array<struct<{', '.join(f'{name}: string' for name in REASON)}>>"
_HERE = "+07:00"  # the city's zone


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


def as_type(text: pa.Array[Any], kind: str) -> pa.Array[Any]:
    """Plain text → values of a contract's type; null where it has none, as an int for what needs more than 32 bits."""
    import pyarrow as pa  # noqa: PLC0415

    wanted: Any = arrow_type(kind)
    plain = _zoned(text) if kind == "timestamp" else text
    values: pa.Array[Any]
    try:
        values = plain.cast(wanted)
    except pa.ArrowInvalid:
        half = len(text) // 2
        parts = [as_type(text[:half], kind), as_type(text[half:], kind)] if half else [pa.nulls(1, wanted)]
        values = pa.concat_arrays(parts)
    return values


def _zoned(text: pa.Array[Any]) -> pa.Array[Any]:
    """Moments of which Arrow knows the zone, to the microsecond. Without one they are the city's, and so are days."""
    import pyarrow.compute as pc  # noqa: PLC0415

    exact = pc.replace_substring_regex(text, r"(\.[0-9]{6})[0-9]+", r"\1")
    whole = pc.replace_substring_regex(exact, "^([^T ]+)$", r"\1T00:00")
    return pc.replace_substring_regex(whole, "([T ][^Z+-]*)$", rf"\1{_HERE}")
