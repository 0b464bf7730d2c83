"""Downloads of a table, whole or filtered, from one version of it.

CKAN's own download asks page by page, each in a transaction of its own: if a load falls in between, the file is a
mixture of two versions, with status 200. Here all pages are read in one transaction into a file on the portal's own
disk, at the database's speed, and sent from there at the client's: the table is held for seconds, not for as long as
a telephone takes to download it, and what breaks in the middle is an error instead of half a file.
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

dump = Blueprint("kho_dump", __name__)

_HELD: ContextVar[Any] = ContextVar("kho_dump", default=None)


class OneVersionBackend(postgres.DatastorePostgresqlBackend):
    """CKAN's backend, whose searches share one transaction while a download is made."""

    def search(self, context: Any, data_dict: dict[str, Any]) -> Any:
        """As CKAN's; within `one_version`, on its connection."""
        held = _HELD.get()
        if held is None:
            return super().search(context, data_dict)
        context["connection"] = held
        return postgres.search_data(context, data_dict)

    def datastore_search(
        self, context: Any, data_dict: dict[str, Any], fields_types: dict[str, Any], query_dict: dict[str, Any]
    ) -> Any:
        """As CKAN's; the number of all rows, if it is known, is asked for on the connection that gives the rows.

        CKAN asks for it on another: of a patch that falls in between it gives the rows before, the number after.
        """
        query_dict = super().datastore_search(context, data_dict, fields_types, query_dict)
        if _HELD.get() is None:
            _begin_anew(context, data_dict["resource_id"])
        if data_dict["include_total"] and not query_dict["where"] and not query_dict["distinct"]:
            total = _kept_count(context["connection"], data_dict["resource_id"])
            if total is not None:
                data_dict |= {"include_total": False, "total": total}
        return query_dict


def _begin_anew(context: Any, resource: str) -> None:
    """A transaction that has hold of the table before it sees anything.

    Who waits for a swap looks at the table that was swapped in, with the eyes of before: its rows are there, for they
    were written earlier, but the number is still the old one (4 of 23,801 answers).
    """
    connection = context["connection"]
    connection.rollback()
    timeout = context.get("query_timeout", postgres._TIMEOUT)  # noqa: SLF001 - as CKAN's own search does
    connection.execute(sa.text(f"set local statement_timeout to {int(timeout)}"))
    connection.execute(sa.text(f"lock table {postgres.identifier(resource)} in access share mode"))


def _kept_count(connection: Any, resource: str) -> int | None:
    """What stands in the DataStore's table of counts; None if nothing does, or readers may not read it."""
    if not connection.execute(sa.text("select has_table_privilege('_table_stats', 'select')")).scalar():
        return None
    found = sa.text("select (stats ->> 'rows')::bigint from _table_stats where resource_id = :resource")
    count: int | None = connection.execute(found, {"resource": resource}).scalar()
    return count


@contextmanager
def one_version() -> Iterator[None]:
    """All searches inside see one state of the database."""
    engine = postgres.get_read_engine()
    postgres._cache_types(engine)  # noqa: SLF001 - as CKAN's own search does
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        connection.execute(sa.text(f"set local statement_timeout to {postgres._TIMEOUT * 10}"))  # noqa: SLF001
        token = _HELD.set(connection)
        try:
            yield
        finally:
            _HELD.reset(token)


@dump.route("/datastore/dump/<resource_id>")
def whole(resource_id: str) -> Any:
    """The rows that are asked for, in the format that is asked for."""
    folder = Path(toolkit.config["ckan.storage_path"]) / "downloads"
    folder.mkdir(exist_ok=True)
    spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - sent, and closed, after this function's end
    try:
        with one_version():
            answer: Response = stock.dump(resource_id)
            for part in answer.iter_encoded():
                spool.write(part)
    except toolkit.NotAuthorized:  # it was taken out of sight after the first look
        abort(404)
    spool.seek(0)
    sent = send_file(spool, mimetype="application/octet-stream")
    sent.content_length = spool.seek(0, 2)
    spool.seek(0)
    for name in ("Content-Type", "Content-Disposition"):
        sent.headers[name] = answer.headers[name]
    return sent
