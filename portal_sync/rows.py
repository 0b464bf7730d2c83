"""The rows of a table, or what changed of it, as they are sent to the portal: PostgreSQL's CSV, made meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

_PART = 1 << 17  # bytes; gunicorn copies the rest of a part for every 64 KB that the portal takes of it
_compute: Any = pyarrow.compute  # its functions are made as it is loaded: no type checker knows them
_HEADER_ALONE, _ROWS_ALONE = (pyarrow.csv.WriteOptions(include_header=alone) for alone in (True, False))


class Rows:
    """A Parquet file as CSV, where nothing is null and `""` is an empty text.

    The database copies what has come while the next is made. A portal that asks for patience is sent all of it again.
    """

    def __init__(self, parquet: Callable[[], Any]) -> None:
        """Nothing is opened yet."""
        self._parquet = parquet
        self._sum = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        """In parts, from the first row."""
        self._sum = hashlib.sha256()
        for written in _written(self._parquet()):
            for begin in range(0, len(written), _PART):
                part = written[begin : begin + _PART]
                self._sum.update(part)
                yield part

    @property
    def sha256(self) -> str:
        """Of what was sent."""
        return self._sum.hexdigest()


def _written(rows: Any) -> Iterator[bytes]:
    """The header, then batch after batch."""
    names = ["_op" if name == "_change" else name for name in rows.schema_arrow.names]
    schema = pa.schema([(name, _without_zone(kind)) for name, kind in zip(names, rows.schema_arrow.types, strict=True)])
    yield _csv(schema.empty_table(), _HEADER_ALONE)
    for batch in rows.iter_batches():
        columns = [_on_the_spot(column) for column in _operations(batch).columns]
        yield _csv(pa.table(columns, schema=schema), _ROWS_ALONE)


def _csv(rows: pa.Table, options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(rows, sink, options)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _operations(batch: Any) -> Any:
    """Changes as a patch has them: what a row was before is told to the public, not to the table. Rows as they are."""
    if "_change" not in batch.schema.names:
        return batch
    kept = batch.filter(_compute.not_equal(batch["_change"], "update_preimage"))
    names = {"delete": "delete", "insert": "upsert", "update_postimage": "upsert"}
    operations = pa.array([names[kind] for kind in kept["_change"].to_pylist()], pa.string())
    return kept.set_column(kept.schema.get_field_index("_change"), "_change", operations)


def _on_the_spot(column: Any) -> Any:
    """A time as the clock showed it there; everything else as it is."""
    return column if _without_zone(column.type) == column.type else _compute.local_timestamp(column)


def _without_zone(kind: Any) -> Any:
    return pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind
