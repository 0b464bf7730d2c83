"""Which versions of a table were published and when: written in the very transaction that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from ckanext_kho.tables.database import exists, rows
from ckanext_kho.tables.form import Version

TABLE = "_kho_versions"  # the DataStore does not list what begins with _
_MADE_BY_ONE = "kho versions"  # a name for a lock


@dataclass(frozen=True)
class Published:
    """A version that the public has seen. `replaces`: what it took the place of."""

    version: Version
    replaces: Version | None
    rows: int
    at: datetime


def prepare(connection: Connection) -> None:
    """Make the table of versions, if it is not there."""
    if exists(connection, TABLE):
        return
    rows(connection, "select pg_advisory_lock(hashtextextended(%s, 0))", _MADE_BY_ONE)
    rows(
        connection,
        "create table if not exists public._kho_versions (dataset_id text not null, lineage text not null,"
        " version integer not null, replaces_lineage text, replaces_version integer, rows bigint not null,"
        " at timestamptz not null default now(), primary key (dataset_id, lineage, version))",
    )
    rows(connection, "select pg_advisory_unlock(hashtextextended(%s, 0))", _MADE_BY_ONE)


def remember(connection: Connection, dataset: str, version: Version, replaces: Version | None, total: int) -> None:
    """Inside the transaction that shows `version`. One that is built anew was published when it first was."""
    before = (replaces.lineage, replaces.number) if replaces else (None, None)
    rows(
        connection,
        "insert into public._kho_versions values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
        *(dataset, version.lineage, version.number, *before, total),
    )


def forget(connection: Connection, dataset: str, version: Version) -> None:
    """Inside the transaction that puts back what was before: this one could not be proven."""
    rows(
        connection,
        "delete from public._kho_versions where dataset_id = %s and lineage = %s and version = %s",
        *(dataset, version.lineage, version.number),
    )


def published(connection: Connection, dataset: str) -> list[Published]:
    """Of a dataset, by its id, the newest first."""
    if not exists(connection, TABLE):
        return []
    found = rows(
        connection,
        "select lineage, version, replaces_lineage, replaces_version, rows, at from public._kho_versions"
        " where dataset_id = %s order by at desc, version desc",
        dataset,
    )
    return [
        Published(Version(lineage, number), Version(*before) if before[0] else None, total, at)
        for lineage, number, *before, total, at in found
    ]
