"""Settings of gunicorn: CKAN is loaded once, then forked."""

from __future__ import annotations

import socket
from typing import Any

from gunicorn.http import wsgi

from ckanext_kho.sending import Sending

workers = 2
worker_class = "gthread"
threads = 4
preload_app = True
timeout = 120
graceful_timeout = 20
keepalive = 5
errorlog = "-"
loglevel = "warning"
control_socket_disable = True


def post_fork(_server: Any, _worker: Any) -> None:
    """Leave the parent's database connections to the parent: two processes on one connection mix up their answers."""
    from ckan.model import meta  # noqa: PLC0415 - gunicorn reads this file before CKAN is configured
    from ckanext.datastore.backend import postgres  # noqa: PLC0415

    if meta.engine is not None:
        meta.engine.dispose(close=False)
    for engine in postgres._engines.values():  # noqa: SLF001 - there is no other way to it
        engine.dispose(close=False)


class Response(wsgi.Response):
    """gunicorn's, but for how it sends files, for which it has no setting."""

    def __init__(self, request: Any, connection: socket.socket, settings: Any) -> None:
        """Nothing is sent yet."""
        super().__init__(request, Sending(connection), settings)


wsgi.Response = Response
