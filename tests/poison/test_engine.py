"""Values that only the engine can judge: what reaches raw, and what is kept apart and why."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from spark_jobs import raw
from spark_jobs.connectors import variable
from spark_jobs.environment import Environment
from spark_jobs.fetch import fetch
from spark_jobs.ingest import Options, ingest
from spark_jobs.session import connect
from tests.poison.bench import Bench
from tests.poison.deliveries import SCHOOL, csv_of, part_of

if TYPE_CHECKING:
    from tests.stack import Stack

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

POISON = [
    ("79100002", {3: "3.000.000.000"}, ("pupil_count", "type")),  # beyond 32 bits
    ("79100003", {3: "9" * 40}, ("pupil_count", "type")),
    ("79100004", {3: "-1"}, ("pupil_count", "between")),
    ("79100005", {4: "9" * 299}, ("area_m2", "between")),
    ("79100006", {4: "9" * 400}, ("area_m2", "form")),  # as a double it would be infinite
    ("79100007", {4: "NaN"}, ("area_m2", "form")),
    ("79100008", {2: "Tiểu h\u043ec"}, ("level", "one_of")),  # the letter of another alphabet
    ("79100009", {2: "Tiểu học\u200b"}, ("level", "one_of")),
    ("79100010", {1: "Lê\x1bLợi"}, ("school_name", "form")),
    ("79100011", {1: ""}, ("school_name", "required")),
    ("7910\u200b0012", {}, ("school_code", "matches")),
    ("\uff17\uff19100013", {}, ("school_code", "matches")),
    ("79100014", {}, ("school_code", "key")),
    ("79100014", {}, ("school_code", "key")),
]


@pytest.fixture
def corner(engine: Stack, tmp_path: Path) -> Environment:
    """The engine with a lake of the test's own."""
    return dataclasses.replace(engine.environment, lake=tmp_path / "hồ dữ liệu")


def test_no_poisoned_value_reaches_raw_and_each_is_kept_with_its_reason(
    bench: Bench, corner: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = part_of(
        "education.schools",
        *("school_code", "school_name", "level", "pupil_count", "area_m2"),
        source="folder",
        files="truong.csv",
        layout="delimited",
        sheets=(),
        rejected_at_most_pct=100,
    )
    contract = dataclasses.replace(contract, table=f"test_{uuid4().hex[:8]}.schools", at_least=1)
    rows = [
        [code, *(changed.get(place, SCHOOL[place]) for place in range(1, len(SCHOOL)))] for code, changed, _ in POISON
    ]
    bench.file(csv_of(SCHOOL, *rows), "truong.csv")
    monkeypatch.setenv(variable(contract.schema, "folder"), str(bench.folder))
    fetch(contract, corner.lake)
    ingest(contract, corner, Options())
    with connect(corner.engine) as spark:
        accepted = spark.sql(f"select * from {raw.table_of(contract)}").collect()
        reasons = f"select _line, inline(_broken) from {raw.rejected_of(contract)}"
        rejected = spark.sql(f"select _line, column, rule from ({reasons}) order by _line").collect()
    assert [tuple(row)[:5] for row in accepted] == [(*SCHOOL[:3], 1250, 3200.5)]
    expected = [(line, *reason) for line, (_, _, reason) in enumerate(POISON, 3)]
    assert [tuple(row) for row in rejected] == expected
    bench.note("rejected", f"{len(POISON)} of {len(POISON) + 1} rows, each with its reason", 0)
