"""Searches of a table, and downloads of it, whole or filtered: each from one version of it.

CKAN's own search asks for rows and for their number on two connections, and its download asks page by page, each in a
transaction of its own: if a load falls in between, the answer is a mixture of two versions, with status 200. Here all
that belongs to one answer is read in one transaction, which holds the table before it looks: else the name could come
to mean a table that was made after that look, in which it sees nothing.

A download goes into a file on the portal's own disk, at the database's speed, and is sent from there at the client's:
the table is held for seconds, not for as long as a telephone takes to download it, and what breaks in the middle is an
error instead of half a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ckan.plugins import toolkit
from ckanext.datastore import blueprint as stock
from ckanext.datastore.backend import postgres
from flask import Blueprint, Response, abort, send_file
from psycopg2 import errorcodes
from sqlalchemy.exc import DBAPIError

dump = Blueprint("kho_dump", __name__)

_HELD: ContextVar[Any] = ContextVar("kho_dump", default=None)


class OneVersionBackend(postgres.DatastorePostgresqlBackend):
    """CKAN's backend, whose searches are of one version, and share it while a download is made."""

    def search(self, context: Any, data_dict: dict[str, Any]) -> Any:
        """As CKAN's; within `one_version`, on its connection."""
        held = _HELD.get()
        if held is None:
            seconds = context.get("query_timeout", postgres._TIMEOUT)  # noqa: SLF001 - CKAN's own limit
            with _as_ckan_says_it(data_dict["resource_id"]), one_version(data_dict["resource_id"], seconds):
                return self.search(context, data_dict)
        context["connection"] = held
        return postgres.search_data(context, data_dict)

    def datastore_search(
        self, context: Any, data_dict: dict[str, Any], fields_types: dict[str, Any], query_dict: dict[str, Any]
    ) -> Any:
        """As CKAN's; the number of all rows, if it is known, is asked for on the connection that gives the rows.

        CKAN asks for it on another connection.
        """
        query_dict = super().datastore_search(context, data_dict, fields_types, query_dict)
        if data_dict["include_total"] and not query_dict["where"] and not query_dict["distinct"]:
            total = _kept_count(context["connection"], data_dict["resource_id"])
            if total is not None:
                data_dict |= {"include_total": False, "total": total}
        return query_dict


def _kept_count(connection: Any, resource: str) -> int | None:
    """What stands in the DataStore's table of counts; None if nothing does, or readers may not read it."""
    if not connection.execute(sa.text("select has_table_privilege('_table_stats', 'select')")).scalar():
        return None
    found = sa.text("select (stats ->> 'rows')::bigint from _table_stats where resource_id = :resource")
    count: int | None = connection.execute(found, {"resource": resource}).scalar()
    return count


@contextmanager
def one_version(name: str, timeout_ms: int) -> Iterator[None]:
    """All searches inside see one state of the database. `name`: of the table that they ask, or an alias of it."""
    engine = postgres.get_read_engine()
    postgres._cache_types(engine)  # noqa: SLF001 - as CKAN's own search does
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        connection.execute(sa.text(f"set local statement_timeout to {int(timeout_ms)}"))
        if name not in toolkit.config["ckan.datastore.public_table_search"]:
            connection.execute(sa.text(f"lock table {postgres.identifier(name)} in access share mode"))
        token = _HELD.set(connection)
        try:
            yield
        finally:
            _HELD.reset(token)


@contextmanager
def _as_ckan_says_it(name: str) -> Iterator[None]:
    """What the database says of a search, in the words of CKAN's own."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "pgcode", None)
        if code == errorcodes.QUERY_CANCELED:
            raise toolkit.ValidationError({"query": ["Search took too long"]}) from error
        if code == errorcodes.UNDEFINED_TABLE:
            raise toolkit.ObjectNotFound(f'DataStore table "{name}" was not found.') from error
        info: Any = {"statement": [error.statement], "params": [error.params], "orig": [str(error.orig)]}
        raise toolkit.ValidationError({"query": ["Invalid query"], "info": info}) from error


@dump.route("/datastore/dump/<resource_id>")
def whole(resource_id: str) -> Any:
    """The rows that are asked for, in the format that is asked for."""
    folder = Path(toolkit.config["ckan.storage_path"]) / "downloads"
    folder.mkdir(exist_ok=True)
    spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - sent, and closed, after this function's end
    try:
        with _as_ckan_says_it(resource_id), one_version(resource_id, postgres._TIMEOUT * 10):  # noqa: SLF001
            answer: Response = stock.dump(resource_id)
            for part in answer.iter_encoded():
                spool.write(part)
    except (toolkit.NotAuthorized, toolkit.ObjectNotFound):  # the first, if it was taken out of sight meanwhile
        abort(404)
    spool.seek(0)
    sent = send_file(spool, mimetype="application/octet-stream")
    sent.content_length = spool.seek(0, 2)
    spool.seek(0)
    for name in ("Content-Type", "Content-Disposition"):
        sent.headers[name] = answer.headers[name]
    return sent
