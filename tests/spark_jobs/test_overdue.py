import dataclasses
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from infra.settings import ROOT
from quality.contract import Contract, Delivery, load_all
from spark_jobs.extracts import Extract, period_folder
from spark_jobs.overdue import first_day, overdue


def contract(every: str, due_days: int | None, mode: str = "period") -> Contract:
    """A table of the Department of Health."""
    delivery = Delivery("http", "json_pages", mode, every, 0, resource="/v1/weeks/{period}", due_days=due_days)
    return dataclasses.replace(load_all()["health.disease_cases"], table="health.weeks", delivery=delivery)


def fetched(period: str, *moments: str) -> dict[str, list[Extract]]:
    """The extracts of one period, by when they were fetched."""
    return {
        period: [Extract("health.weeks", period, n, "http", "abc", moment, ()) for n, moment in enumerate(moments, 1)]
    }


def expected_by(table: Contract, extracts: dict[str, list[Extract]], today: str) -> str | None:
    late = overdue(table, extracts, date.fromisoformat(today))
    return late.expected_by.isoformat() if late and late.expected_by else None


@pytest.mark.parametrize(
    ("period", "day"),
    [
        ("2026", "2026-01-01"),
        ("2026-10", "2026-10-01"),
        ("2026-W01", "2025-12-29"),
        ("2026-W40", "2026-09-28"),
        ("2025-2026", "2025-08-01"),
    ],
)
def test_the_first_day_of_a_period_is_read_from_its_name(period: str, day: str) -> None:
    assert first_day(period) == date.fromisoformat(day)


@pytest.mark.parametrize(
    "period", ["all", "2026-13", "2026-00", "2026-W54", "2026-W00", "2025-2027", "20261", "2026-1"]
)
def test_a_name_that_is_no_period_of_time_is_not_taken_for_one(period: str) -> None:
    assert first_day(period) is None


def test_a_week_is_overdue_the_day_after_its_days_are_over() -> None:
    weeks = {**fetched("2026-W40", "2026-10-06T03:00:00+07:00"), **fetched("2026-W39", "2026-10-01T03:00:00+07:00")}
    assert expected_by(contract("week", 10), weeks, "2026-10-15") is None
    assert expected_by(contract("week", 10), weeks, "2026-10-16") == "2026-10-15"


def test_a_correction_of_the_past_is_not_the_delivery_that_is_awaited() -> None:
    weeks = {
        **fetched("2026-W40", "2026-10-06T03:00:00+07:00"),
        **fetched("2026-W39", "2026-10-01T03:00:00+07:00", "2026-10-30T03:00:00+07:00"),
    }
    late = overdue(contract("week", 10), weeks, date(2026, 10, 30))
    assert late is not None
    assert str(late) == "health.weeks: last 2026-W40, the next was expected by 2026-10-15 from so-y-te"


@pytest.mark.parametrize(
    ("every", "last", "by"),
    [
        ("day", "2026-01-31", "2026-02-03"),
        ("week", "2026-01-31", "2026-02-09"),
        ("month", "2026-01-31", "2026-03-02"),
        ("quarter", "2026-11-30", "2027-03-02"),
        ("year", "2028-02-29", "2029-03-02"),
        ("irregular", "2026-01-31", "2026-02-02"),
    ],
)
def test_a_snapshot_is_judged_by_when_it_last_came(every: str, last: str, by: str) -> None:
    extracts = fetched("all", "2025-01-01T03:00:00+07:00", f"{last}T23:59:00+07:00")
    table = contract(every, 2, mode="snapshot")
    assert expected_by(table, extracts, by) is None
    assert expected_by(table, extracts, "2099-01-01") == by


def test_the_day_of_a_delivery_is_the_day_in_the_city() -> None:
    extracts = fetched("all", "2026-10-01T20:00:00+00:00")
    assert expected_by(contract("day", 0, mode="changes"), extracts, "2099-01-01") == "2026-10-03"


def test_periods_that_are_no_dates_are_judged_by_when_they_came() -> None:
    assert expected_by(contract("day", 0), fetched("dot-1", "2026-10-01T03:00:00+07:00"), "2026-10-03") == "2026-10-02"


def test_what_was_never_delivered_is_overdue() -> None:
    late = overdue(contract("year", 30), {}, date(2026, 10, 1))
    assert late is not None
    assert str(late) == "health.weeks: never delivered; so-y-te is to deliver it"


@pytest.mark.parametrize(("every", "due_days"), [("week", None), ("never", 3)])
def test_nothing_is_overdue_where_nothing_is_due(every: str, due_days: int | None) -> None:
    assert overdue(contract(every, due_days), {}, date(2099, 1, 1)) is None
    assert (
        overdue(contract(every, due_days), fetched("2020-W01", "2020-01-01T03:00:00+07:00"), date(2099, 1, 1)) is None
    )


def test_the_command_prints_every_table_and_fails_with_those_that_are_overdue(tmp_path: Path) -> None:
    for table, period in (("health.disease_weeks", "2020-W01"), ("health.disease_cases", "2017")):
        folder = period_folder(tmp_path, table, period) / "0001"
        folder.mkdir(parents=True)
        manifest = Extract(table, period, 1, "http", "abc", "2020-01-08T03:00:00+07:00", ()).to_json()
        (folder / "extract.json").write_text(manifest)
    environment = {**os.environ, "KHO_LAKE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "spark_jobs.overdue", "health"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "overdue health.disease_cases: no" in done.stdout
    weeks = "health.disease_weeks: last 2020-W01, the next was expected by 2020-01-16 from so-y-te"
    assert f"overdue {weeks}" in done.stdout
    assert f"  {weeks}" in done.stderr
    assert "deliveries are overdue" in done.stderr
    assert "education" not in done.stdout


def test_a_department_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    environment = {**os.environ, "KHO_LAKE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "spark_jobs.overdue", "heath"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "there is no department heath" in done.stderr
