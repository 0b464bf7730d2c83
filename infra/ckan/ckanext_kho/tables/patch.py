"""A staged table of changes goes into a resource's table: in one transaction, at the cost of what changed."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from ckanext_kho.tables import fence, staging, text
from ckanext_kho.tables.database import count, drop, rows, table, value
from ckanext_kho.tables.form import Load, Unfit
from ckanext_kho.tables.replace import in_a_moment, show

DELETE, UPSERT = "delete", "upsert"


@dataclass(frozen=True)
class Changes:
    """How many rows a patch brings, changes and takes away."""

    inserted: int
    updated: int
    deleted: int


def patch(connection: Connection, load: Load, expected: Changes) -> None:
    """All of it or nothing. Raises Unfit or Moved, and leaves the table as it was."""
    if load.replaces is None:
        raise Unfit("a patch needs a version that it is for")
    staging.require(connection, load.staged, (staging.OPERATION, *load.form.columns), load.rows)
    rows(connection, sql.SQL("analyze {}").format(table(load.staged)))

    def work() -> None:
        fence.require(connection, load)
        done = _write(connection, load)
        if done != expected:
            raise Unfit(f"expected {expected}, found {done}: the table was changed by somebody else; replace it")
        fence.mark(connection, load.resource, load.version)
        show(connection, load, count(connection, load.resource))

    in_a_moment(connection, work)
    drop(connection, load.staged)


def _write(connection: Connection, load: Load) -> Changes:
    """Take away, then bring. The words are made anew: CKAN's trigger leaves those of an updated row as they were."""
    form = load.form
    same = sql.SQL(" and ").join(sql.SQL("live.{0} = staged.{0}").format(sql.Identifier(name)) for name in form.key)
    parts = {
        "live": table(load.resource),
        "staged": table(load.staged),
        "same": same,
        "key": sql.SQL(", ").join(sql.Identifier(name) for name in form.key),
        "columns": sql.SQL(", ").join(sql.Identifier(column.name) for column in form.columns),
        "words": text.words(form.columns, "staged"),
        "set": sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
            for name in ("_full_text", *(column.name for column in form.columns))
        ),
        "delete": sql.Literal(DELETE),
        "upsert": sql.Literal(UPSERT),
    }
    deleted = value(
        connection,
        sql.SQL(
            "with gone as (delete from {live} as live using {staged} as staged where {same} and staged._op = {delete}"
            " returning 1) select count(*) from gone"
        ).format(**parts),
    )
    inserted, updated = rows(
        connection,
        sql.SQL(
            "with put as (insert into {live} ({columns}, _full_text) select {columns}, {words} from {staged} as staged"
            " where _op = {upsert} order by staged._id on conflict ({key}) do update set {set} returning xmax)"
            " select count(*) filter (where xmax = 0), count(*) filter (where xmax <> 0) from put"
        ).format(**parts),
    )[0]
    return Changes(int(inserted), int(updated), int(deleted))
