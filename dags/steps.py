"""What the DAGs are made of: every task is a `./kho` command, so whatever Airflow does can be done by hand."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset, CronTriggerTimetable, Param
from airflow.sdk.bases.operator import chain

KHO = shlex.quote(str(Path(__file__).resolve().parents[1] / "kho"))
RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=30)}  # a service that died is back by then

PERIOD = {
    "period": Param(
        None,
        type=["null", "string"],
        title="Period",
        description="Only this period's delivery, such as 2017 (a backfill); empty: whatever is new.",
    ),
}


def at(cron: str) -> CronTriggerTimetable:
    """A schedule in the city's hours. DAGs have no start date: with one, a new installation runs the last tick too."""
    return CronTriggerTimetable(cron, timezone="Asia/Ho_Chi_Minh")


def step(verb: str, *arguments: str, task_id: str | None = None, outlets: list[Asset] | None = None) -> BashOperator:
    """One `./kho` command as a task."""
    command = " ".join([KHO, verb, *map(shlex.quote, arguments)])
    return BashOperator(task_id=task_id or verb, bash_command=command, outlets=outlets or [])


def deliver(table: str) -> BashOperator:
    """Fetch a table's new deliveries and ingest them. The DAG needs `params=PERIOD`."""
    name = table.partition(".")[2]
    # The period comes from a form: it reaches the command as a variable, never as part of the script.
    period = '${KHO_PERIOD:+--period "$KHO_PERIOD"}'
    tasks = [
        BashOperator(
            task_id=f"{verb}_{name}",
            bash_command=f"{KHO} {verb} {shlex.quote(table)} {period}",
            env={"KHO_PERIOD": "{{ params.period or '' }}"},
            append_env=True,
        )
        for verb in ("fetch", "ingest")
    ]
    chain(*tasks)
    return tasks[-1]


def asset(name: str) -> Asset:
    """What a DAG announces and another wakes on: a department's raw tables, or `city`."""
    return Asset(name=name, uri=f"kho://{name}")


def announce(name: str) -> BashOperator:
    """Say that `name` may have changed; nothing new costs those who wake milliseconds a step."""
    return BashOperator(task_id="announce", bash_command="true", outlets=[asset(name)])
