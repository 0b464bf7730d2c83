"""Which part of a raw table may be another is known only when every commit says so."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from quality.contract import Contract, load_all
from spark_jobs.parts import changed_parts
from spark_jobs.places import remove_folder
from spark_jobs.raw import Commit, contained, table_of
from spark_jobs.session import Earlier, folder_of, version
from tests.spark_jobs.deliveries import delivered, ingested

# Of deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SHEETS, PUPILS = (load_all()[table] for table in ("cadastre.parcels", "education.pupils"))
FIRST = {"a": [{"id": 1}], "b": [{"id": 2}], "c": [{"id": 3}]}
SECOND = {"a": [{"id": 1}], "b": [{"id": 20}], "c": [{"id": 3}]}
THIRD = {"a": [{"id": 1}], "b": [{"id": 20}], "d": [{"id": 4}]}


def now(warehouse: Path) -> Earlier:
    found = version(str(warehouse), table_of(SHEETS))
    assert found is not None
    return Earlier(found, time.time_ns() // 1_000_000)


def parts(folder: Path, since: Earlier, contract: Contract = SHEETS) -> set[str] | None:
    found = changed_parts(folder, str(folder), contract, since)
    return None if found is None else set(found)


@pytest.fixture
def since(tmp_path: Path) -> Earlier:
    """A version of sheets that a draft was made of."""
    delivered(tmp_path, str(tmp_path), SHEETS, FIRST)
    return now(tmp_path)


def test_the_files_of_every_delivery_since_count_also_those_that_are_gone(tmp_path: Path, since: Earlier) -> None:
    assert parts(tmp_path, since) == set()
    delivered(tmp_path, str(tmp_path), SHEETS, SECOND)
    assert parts(tmp_path, since) == {"b"}
    between = now(tmp_path)
    delivered(tmp_path, str(tmp_path), SHEETS, THIRD)
    assert parts(tmp_path, since) == {"b", "c", "d"}
    assert parts(tmp_path, between) == {"c", "d"}


def test_of_files_that_other_rules_read_any_row_may_be_another(tmp_path: Path, since: Earlier) -> None:
    delivered(tmp_path, str(tmp_path), SHEETS, SECOND, rules="others")
    assert parts(tmp_path, since) is None


def test_of_files_that_were_read_again_any_row_may_be_another(tmp_path: Path, since: Earlier) -> None:
    (commit,) = contained(str(tmp_path), table_of(SHEETS)).values()
    ingested(str(tmp_path), SHEETS, Commit(commit.period, commit.extract, commit.reading), FIRST)
    assert parts(tmp_path, since) is None


def test_what_somebody_else_writes_may_be_any_row_but_upkeep_is_none(tmp_path: Path, since: Earlier) -> None:
    folder = str(folder_of(str(tmp_path), table_of(SHEETS)))
    delivered(tmp_path, str(tmp_path), SHEETS, SECOND)
    DeltaTable(folder).optimize.compact()
    assert parts(tmp_path, since) == {"b"}
    write_deltalake(folder, pa.table({"_file": ["a"]}), mode="append", schema_mode="merge")
    assert parts(tmp_path, since) is None


def test_a_table_that_was_made_anew_has_other_versions_of_the_same_numbers(tmp_path: Path, since: Earlier) -> None:
    remove_folder(folder_of(str(tmp_path), table_of(SHEETS)))
    time.sleep(0.002)
    for files in (FIRST, SECOND):
        delivered(tmp_path, str(tmp_path), SHEETS, files)
    assert parts(tmp_path, since) is None
    assert parts(tmp_path, Earlier(9, now(tmp_path).seen)) is None


def test_of_a_table_with_periods_those_count_that_were_delivered_since(tmp_path: Path) -> None:
    for period in ("2024-2025", "2025-2026"):
        delivered(tmp_path, str(tmp_path), PUPILS, FIRST, period=period)
    before = Earlier(1, time.time_ns() // 1_000_000)
    for period in ("2025-2026", "2026-2027"):
        delivered(tmp_path, str(tmp_path), PUPILS, SECOND, period=period, rules="others")
    assert parts(tmp_path, before, PUPILS) == {"2025-2026", "2026-2027"}
