"""Which version a table holds, written on the table itself, and which may take its place."""

from __future__ import annotations

import json

from psycopg2.extensions import connection as Connection  # noqa: N812

from ckanext_kho.tables.database import comment_of, write_comment
from ckanext_kho.tables.form import Load, Version, read_version


class Moved(Exception):
    """The table does not hold what the load was to take the place of."""


def version_of(connection: Connection, name: str) -> Version | None:
    """What a table holds; None if it is not there, or somebody else filled it."""
    return read(comment_of(connection, name))


def read(comment: str | None) -> Version | None:
    """The version that a table's comment tells of."""
    try:
        return read_version(json.loads(comment or "")["kho"])
    except (ValueError, KeyError, TypeError):
        return None


def mark(connection: Connection, name: str, version: Version) -> None:
    """Say what a table holds: before it is shown, or in the transaction that changes one that is."""
    write_comment(connection, name, json.dumps({"kho": version.as_dict()}))


def require(connection: Connection, load: Load) -> None:
    """To be asked under the table's lock. Raises Moved."""
    require_version(connection, load.resource, load.replaces)
    found, version = load.replaces, load.version
    if found and found.lineage == version.lineage and found.number > version.number:
        raise Moved(f"the table holds {_said(found)}, which is newer than {_said(version)}")


def require_version(connection: Connection, resource: str, expected: Version | None) -> None:
    """Raises Moved unless the table holds this version."""
    found = version_of(connection, resource)
    if found != expected:
        raise Moved(f"expected {_said(expected)} in the table, found {_said(found)}: plan anew")


def _said(version: Version | None) -> str:
    return f"version {version.number} of {version.lineage}" if version else "no version of ours"
