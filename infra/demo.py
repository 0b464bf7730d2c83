"""`./kho demo`: the main job. Everything is started, Airflow carries the real yearbooks to the portal, we watch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from infra import supervise
from infra.departments import open_departments
from infra.runs import Airflow, finish, until
from infra.services import airflow
from infra.settings import Settings

RUN_SECONDS = 1200
DATASET = "ca-benh-truyen-nhiem-theo-thang"


@contextmanager
def _phase(name: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{name} …", flush=True)
    yield
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def demo(settings: Settings) -> None:
    """Start all services, trigger the health DAG and follow it through city and portal."""
    began = time.monotonic()
    with _phase("services"):
        open_departments(settings)
        supervise.up(settings)
    api = Airflow(settings)
    until(RUN_SECONDS, "Airflow reads the DAGs", lambda: all(map(api.knows, ("health", "city", "portal"))))
    with _phase("health: fetch, ingest"):
        run = api.trigger("health")
        finish(api, run, RUN_SECONDS)
    for dag, steps in (("city", "build, check, promote"), ("portal", "protect, check, export, apply")):
        with _phase(f"{dag}: {steps}"):
            run = until(RUN_SECONDS, f"{run.dag} wakes {dag}", partial(api.woken_by, run, dag))
            finish(api, run, RUN_SECONDS)
    print(f"done in {time.monotonic() - began:.0f} s (set-up before it not counted)\n")
    print(f"  the portal   {settings.portal_url}/dataset/{DATASET}")
    print(f"  Airflow      {airflow.url(settings)}")
    print(f"               user {airflow.ADMIN}, password in {settings.home}/secrets/airflow-admin")
    print(f"  SQL          jdbc:hive2://127.0.0.1:{settings.ports['thrift']}/city")
