"""Whether raw is fresh, asked of the real engine: a table just written, and one that says it was written long ago."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spark_jobs.build import DOOR
from spark_jobs.docs import freshness, told
from spark_jobs.session import connect, folder_of

if TYPE_CHECKING:
    from tests.stack import Stack

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

SANDBOX = "fresh_"
A_DAY_MS = 86_400_000


@pytest.fixture
def new_and_old(engine: Stack, tmp_path: Path) -> Stack:
    """Facilities are written now; practitioners are a copy of them whose log says: written 50 days ago."""
    new, old = f"{SANDBOX}raw_health.facilities", f"{SANDBOX}raw_health.practitioners"
    with connect(engine.env["KHO_ENGINE"]) as spark:
        spark.sql(f"create schema if not exists {SANDBOX}raw_health")
        spark.sql(f"create table {new} using delta as select 'node/1' as facility_id")
        copy = Path(shutil.copytree(folder_of(engine.env["KHO_WAREHOUSE"], new), tmp_path / "old"))
        (commit,) = (copy / "_delta_log").glob("*0.json")
        (copy / "_delta_log" / f".{commit.name}.crc").unlink(missing_ok=True)
        at = int(time.time() * 1000) - 50 * A_DAY_MS
        aged, count = re.subn(r'"modificationTime":\d+', f'"modificationTime":{at}', commit.read_text(encoding="utf-8"))
        assert count == 1
        commit.write_text(aged, encoding="utf-8")
        spark.sql(f"create table {old} using delta location '{copy}'")
    return engine


def test_a_table_that_got_nothing_new_for_longer_than_its_contract_says_is_stale(
    new_and_old: Stack, tmp_path: Path
) -> None:
    tables = ["health.facilities", "health.practitioners"]  # every month, and 15 days of grace
    door = {name: new_and_old.env[name] for name in DOOR}
    found = freshness(tables, tmp_path, door, SANDBOX)
    statuses = {result["unique_id"].rpartition(".")[2]: result["status"] for result in found}
    assert statuses == {"facilities": "pass", "practitioners": "warn"}
    assert told(found) == [
        "docs: raw_health.practitioners: nothing new for 50 days, expected within 46",
        "docs: 2 delivered tables, 1 wait for something new",
    ]
