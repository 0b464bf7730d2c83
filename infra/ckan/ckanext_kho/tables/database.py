"""A connection of our own to the DataStore's database, and one writer per table.

CKAN's pool is not used: what is built here takes minutes, outside of transactions, under a lock that belongs to the
connection. If its process is killed, PostgreSQL ends the connection and with it the lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from ckan import model
from ckan.plugins import toolkit
from ckanext.datastore.backend.postgres import get_read_engine
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - the class is named like a module


class Busy(Exception):
    """Another load of the same table is at work."""


def let_go() -> None:
    """Give CKAN's own connection back before what takes long: a database restarted meanwhile would fail the answer."""
    model.Session.rollback()


@contextmanager
def writer(resource: str) -> Iterator[Connection]:
    """A connection in autocommit, as the tables' owner, that alone may load `resource`. Raises Busy."""
    let_go()
    with another() as opened:
        if not value(opened, "select pg_try_advisory_lock(hashtextextended(%s, 0))", resource):
            raise Busy(resource)
        if value(opened, "select has_parameter_privilege('deadlock_timeout', 'set')"):
            # Before a load's patience ends: only then does an autovacuum that holds the table give way to it.
            rows(opened, "set deadlock_timeout = '50ms'")
        yield opened


@contextmanager
def another() -> Iterator[Connection]:
    """A further connection like a writer's, for what it does at the same time."""
    with closing(_connect()) as opened:
        opened.autocommit = True
        yield opened


@contextmanager
def reader() -> Iterator[Connection]:
    """A connection that sees one state of the database and changes nothing."""
    with closing(_connect()) as opened:
        opened.set_session(isolation_level="REPEATABLE READ", readonly=True)
        yield opened


def _connect() -> Connection:
    return psycopg2.connect(toolkit.config["ckan.datastore.write_url"], application_name="kho tables")


@contextmanager
def glance() -> Iterator[Any]:
    """One of the connections that CKAN keeps for readers, for a question that takes less time than to open one."""
    kept = get_read_engine().raw_connection()
    try:
        yield kept
    finally:
        kept.close()  # to where it came from, and nothing is left open


def is_held(connection: Connection, resource: str) -> bool:
    """Whether somebody loads `resource` now."""
    found = value(
        connection,
        "select exists (select from pg_locks where locktype = 'advisory' and granted"
        " and (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0))",
        resource,
    )
    return bool(found)


def rows(connection: Connection, query: str | sql.Composable, *parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of an answer; none for what answers with none."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def written(connection: Connection, statement: sql.Composable) -> int:
    """How many rows a statement wrote."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


def value(connection: Connection, query: str | sql.Composable, *parameters: Any) -> Any:
    """The first value of an answer, None if there is none."""
    found = rows(connection, query, *parameters)
    return found[0][0] if found else None


def table(name: str) -> sql.Composed:
    """A table by its name. The schema is said, as a name alone is looked for in a list of places."""
    return sql.SQL("public.{}").format(sql.Identifier(name))


def exists(connection: Connection, name: str) -> bool:
    """Whether there is such a table."""
    return value(connection, "select to_regclass(%s)", f'public."{name}"') is not None


def count(connection: Connection, name: str) -> int:
    """How many rows a table has."""
    return int(value(connection, sql.SQL("select count(*) from {}").format(table(name))))


def drop(connection: Connection, name: str) -> None:
    """Drop a table, if it is there."""
    rows(connection, sql.SQL("drop table if exists {}").format(table(name)))


def columns_of(connection: Connection, name: str) -> list[tuple[str, str, str]]:
    """Name, type and comment of every column, in order; none if there is no such table."""
    return rows(
        connection,
        "select attname, typname, coalesce(col_description(attrelid, attnum), '') from pg_attribute"
        " join pg_type on pg_type.oid = atttypid where attrelid = to_regclass(%s) and attnum > 0"
        " and not attisdropped order by attnum",
        f'public."{name}"',
    )


def comment_of(connection: Connection, name: str) -> str | None:
    """What is written on a table; None if nothing is, or it is not there."""
    found: str | None = value(connection, "select obj_description(to_regclass(%s), 'pg_class')", f'public."{name}"')
    return found


def write_comment(connection: Connection, name: str, comment: str) -> None:
    """Write it on a table."""
    rows(connection, sql.SQL("comment on table {} is {}").format(table(name), sql.Literal(comment)))
