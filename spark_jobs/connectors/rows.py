"""Rows of a database as Parquet, batch by batch, in types that keep every value as it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from quality.refusal import Refusal

INSTANT = pa.timestamp("us", tz="UTC")
SCALARS: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    date: pa.date32(),
}
MOST_DIGITS = 38  # of decimal128
# PostgreSQL's numbers of its types (pg_type.oid), for columns in which no row has a value yet.
POSTGRESQL: dict[int, pa.DataType] = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: INSTANT,
}


class Mixed(Exception):
    """A column whose later rows do not fit the type of its first ones. It is to be read again as text."""

    def __init__(self, column: str) -> None:
        """Of that column."""
        super().__init__(column)
        self.column = column


def write_rows(
    batches: Iterable[Sequence[Sequence[Any]]],
    description: Sequence[Sequence[Any]],
    path: Path,
    texts: Collection[str],
    declared: Mapping[int, pa.DataType],
) -> int:
    """Write all batches to one file; how many rows there were.

    `description` is that of the DB API's cursor; the columns `texts` become text; `declared` are types by the
    database's own numbers of them. Raises Mixed.
    """
    names = [str(column[0]) for column in description]
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        raise Refusal(
            "the query has two columns of one name",
            where="delivery.query",
            expected="each column once",
            found=", ".join(twice),
            remedy="name the columns with `as`",
        )
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for batch in _at_least_one(batches):
            columns = [[row[index] for row in batch] for index in range(len(names))]
            if writer is None:
                types = [
                    pa.string() if column[0] in texts else _first_type(values, column, declared)
                    for column, values in zip(description, columns, strict=True)
                ]
                schema = pa.schema(list(zip(names, types, strict=True)))
                writer = pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)
            arrays = [
                _array(values, schema.field(index).type, description[index]) for index, values in enumerate(columns)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows += len(batch)
    finally:
        if writer is not None:
            writer.close()
    return rows


def _at_least_one(batches: Iterable[Sequence[Sequence[Any]]]) -> Iterable[Sequence[Sequence[Any]]]:
    """No rows are a file, too, with the columns there would have been."""
    is_empty = True
    for batch in batches:
        is_empty = False
        yield batch
    if is_empty:
        yield []


def _first_type(values: Sequence[Any], column: Sequence[Any], declared: Mapping[int, pa.DataType]) -> pa.DataType:
    found = _type(values, column)
    return found if found is not None else declared.get(column[1], pa.string())


def _type(values: Sequence[Any], column: Sequence[Any]) -> pa.DataType | None:
    """What holds all these values exactly; None if there are none."""
    classes = {type(value) for value in values if value is not None}
    if not classes:
        return None
    if classes == {datetime}:
        zoned = {value.tzinfo is not None for value in values if value is not None}
        one_kind: pa.DataType = INSTANT if True in zoned else pa.timestamp("us")
        return one_kind if len(zoned) == 1 else pa.string()
    if classes == {Decimal}:
        digits, scale = column[4], column[5]
        is_bounded = digits is not None and scale is not None and 0 <= scale <= digits <= MOST_DIGITS
        return pa.decimal128(digits, scale) if is_bounded else pa.string()
    return SCALARS.get(classes.pop(), pa.string()) if len(classes) == 1 else pa.string()


def _array(values: Sequence[Any], wanted: pa.DataType, column: Sequence[Any]) -> pa.Array[Any]:
    if wanted == pa.string():
        return pa.array([_text(value) for value in values], wanted)
    if _type(values, column) not in {None, wanted}:
        raise Mixed(str(column[0]))
    try:
        return pa.array(values, wanted)
    except (pa.ArrowInvalid, OverflowError) as error:  # NaN for a decimal, a number of 65 bits
        raise Mixed(str(column[0])) from error


def _text(value: Any) -> str | None:
    match value:
        case bool():
            text = "true" if value else "false"
        case Decimal():
            text = format(value, "f")
        case date():  # datetime is one
            text = value.isoformat()
        case dict() | list():
            text = json.dumps(value, ensure_ascii=False, default=str)
        case bytes() | memoryview():
            text = value.hex()
        case _:
            text = str(value)
    return None if value is None else text
