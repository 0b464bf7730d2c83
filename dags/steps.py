"""What the DAGs are made of: every task is a `./kho` command, so whatever Airflow does can be done by hand."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Any

import alerts
from addresses import source
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    Asset,
    AsyncCallback,
    BaseOperator,
    BaseSensorOperator,
    CronTriggerTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    TriggerRule,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

ROOT = Path(__file__).resolve().parents[1]
TAIL_LINES = 200  # of a command's output: a refusal is shorter
REFUSED = "kho: "  # how it begins
LASTING = "refused: "  # and how one goes on that stays so until somebody has acted, such as that of a bad delivery
PATIENCE = timedelta(minutes=30)  # of the city, with departments that deliver
NOT_YET = 3  # exit code of a command that has nothing to do before others have done their part

CARE = {  # of every task
    "retries": 2,
    "retry_delay": timedelta(seconds=30),  # a service that died is back by then
    "execution_timeout": timedelta(hours=12),  # what hangs is ended, so that the next night's run can begin
    "on_failure_callback": alerts.failed,
}
PERIOD = {
    "period": Param(
        None,
        type=["null", "string"],
        pattern="^[0-9][0-9A-Za-z-]*$",
        title="Period",
        description="Only this period, such as 2017, 2026-W40 or 2025-2026 (a backfill); empty: whatever is new.",
    ),
}
REMOVALS = {
    "allow_removals": Param(
        None,
        type=["null", "string"],
        pattern=r"^city\.[a-z][a-z0-9_]*=[0-9]+$",
        title="Allow removals",
        description="So many rows of this table may go, such as city.schools=12; empty: what its contract lets go.",
    ),
}


class Kho(BaseOperator):
    """One `./kho` command. `address` = (department, kind): its environment holds the department's address.

    The address is read when the command starts: it is no template, so Airflow neither shows nor stores it. Each of
    `words` stays one argument whatever a form puts into it; empty ones are left out. The task fails with the command's
    own words, which an alert then carries; where they say that trying again is of no use, at once.
    """

    template_fields: Sequence[str] = ("words",)

    def __init__(self, *, words: Iterable[str], address: tuple[str, str] | None = None, **arguments: Any) -> None:
        """`arguments` are those of every operator."""
        super().__init__(**arguments)
        self.words = list(words)
        self.address = address
        self.process: Popen[str] | None = None

    def execute(self, context: Any) -> None:  # noqa: ARG002 - Airflow's signature
        """Run the command; what it prints is the task's log."""
        environment = {**os.environ, **(source(*self.address) if self.address else {})}
        argv = [str(ROOT / "kho"), *filter(None, self.words)]
        # A session of its own, so that on_kill reaches what the command has started too.
        pipes: dict[str, Any] = {"stdout": PIPE, "stderr": STDOUT, "encoding": "utf-8", "errors": "backslashreplace"}
        self.process = Popen(argv, cwd=ROOT, env=environment, start_new_session=True, **pipes)
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        for line in self.process.stdout or ():
            self.log.info("%s", line.rstrip())
            tail.append(line)
        if (code := self.process.wait()) == NOT_YET:
            raise AirflowSkipException(tail[-1].strip() if tail else "")
        if code:
            _, refused, words = "".join(tail).rpartition(REFUSED)
            failed = AirflowFailException if words.startswith(LASTING) else AirflowException
            raise failed(words.strip() if refused else f"kho {' '.join(self.words)} ended with {code}")

    def on_kill(self) -> None:
        """Airflow ends the task."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)


def at(cron: str) -> CronTriggerTimetable:
    """A schedule in the city's hours. A new installation does not run the last tick too.

    For that DAGs have no start date, and the window for a tick just gone is none: by default it is a tenth of the time
    between two ticks, in Airflow 3.3.2 even where `run_immediately` is False.
    """
    return CronTriggerTimetable(cron, timezone="Asia/Ho_Chi_Minh", run_immediately=timedelta(0))


def within(**time: float) -> DeadlineAlert:
    """A deadline for a run, from the moment it is queued: who is in charge is told when it has not ended by then.

    The callback runs in the triggerer, so it comes also when tasks that hang hold every slot. Airflow 3.3.2 does not
    let a callback that runs in the executor read connections.
    """
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, timedelta(**time), AsyncCallback(alerts.late))


def step(*words: str, task_id: str | None = None) -> Kho:
    """One `./kho` command as a task."""
    return Kho(words=words, task_id=task_id or words[0])


def deliver(table: str, kind: str) -> list[Kho]:
    """Fetch a table's new deliveries and ingest them; what cannot be ingested is returned. The DAG needs `PERIOD`.

    `kind` is the word `from` of the table's contract. One bad delivery does not keep what else came from being
    ingested, so a failed fetch does not keep the ingest from running.
    """
    department, _, name = table.partition(".")
    where = (department, kind)
    only = "{{ '--period=' ~ params.period if params.period else '' }}"
    back = ["return", table, "{{ params.period or '' }}", "--to-sender"]
    fetch = Kho(words=["fetch", table, only], address=where, task_id=f"fetch_{name}")
    ingest = Kho(words=["ingest", table, only], task_id=f"ingest_{name}", trigger_rule=TriggerRule.ALL_DONE)
    give_back = Kho(words=back, address=where, task_id=f"return_{name}", trigger_rule=TriggerRule.ONE_FAILED)
    fetch >> ingest >> give_back
    return [fetch, ingest]


def promote() -> Kho:
    """Drafts into the city. The DAG needs `REMOVALS`."""
    return step("promote", "{{ '--allow-removals=' ~ params.allow_removals if params.allow_removals else '' }}")


class Delivered(BaseSensorOperator):
    """Waits while a department is delivering: what comes in one night is built once. For so long, and no longer.

    Each run of the city costs minutes of all processors, which departments still need to ingest.
    """

    def __init__(self, *, departments: Iterable[str], **arguments: Any) -> None:
        """`departments`: their DAGs. `arguments` are those of every sensor."""
        super().__init__(poke_interval=5, **arguments)
        self.departments = list(departments)

    def poke(self, context: Any) -> bool:
        """Whether nobody is delivering, or somebody for too long."""
        task = context["ti"]
        if datetime.now(UTC) - task.start_date > PATIENCE:
            return True
        return not any(task.get_dr_count(department, states=["queued", "running"]) for department in self.departments)


def asset(name: str) -> Asset:
    """What a DAG announces and another wakes on: a department's raw tables, or `city`."""
    return Asset(name=name, uri=f"kho://{name}")


def announce(name: str) -> EmptyOperator:
    """Say that `name` may have changed; nothing new costs those who wake milliseconds a step."""
    return EmptyOperator(task_id="announce", outlets=[asset(name)])


def close(department: str, *delivered: Sequence[Kho]) -> None:
    """Announce the department if every table came in whole and passed; in any case see whether a delivery is overdue.

    What is overdue is told to the department. It is no fault of the run: a teardown's failure does not fail it.
    """
    everything = [task for tasks in delivered for task in tasks]
    overdue = Kho(words=["overdue", department], task_id="overdue", retries=0)
    everything >> step("check", "raw", department, task_id="check") >> announce(department)
    everything >> overdue.as_teardown()
