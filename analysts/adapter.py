"""The engine, as the SQL shell Harlequin and its sibling for scripts, `hsql`, know a database: `-a kho`.

They find it by the entry point that `analysts/plugin` holds; `./kho sql` starts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from harlequin.adapter import HarlequinAdapter, HarlequinConnection, HarlequinCursor
from harlequin.autocomplete.completion import HarlequinCompletion
from harlequin.catalog import Catalog, CatalogItem, InteractiveCatalogItem
from harlequin.exception import HarlequinConfigError, HarlequinConnectionError, HarlequinQueryError

from analysts.thrift_door import Answer, Login, QuestionFailed, Session, read_login
from quality.contract import CITY, READABLE, load_all
from quality.refusal import Refusal

# Hive's types: what Arrow calls them, and the sign that the shell puts beside a column's name. All others are text.
TYPES = {
    "BOOLEAN_TYPE": (pa.bool_(), "t/f"),
    "TINYINT_TYPE": (pa.int8(), "#"),
    "SMALLINT_TYPE": (pa.int16(), "#"),
    "INT_TYPE": (pa.int32(), "#"),
    "BIGINT_TYPE": (pa.int64(), "##"),
    "FLOAT_TYPE": (pa.float32(), "#.#"),
    "DOUBLE_TYPE": (pa.float64(), "#.#"),
    "DECIMAL_TYPE": (pa.decimal128(38, 0), "#.#"),  # the scale is that of the values: PyHive keeps no other
    "DATE_TYPE": (pa.date32(), "d"),
    "TIMESTAMP_TYPE": (pa.timestamp("us"), "ts"),
    "BINARY_TYPE": (pa.binary(), "b"),
}
TEXT = (pa.string(), "s")
KIND_SIGNS = {"string": "s", "bigint": "##", "int": "#", "double": "#.#", "date": "d", "boolean": "t/f"}
PRIORITY = 500  # Harlequin's own number for what is in the catalogue


def to_arrow(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of Hive's types as an Arrow table, typed also where it has no row, or none but nulls."""
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [_array(kind, values) for (_, kind), values in zip(columns, by_column, strict=True)]
    return pa.Table.from_arrays(arrays, names=[name for name, _ in columns])


def _array(kind: str, values: Sequence[Any]) -> pa.Array[Any]:
    if kind == "DATE_TYPE":
        return pa.array(values, pa.string()).cast(pa.date32())  # PyHive hands dates on as text
    if kind == "DECIMAL_TYPE":
        scale = max((-value.as_tuple().exponent for value in values if value is not None), default=0)
        return pa.array(values, pa.decimal128(38, scale))
    return pa.array(values, TYPES.get(kind, TEXT)[0])


class Cursor(HarlequinCursor):
    """One answer."""

    def __init__(self, answer: Answer) -> None:
        """Of a statement that has ended."""
        self._answer = answer
        self._limit: int | None = None

    def columns(self) -> list[tuple[str, str]]:
        """Names, and a sign for each type."""
        return [(name, TYPES.get(kind, TEXT)[1]) for name, kind in self._answer.columns]

    def set_limit(self, limit: int) -> Cursor:
        """At most so many rows."""
        self._limit = limit
        return self

    def fetchall(self) -> pa.Table:
        """The rows."""
        try:
            return to_arrow(self._answer.columns, self._answer.rows(self._limit))
        except QuestionFailed as error:
            raise HarlequinQueryError(str(error), title="Spark stopped in the middle of the answer") from error


@dataclass
class Relation(InteractiveCatalogItem["Connection"]):
    """A table. Its columns are asked for when somebody opens it."""

    def fetch_children(self) -> list[CatalogItem]:
        """Its columns."""
        return self.connection.columns_of(self.qualified_identifier) if self.connection else []


class Connection(HarlequinConnection):
    """One session."""

    def __init__(self, login: Login, init_message: str = "") -> None:
        """Open it."""
        self.init_message = init_message
        try:
            self._session = Session(login)
        except Refusal as refusal:
            raise HarlequinConnectionError(str(refusal), title="No session") from refusal

    def execute(self, query: str) -> Cursor | None:
        """Run one statement; None if it has no rows to show."""
        try:
            answer = self._session.ask(query)
        except QuestionFailed as error:
            raise HarlequinQueryError(str(error), title="Spark says no") from error
        return Cursor(answer) if answer.columns else None

    def cancel(self) -> None:
        """Stop what runs."""
        self._session.stop()

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def get_catalog(self) -> Catalog:
        """The schemas that analysts read, with their tables."""
        there = {schema for (schema, *_) in self._rows("show schemas")}
        return Catalog(items=[self._schema(schema) for schema in READABLE if schema in there])

    def get_completions(self) -> list[HarlequinCompletion]:
        """Columns after `table.`, and what they are called in Vietnamese; from the contracts, the engine is not asked.

        The shell itself completes tables, and of columns only those of tables that were opened in its tree.
        """
        return [
            HarlequinCompletion(name, column.label.vi, name, PRIORITY, context=contract.name)
            for contract in load_all().values()
            if contract.schema == CITY
            for name, column in contract.columns.items()
        ]

    def columns_of(self, table: str) -> list[CatalogItem]:
        """Of `schema.table`."""
        return [
            CatalogItem(f"{table}.{name}", name, name, KIND_SIGNS.get(kind, "?"), type_name=kind)
            for name, kind, *_ in self._rows(f"describe table {table}")
        ]

    def _schema(self, schema: str) -> CatalogItem:
        tables: list[CatalogItem] = [
            Relation(f"{schema}.{name}", f"{schema}.{name}", name, "t", connection=self)
            for _, name, *_ in self._rows(f"show tables in {schema}")
        ]
        return CatalogItem(schema, schema, schema, "sch", tables)

    def _rows(self, question: str) -> list[Sequence[Any]]:
        try:
            return self._session.ask(question).rows()
        except QuestionFailed as error:
            raise HarlequinQueryError(str(error), title="Spark says no") from error


class Adapter(HarlequinAdapter):
    """How Harlequin makes connections."""

    ADAPTER_OPTIONS = None
    IMPLEMENTS_CANCEL = True

    def __init__(self, conn_str: Sequence[str] = (), **_options: object) -> None:
        """The environment says where and who: a password on a command line can be read by everybody."""
        del conn_str
        try:
            self._login = read_login()
        except Refusal as refusal:
            raise HarlequinConfigError(str(refusal), title="Nobody to log in as") from refusal

    def connect(self) -> Connection:
        """Open a session."""
        return Connection(self._login)

    @property
    def connection_id(self) -> str:
        """What the shell's history and its cached catalogue are kept under."""
        return f"kho {self._login.user}@{self._login.port}"
