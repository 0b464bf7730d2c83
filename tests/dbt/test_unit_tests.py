"""The rules of the models, each on a few rows: dbt's own unit tests, on the real engine, in a sandbox of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quality.contract import CITY, load_all
from spark_jobs.build import DOOR, run_dbt
from spark_jobs.raw import OURS, SPARK_NAMES
from spark_jobs.session import connect

if TYPE_CHECKING:
    from tests.stack import Stack

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

SANDBOX = "unit_"


@pytest.fixture
def nothing_delivered(engine: Stack) -> Stack:
    """Every department's raw table in the sandbox, empty: a unit test asks what columns there are."""
    with connect(engine.env["KHO_ENGINE"]) as spark:
        for contract in load_all().values():
            if contract.schema != CITY:
                ours = [f"{name} {kind}" for name, kind in OURS.items()]
                theirs = [f"{c.name} {SPARK_NAMES.get(c.type, c.type)}" for c in contract.columns.values()]
                spark.sql(f"create schema if not exists {SANDBOX}raw_{contract.schema}")
                spark.sql(f"create table {SANDBOX}raw_{contract.table} ({', '.join([*theirs, *ours])}) using delta")
    return engine


def test_every_unit_test_of_the_models_passes(nothing_delivered: Stack, tmp_path: Path) -> None:
    door = {name: nothing_delivered.env[name] for name in DOOR}
    words = ["build", "--empty", "--exclude", "test_type:data", "--vars", f"sandbox: {SANDBOX}"]
    done = run_dbt(words, tmp_path, door)
    assert done.returncode == 0, done.stdout
    results, tests = (
        json.loads((tmp_path / "target" / name).read_text(encoding="utf-8"))[part]
        for name, part in (("run_results.json", "results"), ("manifest.json", "unit_tests"))
    )
    passed = {result["unique_id"] for result in results if result["status"] == "pass"}
    assert len(tests) > 2
    assert tests.keys() - passed == set()
