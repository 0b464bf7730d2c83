"""Rows on their way in: copied as they arrive into a table that nobody reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from ckanext_kho.hashed import Hashed, require_sha256
from ckanext_kho.tables import names
from ckanext_kho.tables.database import columns_of, comment_of, drop, rows, table, write_comment
from ckanext_kho.tables.form import Column, Load, Unfit, read_columns

OPERATION = Column("_op", "text", {})  # of a patch: what to do with the row
_CHUNK = 1 << 16


def read_staged(given: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns of rows, or of a patch's operations. Raises Unfit."""
    if given and given[0].get("id") == OPERATION.name:
        return (OPERATION, *read_columns(given[1:]))
    return read_columns(given)


def stage(connection: Connection, resource: str, columns: Sequence[Column], stream: IO[bytes]) -> tuple[str, int]:
    """Copy a CSV with a header into a table of its own: its name, and the rows. Raises Unfit, and leaves nothing."""
    discard(connection, resource)
    staged = names.fresh_staged(resource)
    listed = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type)) for column in columns
    )
    rows(connection, sql.SQL("create unlogged table {} (_id serial, {})").format(table(staged), listed))
    hashed = Hashed(stream)
    copy = sql.SQL("copy {} ({}) from stdin (format csv, header match)").format(
        table(staged), sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    )
    try:
        with connection.cursor() as cursor:
            cursor.copy_expert(copy, hashed, _CHUNK)
            total = cursor.rowcount
    except psycopg2.DataError as error:
        discard(connection, resource)
        raise Unfit(f"the rows do not fit the columns: {error}") from error
    except BaseException:
        if not connection.closed:
            discard(connection, resource)
        raise
    tell(connection, staged, stage="staged", rows=total, sha256=hashed.sha256)
    return staged, total


def discard(connection: Connection, resource: str) -> None:
    """Drop what other loads of the resource have left, half-built tables too. Its writer alone may."""
    left = rows(
        connection,
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        " and (relname like %s or relname = %s)",
        names.staged_of(resource),
        names.NEW + resource,
    )
    for (name,) in left:
        drop(connection, name)


def require(connection: Connection, load: Load, columns: Sequence[Column]) -> None:
    """Raises Unfit unless what was staged is there, as it was sent, with these columns."""
    found = [(name, kind) for name, kind, _ in columns_of(connection, load.staged) if name != "_id"]
    if not found:
        raise Unfit("what was staged is gone: another load of this table began later; begin anew")
    if found != [(column.name, column.type) for column in columns]:
        raise Unfit(f"expected the columns that were staged, {_listed(found)}; found others")
    require_sha256((told(connection, load.staged) or {}).get("sha256", "nothing"), load.sha256)


def require_rows(found: int, expected: int) -> None:
    """Raises Unfit unless all rows are there: what is staged is unlogged, and a database that crashed empties it."""
    if found != expected:
        raise Unfit(f"expected the {expected:,} rows that were staged, found {found:,}: begin anew")


def _listed(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns)


def tell(connection: Connection, staged: str, **what: Any) -> None:
    """Write on the staged table how far its load is."""
    write_comment(connection, staged, json.dumps({**(told(connection, staged) or {}), **what}))


def told(connection: Connection, staged: str) -> dict[str, Any] | None:
    """How far a load is; None once it is over, or if another has begun."""
    comment = comment_of(connection, staged)
    found: dict[str, Any] | None = json.loads(comment) if comment else None
    return found
