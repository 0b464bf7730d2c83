import ast
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.connections import ensure_connections
from infra.runs import Airflow, RunFailed, finish, until
from infra.services.airflow import TRIGGERER
from infra.settings import ROOT, read_settings
from quality.contract import load_all
from quality.refusal import Refusal
from tests.dags.contact import Received
from tests.stack import Stack

FILES = sorted((ROOT / "dags").glob("*.py"))
MODULES = {"steps", "alerts", "addresses"}  # what DAGs are made of
DEPARTMENTS = ["cadastre", "education", "health", "investment"]
RUN_SECONDS = 300
READ = """
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(given)
print(json.dumps({"errors": bag.import_errors, "dags": {dag.dag_id: {
    "schedule": getattr(dag.timetable, "expression", ""),
    "timezone": str(getattr(dag.timetable, "timezone", "")),
    "assets": [type(dag.schedule).__name__, *(asset.name for asset in getattr(dag.schedule, "objects", []))],
    "catchup": dag.catchup,
    "runs at once": dag.max_active_runs,
    "tasks at once": dag.max_active_tasks,
    "deadlines": [deadline.callback.path for deadline in dag.deadline or []],
    "params": {name: dag.params.get_param(name).schema for name in dag.params},
    "tasks": {task.task_id: {
        "after": sorted(task.upstream_task_ids),
        "rule": str(task.trigger_rule.value),
        "retries": task.retries,
        "owner": task.owner,
        "told": [callback.__module__ + "." + callback.__name__ for callback in task.on_failure_callback],
        "fails the run": not task.is_teardown or task.on_failure_fail_dagrun,
        "words": getattr(task, "words", []),
        "address": getattr(task, "address", None),
        "says": [asset.name for asset in task.outlets],
    } for task in dag.tasks},
} for dag in bag.dags.values()}}))
"""


@pytest.fixture(scope="module")
def dags(in_airflow: Callable[..., Any]) -> dict[str, Any]:
    """What Airflow reads in the folder, by DAG."""
    found = in_airflow(READ, str(ROOT / "dags"))
    assert found["errors"] == {}
    return dict(found["dags"])


def test_there_is_a_dag_for_every_department_and_one_each_for_city_portal_and_upkeep(dags: dict[str, Any]) -> None:
    assert sorted(dags) == ["cadastre", "city", "education", "health", "investment", "portal", "upkeep"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_dag_is_short_and_imports_only_airflow_and_the_steps(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    packages = {name.partition(".")[0] for name in imported}
    if path.stem in MODULES:
        assert packages <= {*sys.stdlib_module_names, "airflow", "asgiref", *MODULES}
    else:
        assert packages <= {"airflow", "steps"}
        assert len(path.read_text().splitlines()) <= 60
        assert not [node for node in ast.walk(tree) if isinstance(node, (ast.If, ast.For, ast.FunctionDef))]


def test_every_table_that_is_delivered_is_fetched_from_where_its_contract_says(dags: dict[str, Any]) -> None:
    fetched = {
        task["words"][1]: (dag, task["owner"], task["address"])
        for dag in DEPARTMENTS
        for task in dags[dag]["tasks"].values()
        if task["words"][:1] == ["fetch"]
    }
    assert fetched == {
        table: (contract.schema, contract.owner, [contract.schema, contract.delivery.source])
        for table, contract in load_all().items()
        if contract.delivery
    }


@pytest.mark.parametrize("department", DEPARTMENTS)
def test_a_department_has_hours_of_its_own_in_the_city_and_no_run_overlaps_itself(
    department: str, dags: dict[str, Any]
) -> None:
    dag = dags[department]
    assert dag["timezone"] == "Asia/Ho_Chi_Minh"
    assert [name for name in DEPARTMENTS if dags[name]["schedule"] == dag["schedule"]] == [department]
    assert (dag["catchup"], dag["runs at once"], dag["tasks at once"]) == (False, 1, 2)


def test_a_new_installation_waits_for_the_next_tick(in_airflow: Callable[..., Any]) -> None:
    code = """
import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo
from steps import at
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction
now = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh"))
past = now - timedelta(minutes=2)
timetable = decode_timetable(json.loads(json.dumps(encode_timetable(at(f"{past.minute} {past.hour} * * *")))))
info = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=TimeRestriction(None, None, False))
print(json.dumps(info.run_after > now))
"""
    assert in_airflow(code) is True


@pytest.mark.parametrize("department", DEPARTMENTS)
def test_one_period_of_the_past_can_be_asked_for(department: str, dags: dict[str, Any]) -> None:
    assert list(dags[department]["params"]) == ["period"]
    for name, task in dags[department]["tasks"].items():
        wants = name.startswith(("fetch_", "ingest_", "return_"))
        assert any("params.period" in word for word in task["words"]) == wants


@pytest.mark.parametrize("department", DEPARTMENTS)
def test_a_department_is_announced_only_when_all_its_tables_came_in_and_passed(
    department: str, dags: dict[str, Any]
) -> None:
    tasks = dags[department]["tasks"]
    everything = sorted(name for name in tasks if name.startswith(("fetch_", "ingest_")))
    assert everything
    assert (tasks["check"]["after"], tasks["check"]["words"]) == (everything, ["check", "raw", department])
    assert (tasks["announce"]["after"], tasks["check"]["rule"]) == (["check"], "all_success")
    assert (tasks["announce"]["rule"], tasks["announce"]["says"]) == ("all_success", [department])


@pytest.mark.parametrize("department", DEPARTMENTS)
def test_no_table_waits_for_another_and_what_is_not_ingested_is_returned(department: str, dags: dict[str, Any]) -> None:
    tasks = dags[department]["tasks"]
    for table in (name.removeprefix("fetch_") for name in tasks if name.startswith("fetch_")):
        assert tasks[f"fetch_{table}"]["after"] == []
        assert (tasks[f"ingest_{table}"]["after"], tasks[f"ingest_{table}"]["rule"]) == ([f"fetch_{table}"], "all_done")
        back = tasks[f"return_{table}"]
        assert (back["after"], back["rule"]) == ([f"ingest_{table}"], "one_failed")
        assert (back["words"][:2], back["words"][-1]) == (["return", f"{department}.{table}"], "--to-sender")
        assert back["address"] == tasks[f"fetch_{table}"]["address"]


@pytest.mark.parametrize("department", DEPARTMENTS)
def test_what_is_overdue_is_looked_for_last_and_fails_no_run(department: str, dags: dict[str, Any]) -> None:
    tasks = dags[department]["tasks"]
    assert tasks["overdue"]["words"] == ["overdue", department]
    assert tasks["overdue"]["after"] == tasks["check"]["after"]
    assert not tasks["overdue"]["fails the run"]
    assert [name for name, task in tasks.items() if "overdue" in task["after"]] == []


def test_upkeep_comes_once_a_week_in_an_hour_of_its_own(dags: dict[str, Any]) -> None:
    upkeep = dags["upkeep"]
    assert [task["words"] for task in upkeep["tasks"].values()] == [["compact"]]
    assert (upkeep["timezone"], upkeep["schedule"]) == ("Asia/Ho_Chi_Minh", "0 6 * * 0")
    assert upkeep["schedule"] not in [dags[name]["schedule"] for name in DEPARTMENTS]


def test_only_the_form_of_the_city_can_let_rows_go_and_only_of_one_table(dags: dict[str, Any]) -> None:
    assert [name for name, dag in dags.items() if "allow_removals" in dag["params"]] == ["city"]
    pattern = dags["city"]["params"]["allow_removals"]["pattern"]
    assert [
        bool(re.search(pattern, word)) for word in ("city.schools=12", "12", "city.schools=", "city.a=1 city.b=2")
    ] == [*(True, False, False, False)]
    ((_, words),) = [(name, task["words"]) for name, task in dags["city"]["tasks"].items() if name == "promote"]
    assert words[0] == "promote"
    assert "--allow-removals=" in words[1]


def test_somebody_is_told_of_every_failure_and_of_every_run_that_is_late(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag["deadlines"] == ["alerts.late"]
        assert [task for task in dag["tasks"].values() if task["told"] != ["alerts.failed"]] == []


def test_the_city_wakes_when_any_department_is_announced(dags: dict[str, Any]) -> None:
    kind, *assets = dags["city"]["assets"]
    assert (kind, sorted(assets)) == ("AssetAny", DEPARTMENTS)


WAIT = """
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from steps import Delivered

sensor = Delivered(task_id="delivered", departments=["health", "education"])

def goes_on(delivering, minutes_waited):
    count = lambda dag_id, states: int(dag_id == delivering and states == ["queued", "running"])
    began = datetime.now(UTC) - timedelta(minutes=minutes_waited)
    return sensor.poke({"ti": SimpleNamespace(start_date=began, get_dr_count=count)})

print(json.dumps([goes_on(*case) for case in given]))
"""


def test_the_city_waits_while_a_department_delivers_but_not_for_ever(in_airflow: Callable[..., Any]) -> None:
    assert in_airflow(WAIT, [("health", 1), ("education", 29), ("nobody", 1), ("health", 31)]) == [
        *(False, False),
        *(True, True),
    ]


ENDS = """
import json, pathlib
import steps
steps.ROOT = pathlib.Path(given)
try:
    steps.step("ingest").execute({})
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
REFUSES = """
import sys
sys.path.insert(0, {root!r})
from quality.refusal import Refusal, run
from spark_jobs.environment import Several
from spark_jobs.layouts import ExtractMismatch
def main():
    raise {refusal}
sys.exit(run(main))
"""


@pytest.mark.parametrize(
    ("refusal", "ends"),
    [
        ("ExtractMismatch('no workbook')", ["AirflowFailException", "refused: no workbook"]),
        ("Refusal('no answer')", ["AirflowException", "no answer"]),
        (
            "Several([ExtractMismatch('no workbook'), ExtractMismatch('no sheet')])",
            ["AirflowFailException", "refused: 2 refusals\nno workbook\nno sheet"],
        ),
        (
            "Several([ExtractMismatch('no workbook'), Refusal('no answer')])",
            ["AirflowException", "2 refusals\nno workbook\nno answer"],
        ),
    ],
)
def test_airflow_tries_again_what_may_get_better_and_no_bad_delivery(
    refusal: str, ends: list[str], in_airflow: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "refuses.py").write_text(REFUSES.format(root=str(ROOT), refusal=refusal))
    kho = tmp_path / "kho"
    kho.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path}/refuses.py'\n")
    kho.chmod(0o700)
    assert in_airflow(ENDS, str(tmp_path)) == ends


def test_the_triggerer_finds_what_a_missed_deadline_calls() -> None:
    environment = TRIGGERER.command(read_settings()).environment
    assert str(ROOT / "dags") in environment.get("PYTHONPATH", "").split(os.pathsep)


def test_airflow_reads_every_dag_without_an_error(stack: Stack) -> None:
    api = Airflow(stack.settings)
    until(60, "the DAGs are read", lambda: all(map(api.knows, [*DEPARTMENTS, "city", "portal"])))
    assert api.import_errors() == []


def test_a_backfill_of_one_period_takes_that_one_and_wakes_city_and_portal(published: Stack) -> None:
    inbox, lake = published.settings.departments / "health", published.settings.lake
    for year in ("2012", "2013"):  # both delivered anew: the same tables, in a file that is a little longer
        with (inbox / f"Nien giam {year}r.xls").open("ab") as book:
            book.write(bytes(512))
    delivered = {year: lake / "extracts" / "health" / "disease_cases" / year for year in ("2012", "2013")}
    before = {year: len(list(folder.iterdir())) for year, folder in delivered.items()}
    api = Airflow(published.settings)
    run = api.trigger("health", period="2012")
    finish(api, run, RUN_SECONDS)
    for dag in ("city", "portal"):
        run = until(RUN_SECONDS, f"{dag} wakes", partial(api.woken_by, run, dag))
        finish(api, run, RUN_SECONDS)
    after = {year: len(list(folder.iterdir())) for year, folder in delivered.items()}
    assert after == {"2012": before["2012"] + 1, "2013": before["2013"]}


def test_a_bad_delivery_is_returned_and_told_and_keeps_back_only_the_announcement(
    published: Stack, contact: Received
) -> None:
    book = published.settings.departments / "health" / "Nien giam 2013r.xls"
    good = book.read_bytes()
    api = Airflow(published.settings)
    ensure_connections(api, contact.connections)
    book.write_bytes(b"no workbook")
    run = api.trigger("health")
    with pytest.raises(RunFailed):
        finish(api, run, RUN_SECONDS)
    states = api.states(run)
    assert (states["ingest_disease_cases"], states["return_disease_cases"]) == ("failed", "success")
    assert (states["ingest_facilities"], states["ingest_disease_weeks"]) == ("success", "success")
    assert states["announce"] == "upstream_failed"
    assert api.woken_by(run, "city") is None
    (post,) = (post for post in contact.posts if post["run"] == run.run_id and post["task"].startswith("ingest"))
    assert post["task"] == "ingest_disease_cases"
    assert "Nien giam 2013r.xls" in post["what"]
    assert [mail["To"] for mail in contact.mails if "ingest_disease_cases" in mail["Subject"]] == [
        "so-y-te@example.org"
    ]
    book.write_bytes(good + bytes(512))  # the department corrects it
    run = api.trigger("health")
    finish(api, run, RUN_SECONDS)
    assert until(RUN_SECONDS, "city wakes", partial(api.woken_by, run, "city"))


def test_the_form_takes_no_period_that_is_none(stack: Stack) -> None:
    with pytest.raises(Refusal, match="400"):
        Airflow(stack.settings).trigger("health", period="1999; touch owned")


def test_a_period_that_does_not_exist_fails_with_the_steps_own_words(published: Stack) -> None:
    api = Airflow(published.settings)
    run = api.trigger("health", period="1999")
    words = "there is no delivery of health.disease_cases for 1999"
    until(RUN_SECONDS, "the refusal", lambda: words in "\n".join(api.log(run, "fetch_disease_cases")))
