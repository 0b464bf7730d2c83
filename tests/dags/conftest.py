"""The scheduler's Python, in which the DAGs are read, and a contact whom alerts are sent to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from infra.settings import ROOT, read_settings
from tests.dags.contact import Received, receive

IN_AIRFLOW_SECONDS = 120


@pytest.fixture(scope="module")
def in_airflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Runs code with the DAGs' folder on its path, in an Airflow without anything; what it prints last is JSON."""
    home = tmp_path_factory.mktemp("airflow")

    def run(code: str, given: object = None, connections: Mapping[str, str] | None = None) -> Any:
        """`given` is `given` there; `connections` are known by name."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "KHO_"))},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__BASE_URL": "http://airflow.example.org/",
            "PYTHONPATH": str(ROOT / "dags"),
            "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(home / "pycache")),
            "TZ": "Asia/Ho_Chi_Minh",
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in (connections or {}).items()},
        }
        argv = [str(read_settings().python("scheduler")), "-c", f"given = {given!r}\n{code}"]
        done = subprocess.run(
            argv, env=environment, cwd=home, capture_output=True, text=True, timeout=IN_AIRFLOW_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def contact() -> Iterator[Received]:
    """Of the Department of Health."""
    with receive() as received:
        yield received
