"""Books to read, and a corner of the engine for every test of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import xlwt

from quality.contract import Contract, load_all
from spark_jobs.environment import Environment
from tests.spark_jobs.books import Book, Grid, in_tcvn3

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


@pytest.fixture
def corner(stack: Stack, tmp_path: Path) -> Environment:
    """The engine of the stack with a lake of the test's own. Use it with table names of the test's own."""
    return Environment(tmp_path / "hồ dữ liệu", stack.env["KHO_WAREHOUSE"], stack.env["KHO_ENGINE"])


@pytest.fixture
def reports() -> Contract:
    """The contract of the yearbooks, for a table of the test's own, with the least that a small book promises."""
    contract = load_all()["health.disease_cases"]
    delivery = dataclasses.replace(contract.delivery, sheets=("SXH",)) if contract.delivery else None
    return dataclasses.replace(contract, table=f"test_{uuid4().hex[:8]}.reports", at_least=12, delivery=delivery)
