"""Following a run while Airflow is not always able to answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.runs import PATIENCE, Airflow, Run
from infra.settings import Settings
from quality.refusal import Refusal

RUN = Run("health", "manual__1")


@contextmanager
def airflow_that_fails(times: int, home: Path) -> Iterator[tuple[Airflow, list[str]]]:
    """Whose API fails at the first questions after the login; and the questions."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append("GET")
            self._answer(500 if len(asked) <= times else 200, {"state": "success"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if "token" in self.path:
                self._answer(201, {"access_token": "x"})
                return
            asked.append("POST")
            self._answer(500, {})

        def _answer(self, status: int, said: object) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        (home / "secrets").mkdir(parents=True)
        yield Airflow(Settings(home, home, {"airflow": server.server_port})), asked
        server.shutdown()


def test_a_question_that_fails_now_and_then_is_asked_again(tmp_path: Path) -> None:
    with airflow_that_fails(2, tmp_path) as (api, asked):
        assert api.state(RUN) == "success"
        assert len(asked) == 3


def test_who_always_fails_is_told_of_and_nothing_is_started_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with airflow_that_fails(99, tmp_path) as (api, asked):
        monkeypatch.setattr(type(PATIENCE), "sleep", lambda *_: None)
        with pytest.raises(Refusal, match="500 Server Error"):
            api.state(RUN)
        assert len(asked) == 1 + int(PATIENCE.total or 0)
        del asked[:]
        with pytest.raises(Refusal, match="500 Server Error"):
            api.trigger("health")
        assert asked == ["POST"]
