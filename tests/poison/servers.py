"""A server that notes what it is asked, for files that would have others ask."""

from __future__ import annotations

import http.server
import threading
from types import TracebackType
from typing import Self


class Asked:
    """On loopback; it has nothing."""

    def __init__(self) -> None:
        """Nobody is answered yet."""
        self.paths: list[str] = []
        paths = self.paths

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                paths.append(self.path)
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        """Answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
