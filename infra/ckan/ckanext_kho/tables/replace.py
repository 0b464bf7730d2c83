"""A staged table takes the place of a resource's: built aside, then swapped in between two readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from ckanext_kho.tables import fence, history, names, staging, words
from ckanext_kho.tables.database import another, count, drop, exists, rows, table, written
from ckanext_kho.tables.form import Form, Load, Unfit, Version

# Readers wait behind whoever waits for the table: for no longer than this, then they go first and it tries again.
LOCK_TIMEOUT = "200ms"
SETTINGS = {
    # Of a million rows, the index of their words took two processes 6.8 to 7.4 s with this, 8.4 to 8.8 s with 256MB
    # (what they sort leaves the processor's caches) and 11.8 s with 32MB (PostgreSQL then takes one process).
    "maintenance_work_mem": "64MB",
    # By default 100,000 rows, 15 MB, are not worth more than one process to PostgreSQL; to make their words is.
    "min_parallel_table_scan_size": "1MB",
    # What is built is lost with the server, or it is shown: then all of it is on the disk before.
    "synchronous_commit": "off",
}
_PAUSE_S = 0.5
_TRIES = 240  # of two minutes: a long search or an autovacuum may hold the table meanwhile


class Occupied(Exception):
    """Readers did not let go of the table for minutes."""


def replace(connection: Connection, load: Load) -> None:
    """Build, then swap; what was staged is left. Raises Unfit or Moved, and leaves the table as it was."""
    fence.require(connection, load)  # once more under the lock; here it saves the work
    staging.require(connection, load, load.form.columns)
    build(connection, load)
    in_a_moment(connection, lambda: _swap(connection, load))


def build(connection: Connection, load: Load) -> None:
    """Make `_new_<resource>` all that the DataStore expects of a table, from what was staged."""
    resource, staged, form = load.resource, load.staged, load.form
    new = names.NEW + resource
    drop(connection, new)
    for name, setting in SETTINGS.items():
        rows(connection, sql.SQL("set {} = {}").format(sql.Identifier(name), sql.Literal(setting)))
    staging.tell(connection, staged, stage="words")
    staging.require_rows(_fill(connection, load), load.rows)
    with another() as beside, ThreadPoolExecutor(1) as thread:
        dropped = thread.submit(drop, beside, names.OLD + resource)  # in the swap it would cost readers a second
        # Before the indexes: who first reads what was written by a transaction that is over notes so, and every page is
        # logged. That way once: of a million rows, with all indexes, 15.5 and 13.8 s became 14.5 and 12.5 s.
        rows(connection, sql.SQL("vacuum (analyze, freeze) {}").format(table(new)))
        dropped.result()
        staging.tell(connection, staged, stage="indexes")
        # PostgreSQL finishes the index of the words with a single process. Of a million rows, all indexes took two
        # processors 14.3 s with the keys after it, and 11.7 s with the keys beside it.
        keys = thread.submit(_index_keys, beside, resource, new, form)
        rows(
            connection,
            sql.SQL("create index {} on {} using gin (_full_text)").format(
                sql.Identifier(names.NEW + names.full_text_index(resource)), table(new)
            ),
        )
        keys.result()
    _number(connection, new)
    for column in form.columns:
        comment = sql.SQL("comment on column {}.{} is {}")
        rows(connection, comment.format(table(new), sql.Identifier(column.name), sql.Literal(column.comment)))
    _inherit(connection, resource, new)
    # Not in the swap: a reader's question that began before it may find the table of afterwards, and reads on that what
    # had been written when it began.
    fence.mark(connection, new, load.version)
    staging.tell(connection, staged, stage="built")


def _fill(connection: Connection, load: Load) -> int:
    """Write every row with its words; how many."""
    columns, staged = load.form.columns, load.staged
    full_text = words.of_staged(connection, staged, columns, load.rows)
    statement = sql.SQL("create table {} as select _id, {} as _full_text, {} from {} as staged {}").format(
        table(names.NEW + load.resource),
        full_text.expression,
        sql.SQL(", ").join(sql.Identifier("staged", column.name) for column in columns),
        table(staged),
        full_text.joins,
    )
    filled = written(connection, statement)
    for known in full_text.tables:
        drop(connection, known)
    return filled


def _index_keys(connection: Connection, resource: str, new: str, form: Form) -> None:
    """Those of the number and of the key. Raises Unfit if the key is none."""
    unique = sql.SQL("create unique index {} on {} ({})")
    rows(connection, unique.format(sql.Identifier(names.primary(new)), table(new), sql.Identifier("_id")))
    key = sql.Identifier(names.NEW + names.key_index(resource, form.key))
    listed = sql.SQL(", ").join(sql.Identifier(name) for name in form.key)
    try:
        rows(connection, unique.format(key, table(new), listed))
    except psycopg2.IntegrityError as error:
        raise Unfit(f"the key {', '.join(form.key)} is not unique: {error}") from error


def _number(connection: Connection, new: str) -> None:
    """`_id` as CKAN has it: the primary key, and a serial that goes on after the last row."""
    sequence = names.sequence(new)
    for statement in (
        "alter table {new} add constraint {primary} primary key using index {primary}",
        "create sequence {sequence} as integer owned by {new}._id",
        "alter table {new} alter column _id set default nextval({quoted})",
        "select setval({quoted}, coalesce(max(_id), 1)) from {new}",
    ):
        filled = sql.SQL(statement).format(
            sequence=table(sequence),
            new=table(new),
            quoted=sql.Literal(f'public."{sequence}"'),
            primary=sql.Identifier(names.primary(new)),
        )
        rows(connection, filled)


def _inherit(connection: Connection, resource: str, new: str) -> None:
    """Triggers and rights of the table that is there; of a first one, CKAN's trigger and the database's rights."""
    if not exists(connection, resource):
        rows(
            connection,
            sql.SQL(
                "create trigger zfulltext before insert or update on {} for each row"
                " execute procedure populate_full_text_trigger()"
            ).format(table(new)),
        )
        return
    regclass = f'public."{resource}"'
    for (definition,) in rows(
        connection,
        "select pg_get_triggerdef(oid) from pg_trigger where tgrelid = %s::regclass and not tgisinternal",
        regclass,
    ):
        before, _, after = definition.partition(f' ON public."{resource}" ')
        rows(connection, f'{before} ON public."{new}" {after}')
    own = "select grantee::regrole::text, privilege_type from pg_class, aclexplode(relacl) where oid = %s::regclass"
    had, has = (set(rows(connection, own + " and grantee <> relowner", name)) for name in (regclass, f'public."{new}"'))
    for verb, preposition, rights in (("grant", "to", had - has), ("revoke", "from", has - had)):
        for role, right in sorted(rights):
            rows(connection, f'{verb} {right} on public."{new}" {preposition} {role}')


def put_back(connection: Connection, dataset: str, resource: str, version: Version, replaces: Version | None) -> None:
    """Undo a swap: the table before takes the place of `version` again. Raises Moved if either is not there."""
    new, old = names.NEW + resource, names.OLD + resource
    if not exists(connection, old) or fence.version_of(connection, old) != replaces:
        raise fence.Moved("the table before is not kept any more")
    total = count(connection, old)

    def work() -> None:
        _lock(connection, resource)
        fence.require_version(connection, resource, version)
        _change_places(connection, resource, old, new)
        history.forget(connection, dataset, version)
        keep_count(connection, resource, total)

    in_a_moment(connection, work)
    drop(connection, new)


def _swap(connection: Connection, load: Load) -> None:
    """The table that was becomes `_old_`, `_new_` takes its name. Inside a transaction."""
    _lock(connection, load.resource)
    fence.require(connection, load)
    _change_places(connection, load.resource, names.NEW + load.resource, names.OLD + load.resource)
    show(connection, load, load.rows)


def _aliases(connection: Connection, resource: str) -> list[str]:
    return [name for (name,) in rows(connection, 'select name from "_table_metadata" where alias_of = %s', resource)]


def _lock(connection: Connection, resource: str) -> None:
    """The table, if there is one, and its aliases: from now on readers wait."""
    if exists(connection, resource):
        locked = sql.SQL(", ").join(table(name) for name in [*_aliases(connection, resource), resource])
        rows(connection, sql.SQL("lock table {} in access exclusive mode").format(locked))


def _change_places(connection: Connection, resource: str, comes: str, goes: str) -> None:
    """`comes` takes the table's name, which takes the name `goes`."""
    aliases = _aliases(connection, resource)
    for alias in aliases:
        rows(connection, sql.SQL("drop view {}").format(table(alias)))
    if exists(connection, resource):
        _rename(connection, resource, goes)
    _rename(connection, comes, resource)
    for alias in aliases:
        rows(connection, sql.SQL("create view {} as select * from {}").format(table(alias), table(resource)))


def _rename(connection: Connection, before: str, after: str) -> None:
    """A table with its indexes and its sequence: a name of theirs is used once in a schema."""
    indexes = rows(
        connection,
        "select relname from pg_class join pg_index on oid = indexrelid where indrelid = to_regclass(%s)",
        f'public."{before}"',
    )
    for (name,) in indexes:
        fresh = names.alongside(name, after)
        rows(connection, sql.SQL("alter index {} rename to {}").format(table(name), sql.Identifier(fresh)))
    sequence = sql.SQL("alter sequence if exists {} rename to {}")
    rows(connection, sequence.format(table(names.sequence(before)), sql.Identifier(names.sequence(after))))
    rows(connection, sql.SQL("alter table {} rename to {}").format(table(before), sql.Identifier(after)))


def show(connection: Connection, load: Load, total: int) -> None:
    """Note that a version is shown from now on, and how many rows. Inside the transaction that brings them."""
    history.remember(connection, load.dataset, load.version, load.replaces, total)
    keep_count(connection, load.resource, total)


def keep_count(connection: Connection, resource: str, total: int) -> None:
    """Tell CKAN how many rows there are: it would count on a second connection, behind whoever waits for the table."""
    rows(
        connection,
        "insert into _table_stats values (%s, jsonb_build_object('rows', %s::bigint)) on conflict (resource_id)"
        " do update set stats = _table_stats.stats || excluded.stats",
        resource,
        total,
    )


def in_a_moment(connection: Connection, work: Callable[[], None]) -> None:
    """Do it in a transaction that gives way to readers and tries again. Raises Occupied."""
    for _ in range(_TRIES):
        rows(connection, "begin")
        try:
            rows(connection, "set local lock_timeout = %s", LOCK_TIMEOUT)
            rows(connection, "set local synchronous_commit = on")
            work()
            rows(connection, "commit")
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            rows(connection, "rollback")
            time.sleep(_PAUSE_S)
        except BaseException:
            if not connection.closed:
                rows(connection, "rollback")
            raise
        else:
            return
    raise Occupied("readers did not let go of the table for two minutes; it stays as it was")
