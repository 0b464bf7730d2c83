"""`./kho demo`: the main job. Everything is started, Airflow carries what departments offer to the portal, we watch."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from infra import supervise
from infra.connections import ensure_connections
from infra.departments import fill_database, open_departments
from infra.departments.addresses import addresses
from infra.runs import Airflow, Run, finish, until
from infra.services import airflow, engine
from infra.settings import ANALYST, ANALYST_SECRET, ROOT, Settings

RUN_SECONDS = 1200
DEPARTMENTS = ("investment", "education", "health", "cadastre")
DATASET = "ca-benh-truyen-nhiem-theo-thang"


@contextmanager
def _phase(name: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{name} …", flush=True)
    yield
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def start(settings: Settings, size: str | None = None, month: str | None = None) -> Airflow:
    """All services, and the simulated departments with what they offer; Airflow knows how to reach them."""
    with _phase("departments"):
        offered = open_departments(settings, size, month)
        print(f"  they offer {offered.month}, size {offered.size}")
    with _phase("services"):
        supervise.up(settings)
    fill_database(settings)
    api = Airflow(settings)
    ensure_connections(api, addresses(settings))
    return api


def demo(settings: Settings, size: str | None = None, month: str | None = None) -> None:
    """Start everything, trigger the departments' DAGs and follow them through city and portal."""
    began = time.monotonic()
    api = start(settings, size, month)
    until(RUN_SECONDS, "Airflow reads the DAGs", lambda: all(map(api.knows, (*DEPARTMENTS, "city", "portal"))))
    with _phase("departments: fetch, ingest"):
        runs = [api.trigger(department) for department in DEPARTMENTS]
        for run in runs:
            finish(api, run, RUN_SECONDS)
    for dag, steps in (("city", "build, check, promote"), ("portal", "protect, check, export, apply")):
        with _phase(f"{dag}: {steps}"):
            runs = _woken(api, runs, dag)
    print(f"done in {time.monotonic() - began:.0f} s (set-up before it not counted)\n")
    _print_intake(settings)
    print(f"  the portal   {settings.portal_url}/dataset/{DATASET}")
    print(f"  Airflow      {airflow.url(settings)}")
    print(f"               user {airflow.ADMIN}, password in {settings.home}/secrets/airflow-admin")
    print(f"  SQL          ./kho sql, or {engine.url(settings)} (docs/analysts.md)")
    print(f"               user {ANALYST}, password in {settings.secret_file(ANALYST_SECRET)}")


def _woken(api: Airflow, runs: list[Run], dag: str) -> list[Run]:
    """The runs of `dag` that announcements of `runs` woke, ended well. One may answer several announcements."""
    woken: list[Run] = []
    for run in filter(api.announced, runs):  # city waits in silence for what it is made of
        found = until(RUN_SECONDS, f"{run.dag} wakes {dag}", partial(api.woken_by, run, dag))
        if found not in woken:
            woken.append(found)
            finish(api, found, RUN_SECONDS)
    return woken


def _print_intake(settings: Settings) -> None:
    """What came in, as `./kho intake` prints it."""
    argv = [str(settings.python("lake")), "-m", "spark_jobs.intake"]
    subprocess.run(argv, cwd=ROOT, env={**os.environ, **settings.environment()}, check=True)
    print()
