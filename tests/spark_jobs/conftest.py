"""Books to read, and a corner of the engine for every test of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import xlwt

from quality.contract import Column, Contract, Portal, Source, Text, load_all
from spark_jobs import merge, session
from spark_jobs.connectors import variable
from spark_jobs.environment import Environment
from spark_jobs.fetch import fetch
from spark_jobs.session import connect
from tests.spark_jobs.books import Book, Grid, in_tcvn3
from tests.spark_jobs.verdicts import check

if TYPE_CHECKING:
    from tests.stack import Stack


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Writes a book of sheets and returns its path."""

    def write(
        sheets: Mapping[str, Grid], name: str = "Nien giam 2018r.xls", encode: Callable[[str], str] = in_tcvn3
    ) -> Path:
        workbook = xlwt.Workbook()
        for title, grid in sheets.items():
            page = workbook.add_sheet(title)
            for line, row in enumerate(grid):
                for column, value in enumerate(row):
                    if value is not None:
                        page.write(line, column, encode(value) if isinstance(value, str) else value)
        path = tmp_path / name
        workbook.save(str(path))
        return path

    return write


@pytest.fixture
def yearbooks() -> Path:
    """The five real ones."""
    return Path(__file__).resolve().parents[2] / "infra" / "departments" / "health" / "yearbooks"


@pytest.fixture(scope="session")
def built(engine: Stack) -> Stack:
    """The engine with the yearbooks in raw and the drafts built."""
    for step in (("fetch", "health.disease_cases"), ("ingest", "health.disease_cases"), ("build",)):
        engine.kho(*step)
    return engine


@pytest.fixture
def corner(engine: Stack, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The engine with a lake of the test's own. Use it with table names of the test's own."""
    return dataclasses.replace(engine.environment, lake=tmp_path_factory.mktemp("hồ dữ liệu"))


@pytest.fixture(params=["merged here", "merged by the engine"])
def by_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Who writes what changed; the engine as of many rows, of tables as they were before: old rows are only marked."""
    is_engine = bool(request.param == "merged by the engine")
    if is_engine:
        monkeypatch.setattr(session, "FEW_ROWS", 0)
        monkeypatch.setattr(merge, "HELD_AT_MOST", 0)
        monkeypatch.setattr(merge, "PROPERTIES", {**merge.PROPERTIES, "delta.enableDeletionVectors": "true"})
    return is_engine


@pytest.fixture
def reports() -> Contract:
    """The contract of the yearbooks, for a table of the test's own, with the least that a small book promises."""
    contract = load_all()["health.disease_cases"]
    delivery = dataclasses.replace(contract.delivery, sheets=("SXH",)) if contract.delivery else None
    return dataclasses.replace(contract, table=f"test_{uuid4().hex[:8]}.reports", at_least=12, delivery=delivery)


@pytest.fixture
def deliver(
    book: Book, reports: Contract, corner: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Lets the department deliver a book of a year, and fetches it."""
    monkeypatch.setenv(variable(reports.schema, "folder"), str(tmp_path))

    def deliver(sheets: Mapping[str, Grid], year: int = 2018) -> None:
        book(sheets, f"Nien giam {year}r.xls")
        fetch(reports, corner.lake)

    return deliver


@pytest.fixture
def ask(corner: Environment) -> Callable[[str], list[tuple[object, ...]]]:
    """Rows of a query, as an analyst would see them."""

    def ask(query: str) -> list[tuple[object, ...]]:
        with connect(corner.engine) as spark:
            return [tuple(row) for row in spark.sql(query).collect()]

    return ask


@pytest.fixture
def clinics() -> Contract:
    """A published table of the test's own: city.<name>, with a personal column that stays in the city."""
    text = Text("-", "-")
    columns = {
        "id": Column("id", "int", "none", text, text),
        "name": Column("name", "string", "none", text, text),
        "beds": Column("beds", "int", "none", text, text, required=False),
        "owner": Column("owner", "string", "basic", text, text, required=False),
    }
    public = ("id", "name", "beds")
    portal = Portal("co-so", text, public, "y-te", "", "year", Source(text, "https://example.org"), (), ())
    name = f"test_{uuid4().hex[:8]}"
    return Contract(f"city.{name}", Path(f"{name}.yml"), text, text, "", "", ("id",), 1, columns, portal, None, "abc")


@pytest.fixture
def draft(clinics: Contract, corner: Environment) -> Callable[..., None]:
    """Makes a draft of clinics (as dbt does, anew each time) and says that it passed its check, or failed."""

    def draft(rows: str, *, passed: bool | None = True) -> None:
        with connect(corner.engine) as spark:
            spark.sql("create schema if not exists draft")
            listed = ", ".join(f"`{name}`" for name in clinics.columns)
            spark.sql(
                f"create or replace table draft.{clinics.name} using delta as "
                "select cast(id as int), name, cast(beds as int), cast(owner as string) "
                f"from values {rows} as ({listed})"
            )
        check(clinics, corner, "draft", passed=passed)

    return draft
