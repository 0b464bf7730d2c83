"""Which tables dbt makes, what they are made of, and which of them are due."""

from __future__ import annotations

from pathlib import Path

import pytest

from quality.contract import Column, Contract, Text
from spark_jobs.build import PROJECT
from spark_jobs.nodes import Node, inputs_of, nodes_of, project_files, reading, selected


def test_every_file_that_dbt_reads_counts_as_an_input(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1", encoding="utf-8")
    before = project_files(tmp_path)
    (tmp_path / "models" / "a.sql").write_text("select 2", encoding="utf-8")
    after = project_files(tmp_path)
    assert before.keys() == after.keys() == {"models/a.sql"}
    assert before != after
    assert "seeds/diseases.csv" in project_files(PROJECT)


def contract_of(table: str, refers_to: str = "") -> Contract:
    text = Text("-", "-")
    columns = {"id": Column("id", "int", "none", text, text, refers_to=refers_to)}
    return Contract(table, Path(), text, text, "", "", ("id",), 1, columns, None, None, table)


@pytest.fixture
def clinics(tmp_path: Path) -> list[Node]:
    """A project of one list, one draft of a department's table, and one that refers to it."""
    for path, text in {
        "seeds/towns.csv": "code\n01\n",
        "models/city/city__clinics.sql": "select * from {{ ref('stg_clinics') }}, {{ ref('towns') }}",
        "models/city/city__doctors.sql": "select * from {{ ref('towns') }}",
        "models/stg_clinics.sql": "select * from {{ source('raw_health', 'clinics') }}",
        "tests/some.sql": "select 1",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return nodes_of({"city.clinics": CLINICS, "city.doctors": DOCTORS}, tmp_path)


CLINICS, DOCTORS = contract_of("city.clinics"), contract_of("city.doctors", "city.clinics.id")


def test_a_draft_needs_what_it_is_made_of_and_what_it_refers_to(clinics: list[Node]) -> None:
    assert [(node.table, sorted(node.raw)) for node in clinics] == [
        ("reference.towns", []),
        ("draft.clinics", ["health.clinics"]),
        ("draft.doctors", ["health.clinics"]),
    ]


def test_views_are_made_that_what_is_due_or_its_tests_read(clinics: list[Node]) -> None:
    towns, of_clinics, of_doctors = clinics
    assert selected([of_clinics], []) == {"city__clinics", "stg_clinics"}
    assert selected([of_doctors, towns], []) == {"city__doctors", "towns"}
    tests = [{"city__doctors", "stg_firms"}, {"stg_firms", "stg_taxes"}, {"city__clinics", "stg_clinics"}]
    assert selected([of_doctors], tests) == {"city__doctors", "stg_firms", "stg_taxes"}


@pytest.mark.usefixtures("clinics")
def test_who_reads_a_table_is_known_through_views_but_not_through_tables(tmp_path: Path) -> None:
    (tmp_path / "tests" / "some.sql").write_text("select * from {{ ref('city__clinics') }}", encoding="utf-8")
    assert reading({"health.clinics"}, tmp_path) == ["city__clinics", "stg_clinics"]
    assert reading({"city__clinics"}, tmp_path) == ["some"]
    assert reading({"towns"}, tmp_path) == ["city__clinics", "city__doctors"]


@pytest.mark.parametrize(
    ("changed", "due"),
    [
        ("seeds/towns.csv", {"reference.towns", "draft.clinics", "draft.doctors"}),
        ("models/stg_clinics.sql", {"draft.clinics"}),
        ("models/city/city__doctors.sql", {"draft.doctors"}),
        ("tests/some.sql", {"reference.towns", "draft.clinics", "draft.doctors"}),
    ],
)
def test_a_table_is_due_when_something_behind_it_has_changed(
    clinics: list[Node], tmp_path: Path, changed: str, due: set[str]
) -> None:
    def inputs() -> dict[str, str]:
        contracts = {"city.clinics": CLINICS, "city.doctors": DOCTORS}
        return {n.table: inputs_of(n, contracts, project_files(tmp_path), {"health.clinics": 1}) for n in clinics}

    before = inputs()
    (tmp_path / changed).write_text("other", encoding="utf-8")
    assert {table for table, found in inputs().items() if found != before[table]} == due


def test_a_new_version_of_raw_makes_due_what_is_made_of_it(clinics: list[Node]) -> None:
    first, second = (
        {node.table: inputs_of(node, {}, {}, {"health.clinics": version}) for node in clinics} for version in (1, 2)
    )
    assert {table for table in first if first[table] != second[table]} == {"draft.clinics", "draft.doctors"}
