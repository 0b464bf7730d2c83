"""Trigger a DAG over Airflow's API and follow its run, and the runs that its announcement wakes, to their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from infra.services import airflow
from infra.settings import Settings
from quality.refusal import Refusal

POLL_SECONDS = 1.0
ANSWER_SECONDS = 30
# Who follows a run asks every second for minutes: one answer that Airflow fails to give at full load is no failed run.
PATIENCE = Retry(
    5,
    connect=0,
    backoff_factor=0.5,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=("GET",),
    raise_on_status=False,
)
LOG_LINES = 15
T = TypeVar("T")
DONE = {"success", "failed"}


class RunFailed(Refusal):
    """A run of a DAG ended otherwise than well."""


@dataclass(frozen=True)
class Run:
    """One run of one DAG."""

    dag: str
    run_id: str


class Airflow:
    """Airflow's REST API, as its administrator."""

    def __init__(self, settings: Settings) -> None:
        """Log in. Raises Refusal when Airflow does not answer."""
        self._url = airflow.url(settings)
        self._session = requests.Session()
        self._session.mount(self._url, HTTPAdapter(max_retries=PATIENCE))
        credentials = {"username": airflow.ADMIN, "password": settings.secret("airflow-admin")}
        token = self._ask("POST", "/auth/token", json=credentials)["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    _headers: dict[str, str] | None = None

    def trigger(self, dag: str, **params: str) -> Run:
        """Start a run of a DAG, which must have been parsed by now, with some of its params."""
        body = {"logical_date": None, "conf": params}
        return Run(dag, str(self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", json=body)["dag_run_id"]))

    def knows(self, dag: str) -> bool:
        """Has the DAG processor read this DAG?"""
        return any(row["dag_id"] == dag for row in self._ask("GET", "/api/v2/dags")["dags"])

    def state(self, run: Run) -> str:
        """State of a run: queued, running, success, failed."""
        return str(self._ask("GET", f"/api/v2/dags/{run.dag}/dagRuns/{run.run_id}")["state"])

    def woken_by(self, run: Run, dag: str) -> Run | None:
        """The first run of `dag` that began after `run` announced something, if there is one yet.

        Not the one that Airflow lists the announcement with: where a run is already waiting, Airflow 3.3.2 lists later
        announcements with none, and it is this waiting run that takes up what they announce.
        """
        announced = self.announced(run)
        rows = self._ask("GET", f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after&limit=50")["dag_runs"]
        began = [(_time(row["start_date"]), row["dag_run_id"]) for row in rows if row["start_date"]]
        since = [(start, run_id) for start, run_id in began if announced and start >= announced]
        return Run(dag, min(since)[1]) if since else None

    def announced(self, run: Run) -> datetime | None:
        """When a run announced something, the last time; None when it did not."""
        listed = self._ask("GET", f"/api/v2/assets/events?source_run_id={quote(run.run_id)}&source_dag_id={run.dag}")
        return max((_time(event["timestamp"]) for event in listed["asset_events"]), default=None)

    def states(self, run: Run) -> dict[str, str | None]:
        """State of each task of a run: success, failed, upstream_failed, skipped; None before it is looked at."""
        return {task["task_id"]: task["state"] for task in self._tasks(run)}

    def failures(self, run: Run) -> Iterator[str]:
        """Of each failed task: its name and the end of its log."""
        for task in self._tasks(run):
            if task["state"] == "failed":
                yield "\n".join([f"{task['task_id']}:", *self.log(run, task["task_id"])[-LOG_LINES:]])

    def log(self, run: Run, task_id: str) -> list[str]:
        """What a task has printed in its newest try; nothing before its first."""
        (task,) = (task for task in self._tasks(run) if task["task_id"] == task_id)
        if not task["try_number"]:
            return []
        log = self._ask("GET", f"{self._path(run)}/{task_id}/logs/{task['try_number']}?full_content=true")
        return [str(line["event"]) for line in log["content"] if isinstance(line, dict)]

    def keep_connections(self, connections: Sequence[Mapping[str, Any]]) -> None:
        """Make connections, or change those of the same name. Raises Refusal with Airflow's words about some."""
        action = {"action": "create", "action_on_existence": "overwrite", "entities": list(connections)}
        done = self._ask("PATCH", "/api/v2/connections", json={"actions": [action]})["create"]
        if done["errors"]:
            raise Refusal("Airflow does not take the connections", found=str([e["error"] for e in done["errors"]]))

    def import_errors(self) -> list[str]:
        """What keeps DAG files from being read."""
        return [error["stack_trace"] for error in self._ask("GET", "/api/v2/importErrors")["import_errors"]]

    def _tasks(self, run: Run) -> list[dict[str, Any]]:
        return list(self._ask("GET", self._path(run))["task_instances"])

    @staticmethod
    def _path(run: Run) -> str:
        return f"/api/v2/dags/{run.dag}/dagRuns/{run.run_id}/taskInstances"

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            headers = {**(self._headers or {}), "Accept": "application/json"}
            answer = self._session.request(
                method, self._url + path, headers=headers, timeout=ANSWER_SECONDS, **arguments
            )
            answer.raise_for_status()
        except requests.RequestException as error:
            raise Refusal(
                "Airflow does not answer as it should",
                where=f"{method} {self._url}{path}",
                found=str(error),
                remedy="./kho status shows what runs, ./kho up starts it",
            ) from error
        return answer.json()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def until(seconds: float, what: str, ask: Callable[[], T | None]) -> T:
    """What `ask` answers once it answers something, asked every second. Raises Refusal after that many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(POLL_SECONDS)
    raise RunFailed(
        f"{what}: not within {seconds:.0f} s", remedy="look at Airflow's pages (./kho status has the address)"
    )


def finish(api: Airflow, run: Run, seconds: float) -> None:
    """Wait for the end of a run. Raises RunFailed with the failed tasks' words."""
    ended = until(seconds, f"the end of {run.dag}", lambda: state if (state := api.state(run)) in DONE else None)
    if ended == "failed":
        raise RunFailed(f"the run {run.run_id} of {run.dag} failed", found="\n".join(api.failures(run)))
