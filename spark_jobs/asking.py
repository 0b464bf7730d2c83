"""Questions about versions of tables, answered in this process by DataFusion, which deltalake brings along.

Names stand in backticks there as in Spark; quotes in a text are doubled; nulls come last, unless asked to come first;
and `or` binds closer than `is distinct from`: hence the brackets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from arro3.core.types import ArrowStreamExportable
    from deltalake import DeltaTable


def ask(query: str, **tables: DeltaTable) -> pa.RecordBatchReader:
    """The answer, batch by batch, in plain types. `tables`: by the names that the query calls them."""
    from deltalake import QueryBuilder  # noqa: PLC0415

    asked = QueryBuilder()
    for name, table in tables.items():
        asked = asked.register(name, table)
    return plain(asked.execute(query))


def plain(answer: ArrowStreamExportable) -> pa.RecordBatchReader:
    """What DataFusion gives, in types that all know.

    It prefers views, which hold on to all that they were taken from, and which pyspark (4.1.4) does not know.
    """
    import pyarrow as pa  # noqa: PLC0415

    reader = pa.RecordBatchReader.from_stream(answer)
    types: dict[pa.DataType, pa.DataType] = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return reader.cast(pa.schema([field.with_type(types.get(field.type, field.type)) for field in reader.schema]))


def quoted(text: str) -> str:
    """A text as these queries write it."""
    return "'" + text.replace("'", "''") + "'"


def same_key(key: Sequence[str]) -> str:
    """Whether a row of `old` and one of `new` are of the same key."""
    return " and ".join(f"old.`{name}` = new.`{name}`" for name in key)


def differ(columns: Iterable[str]) -> str:
    """Whether a row of `old` and one of `new` differ in one of the columns."""
    return " or ".join(["false", *(f"(old.`{name}` is distinct from new.`{name}`)" for name in columns)])
