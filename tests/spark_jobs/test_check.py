"""The gates: what they say of a table, what they never say, and that they stop the flow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from quality.contract import TYPES, Column, Contract, Text, load_all
from spark_jobs import session
from spark_jobs.check import GateFailed, Subject, check, columns_of, gate, subject_of, tables_of
from spark_jobs.environment import Environment
from spark_jobs.outcomes import Report, failures
from spark_jobs.raw import SPARK_NAMES
from spark_jobs.session import connect, folder_of, version
from spark_jobs.touched import FEED
from spark_jobs.verdicts import has_passed, verdict_path

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.stack import Stack

# Of Great Expectations, pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

NOTHING = Text("-", "-")
PATIENT = Contract(
    table="city.patients",
    path=Path("patients.yml"),
    title=NOTHING,
    description=NOTHING,
    grain="",
    owner="",
    key=("id",),
    at_least=2,
    columns={
        "id": Column("id", "int", "none", NOTHING, NOTHING),
        "ward": Column("ward", "string", "none", NOTHING, NOTHING, matches="^[0-9]{5}$", level="warning"),
        "phone": Column("phone", "string", "sensitive", NOTHING, NOTHING, matches="^0[0-9]{9}$"),
    },
    portal=None,
    delivery=None,
    sha256="abc",
)


def test_a_passed_check_holds_for_its_contract_only(tmp_path: Path) -> None:
    path = tmp_path / "3.json"
    assert not has_passed(path, PATIENT)
    path.write_text(json.dumps({"passed": True, "contract_sha256": "abc"}), encoding="utf-8")
    assert has_passed(path, PATIENT)
    assert not has_passed(path, replace(PATIENT, sha256="def"))
    path.write_text(json.dumps({"passed": False, "contract_sha256": "abc"}), encoding="utf-8")
    assert not has_passed(path, PATIENT)
    path.write_text("{", encoding="utf-8")
    assert not has_passed(path, PATIENT)


def test_open_holds_the_public_columns_of_the_published_tables() -> None:
    contracts = load_all()
    assert "city.disease_cases" in tables_of(contracts, "open")
    assert "health.disease_cases" not in tables_of(contracts, "draft")
    assert tables_of({"city.patients": PATIENT}, "open") == {}
    assert columns_of(PATIENT, "draft") == ("id", "ward", "phone")


@pytest.fixture(scope="module")
def spark(engine: Stack) -> Iterator[SparkSession]:
    with connect(engine.env["KHO_ENGINE"]) as session:
        session.sql("create schema if not exists gate")
        yield session
        session.sql("drop schema gate cascade")


def report_on(engine: Stack, found: int, contract: Contract = PATIENT) -> Report:
    """The gate's report on a version of a table, the same whether by pandas or by Spark."""
    subject = subject_of(engine.environment, contract, "gate", found)
    few, many = (next(check(engine.environment, [subject], is_here=is_here)) for is_here in (True, False))
    assert few.rules == many.rules
    assert replace(few, checked_at=many.checked_at) == many
    return few


def look_at(engine: Stack, spark: SparkSession, rows: str) -> Report:
    """The gate's report on a table of patients with these rows."""
    selected = f"select * from values {rows} as t(id, ward, phone)"
    spark.sql(f"create or replace table gate.patients using delta as {selected}")
    found = version(engine.env["KHO_WAREHOUSE"], "gate.patients")
    assert found is not None
    return report_on(engine, found)


def test_a_good_table_passes_every_rule(engine: Stack, spark: SparkSession) -> None:
    report = look_at(engine, spark, "(1, '26734', '0903123456'), (2, '26737', '0903123457')")
    assert report.passed
    assert failures([report], "critical") == []
    assert report.rows == 2


def test_an_empty_table_does_not_pass(engine: Stack, spark: SparkSession) -> None:
    spark.sql("create or replace table gate.patients (id int, ward string, phone string) using delta")
    found = version(engine.env["KHO_WAREHOUSE"], "gate.patients")
    report = report_on(engine, found or 0)
    assert failures([report], "critical") == ["gate.patients: at_least: expected 2 rows or more; found 0"]


def test_each_broken_rule_is_told_and_no_personal_value_is(engine: Stack, spark: SparkSession) -> None:
    report = look_at(engine, spark, "(1, 'x', '12345'), (1, '26737', '0903123457'), (null, '26737', null)")
    assert not report.passed
    assert failures([report], "warning") == [
        "gate.patients: ward matches: expected the form ^[0-9]{5}$; 1 rows break it; for example 'x'"
    ]
    assert failures([report], "critical") == [
        "gate.patients: id key: expected no two rows alike in the key; 2 rows break it; for example 1",
        "gate.patients: id required: expected a value; 1 rows break it",
        "gate.patients: phone required: expected a value; 1 rows break it",
        "gate.patients: phone matches: expected the form ^0[0-9]{9}$; 1 rows break it",
    ]
    assert "12345" not in repr(report)


def test_values_of_every_type_are_looked_at_alike_by_pandas_and_by_spark(engine: Stack, spark: SparkSession) -> None:
    low_and_high: dict[str, tuple[float | None, float | None]] = dict.fromkeys(("int", "bigint", "double"), (0, 9))
    columns = {
        f"a_{kind}": Column(f"a_{kind}", kind, "none", NOTHING, NOTHING, required=False, between=low_and_high.get(kind))
        for kind in TYPES
    }
    contract = replace(PATIENT, table="city.kinds", key=("a_string", "a_date"), at_least=1, columns=columns)
    values = ("'x'", "5", "5", "5", "true", "date'9999-12-31'", "timestamp'1880-01-01 00:00:00'", "unhex('00')")
    odd = (
        "'x'",
        "-1",
        "9007199254740993",
        "double('NaN')",
        "false",
        "date'9999-12-31'",
        "current_timestamp()",
        "unhex('')",
    )
    listed = ", ".join(
        f"cast({column.name} as {SPARK_NAMES.get(column.type, column.type)}) as {column.name}"
        for column in columns.values()
    )
    blank = ("'y'", *["null"] * 4, "date'1900-01-01'", "null", "null")
    rows = ", ".join(f"({', '.join(row)})" for row in (values, odd, blank))
    given = f"values {rows} as t({', '.join(columns)})"
    spark.sql(f"create or replace table gate.kinds using delta as select {listed} from {given}")
    report = report_on(engine, version(engine.env["KHO_WAREHOUSE"], "gate.kinds") or 0, contract)
    assert {rule.column for rule in report.rules if rule.name == "type" and rule.passed} == set(columns)
    assert [(rule.name, rule.column, rule.failed) for rule in report.rules if not rule.passed] == [
        ("key", "a_string, a_date", 2),
        *(("between", f"a_{kind}", 1) for kind in ("int", "bigint", "double")),
    ]
    wrong = {name: replace(column, type="string") for name, column in columns.items()}
    report = report_on(engine, report.version, replace(contract, columns=wrong))
    assert {rule.column for rule in report.rules if rule.name == "type" and rule.passed} == {"a_string"}


def test_a_missing_and_a_surplus_column_are_told(engine: Stack, spark: SparkSession) -> None:
    spark.sql("create or replace table gate.patients using delta as select 1 as id, '26734' as ward, 2 as born")
    found = version(engine.env["KHO_WAREHOUSE"], "gate.patients")
    report = report_on(engine, found or 0)
    told = failures([report], "critical")
    assert any("columns: expected id, ward, phone; found" in line and "born" in line for line in told), told
    assert any("phone matches" in line and "could not be checked" in line for line in told), told


def test_a_broken_draft_stops_the_flow_until_it_is_built_again(built: Stack, spark: SparkSession) -> None:
    built.kho("build")  # another test may have changed what it is made of
    built.kho("check", "draft", "city.provinces")
    assert built.kho("check", "draft", "city.provinces").stdout == "check draft: nothing new in 1 tables\n"
    spark.sql("update draft.provinces set province_code = 'HN' where province_code = '01'")
    stopped = built.kho("check", "draft", "city.provinces", check=False)
    assert stopped.returncode == 1
    assert (
        "draft.provinces: province_code matches: expected the form ^[0-9]{2}$; 1 rows break it; for example 'HN'"
        in stopped.stderr
    )
    assert "Traceback" not in stopped.stderr
    built.kho("build")
    assert "draft.provinces version" in built.kho("check", "draft", "city.provinces").stdout


def test_of_a_large_table_that_passed_only_rows_that_may_be_others_are_looked_at(
    corner: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = replace(PATIENT, table=f"city.test_{uuid4().hex[:8]}", at_least=40)
    table = f"draft.{contract.name}"

    def write(part: str, ids: range, ward: str = "26734") -> Subject:
        rows = pa.table({"id": pa.array(ids, pa.int32())})
        for name, value in (("ward", ward), ("phone", "0903123456"), ("_part", part)):
            rows = rows.append_column(name, pa.array([value] * len(rows)))
        folder, feed = folder_of(corner.warehouse, table), {FEED: "true"}
        write_deltalake(str(folder), rows, mode="overwrite", predicate=f"_part = '{part}'", configuration=feed)
        return subject_of(corner, contract, "draft", version(corner.warehouse, table) or 0)

    def report() -> Report:
        path = verdict_path(corner.lake, "draft", contract, version(corner.warehouse, table) or 0)
        return Report(**json.loads(path.read_text(encoding="utf-8")))

    write("a", range(100))
    gate([contract], "draft", corner)
    monkeypatch.setattr(session, "FEW_ROWS", 50)

    changed = write("b", range(100, 105)).changed
    assert changed is not None
    assert changed.num_rows == 5
    gate([contract], "draft", corner)
    assert (report().rows, report().since, report().passed) == (105, 0, True)

    write("b", range(99, 104), ward="x")
    with pytest.raises(GateFailed, match=f"{table}: id key: .*2 rows break it; for example 99"):
        gate([contract], "draft", corner)
    assert (report().rows, report().since, report().passed) == (105, 1, False)

    repaired = write("b", range(100, 104))
    assert repaired.since == 1, "what failed is no ground to stand on"
    other = subject_of(corner, replace(contract, sha256="other"), "draft", repaired.version)
    assert (other.since, other.changed) == (None, None), "nor what passed by another contract"
