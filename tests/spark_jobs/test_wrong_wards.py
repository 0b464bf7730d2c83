"""What is wrong with the city's wards stops at a gate and is named: everything else is joined by them.

Of the tests of drafts the last, for it leaves some of them spoilt.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spark_jobs.marks import read_mark
from spark_jobs.session import connect
from tests.spark_jobs.projects import build, part_of_project

if TYPE_CHECKING:
    from tests.stack import Stack

# Of Great Expectations, pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

OF_WARDS = ("wards", "ward_changes", "ward_weights", "districts")
THEIR_TESTS = {"weights_share_out_all_of_a_ward_and_no_more.sql", "a_ward_ends_the_day_before_its_successors_begin.sql"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The wards, what became of them, and the tests of both."""
    models = {f"city__{name}{ending}" for name in OF_WARDS for ending in (".sql", ".yml")}
    lists = {f"{name}.csv" for name in (*OF_WARDS, "former_wards")}
    return part_of_project(tmp_path / "dbt", models | lists | THEIR_TESTS)


def spoil(path: Path, right: str, wrong: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), encoding="utf-8")


def test_a_ward_that_nobody_knows_stops_at_the_gate(built: Stack) -> None:
    with connect(built.env["KHO_ENGINE"]) as spark:
        spark.sql("update draft.ward_changes set to_ward_code = '99999' where from_ward_code = '25840'")
    stopped = built.kho("check", "draft", "city.ward_changes", check=False)
    assert stopped.returncode == 1
    assert "draft.ward_changes: to_ward_code refers_to: expected a value of city.wards.ward_code" in stopped.stderr
    assert "for example '99999'" in stopped.stderr


def test_a_join_that_multiplies_rows_stops_at_the_gate(built: Stack, project: Path) -> None:
    join = "            and units.valid_from = predecessors.valid_from\n"
    spoil(project / "models/city/city__wards.sql", join, "")
    made = build(built, project)
    assert made.returncode == 0, made.stderr
    stopped = built.kho("check", "draft", "city.wards", check=False)
    assert stopped.returncode == 1
    assert "draft.wards: ward_code, valid_from key: expected no two rows alike in the key" in stopped.stderr
    assert "rows break it; for example ward_code=" in stopped.stderr


@pytest.mark.parametrize(
    ("path", "right", "wrong", "told"),
    [
        pytest.param(
            "models/city/city__ward_weights.sql",
            "round(on_a_day.weight / totals.weight, 12)",
            "round(0.9 * on_a_day.weight / totals.weight, 12)",
            ["weights_share_out_all_of_a_ward_and_no_more", "weight=0.9"],
            id="weights that do not sum to 1",
        ),
        pytest.param(
            "seeds/ward_changes.csv",
            "25840,2023-04-10,25840,2024-05-01,whole,1012/NQ-UBTVQH15\n",
            "",
            ["a_ward_ends_the_day_before_its_successors_begin", "ward_code='25840'", "2023, 4, 10"],
            id="a pair that is missing",
        ),
    ],
)
def test_wards_that_are_wrong_stop_the_build(
    built: Stack, project: Path, path: str, right: str, wrong: str, told: list[str]
) -> None:
    before = {name: read_mark(built.settings.lake, "build", f"draft.{name}") for name in OF_WARDS}
    spoil(project / path, right, wrong)
    failed = build(built, project)
    assert failed.returncode == 1
    assert [words for words in told if words not in failed.stderr] == [], failed.stderr
    assert before == {name: read_mark(built.settings.lake, "build", f"draft.{name}") for name in OF_WARDS}
