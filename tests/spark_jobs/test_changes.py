"""What changed between two exports: each key once, with its first state before and its last after."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from quality.contract import Contract
from spark_jobs.environment import Environment
from spark_jobs.export import export
from spark_jobs.promote import promote
from spark_jobs.protect import protect
from tests.spark_jobs.verdicts import check

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Draft = Callable[..., None]


@pytest.fixture
def contract(clinics: Contract) -> Contract:
    """Of which any number of rows may go."""
    return dataclasses.replace(clinics, removed_at_most_pct=100)


def opened(contract: Contract, corner: Environment) -> None:
    for step in (promote, protect):
        step([contract.table], {contract.table: contract}, corner)
    check(contract, corner, "open")


def exported(contract: Contract, corner: Environment, version: int) -> tuple[Path, Any]:
    """The folder of an export, and what its manifest says of changes."""
    export([contract.table], {contract.table: contract}, corner)
    folder = corner.lake / "exports" / contract.name / str(version)
    return folder, json.loads((folder / "manifest.json").read_text())["changes"]


def test_of_several_versions_each_key_is_told_once_from_its_first_state_to_its_last(
    draft: Draft, contract: Contract, corner: Environment
) -> None:
    draft("(1, 'Một', 1, null), (2, 'Hai', 2, null), (3, 'Ba', 3, null), (4, 'Bốn', 4, null), (5, 'Năm', 5, null)")
    opened(contract, corner)
    assert exported(contract, corner, 0)[1] is None
    for rows in (
        "(1, 'Một', 10, null), (2, 'Hai', 2, null), (4, 'Bốn', 4, null), (6, 'Sáu', 6, null), (7, 'Bảy', 7, null)",
        "(1, 'Một', 11, null), (2, 'Hai', 2, null), (3, 'Ba', 33, null), (6, 'Sáu', 60, null), (5, 'Năm', 5, 'An')",
    ):
        draft(rows)
        opened(contract, corner)
    folder, told = exported(contract, corner, 2)
    assert {name: told[name] for name in ("since", "inserted", "updated", "deleted")} == {
        "since": 0, "inserted": 1, "updated": 2, "deleted": 1,
    }  # fmt: skip
    states = [  # 5 went and came back as it was
        ("update_preimage", 1, "Một", 1),
        ("update_postimage", 1, "Một", 11),
        ("update_preimage", 3, "Ba", 3),
        ("update_postimage", 3, "Ba", 33),
        ("delete", 4, "Bốn", 4),
        ("insert", 6, "Sáu", 60),
    ]
    assert [tuple(row.values()) for row in pq.read_table(folder / "changes.parquet").to_pylist()] == states
    with (folder / "changes.csv").open(encoding="utf-8-sig", newline="") as lines:
        assert list(csv.reader(lines))[1:] == [[str(value) for value in state] for state in states]
    assert [json.loads(line) for line in (folder / "changes.jsonl").read_text().splitlines()] == [
        {"change": "update", "key": {"id": 1}, "before": {"beds": 1}, "after": {"beds": 11}},
        {"change": "update", "key": {"id": 3}, "before": {"beds": 3}, "after": {"beds": 33}},
        {"change": "delete", "key": {"id": 4}, "before": {"name": "Bốn", "beds": 4}},
        {"change": "insert", "key": {"id": 6}, "after": {"name": "Sáu", "beds": 60}},
    ]
    assert {file["name"] for file in told["files"]} == {"changes.csv", "changes.jsonl", "changes.parquet"}


def test_a_table_that_was_made_anew_can_only_be_told_whole(
    draft: Draft, contract: Contract, corner: Environment
) -> None:
    draft("(1, 'Một', 1, null)")
    opened(contract, corner)
    exported(contract, corner, 0)
    assert contract.portal
    fewer = dataclasses.replace(contract, portal=dataclasses.replace(contract.portal, columns=("id", "name")))
    draft("(1, 'Một', 1, null), (2, 'Hai', 2, null)")
    opened(fewer, corner)
    assert exported(fewer, corner, 1)[1] is None


def test_what_was_personal_and_has_gone_is_not_told_as_a_change(
    draft: Draft, contract: Contract, corner: Environment
) -> None:
    draft("(1, 'Một', 1, null), (2, 'Hai', 2, null)")
    opened(contract, corner)
    first, _ = exported(contract, corner, 0)
    draft("(1, 'Một, 0903123456', 1, null), (2, 'Hai', 2, null)")
    opened(contract, corner)  # it was never exported, and so never public
    draft("(1, 'Một', 1, null), (2, 'Hai', 3, null)")
    opened(contract, corner)
    folder, told = exported(contract, corner, 2)
    assert first.is_dir()
    assert told["updated"] == 1  # the other is as it was
    assert "0903123456" not in str(pq.read_table(folder / "changes.parquet").to_pylist())
