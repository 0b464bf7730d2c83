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
from flask import Blueprint, Response, send_file

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
    with one_version():
        answer: Response = stock.dump(resource_id)
        for part in answer.iter_encoded():
            spool.write(part)
    spool.seek(0)
    sent = send_file(spool, mimetype="application/octet-stream")
    sent.content_length = spool.seek(0, 2)
    spool.seek(0)
    for name in ("Content-Type", "Content-Disposition"):
        sent.headers[name] = answer.headers[name]
    return sent
