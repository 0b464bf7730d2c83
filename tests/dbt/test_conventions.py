"""The dbt project keeps the conventions that its users expect; where it does not, an exception says why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch

import pytest

from quality.contract import load_all
from spark_jobs.build import run_dbt
from tests.dbt import conventions
from tests.dbt.conventions import RULES, Node, Rule, nodes_in

NOTHING_LISTENS = {"KHO_THRIFT_PORT": "9", "DBT_ENV_SECRET_THRIFT": "none"}
CITY, STAGING = "models/city", "models/staging/health"
LABS = Node("raw_health.labs", "source", description="-", about="-", relation="raw_health.labs")
STG_LABS = Node(
    "stg_health__labs",
    "model",
    ("raw_health.labs",),
    f"{STAGING}/stg_health__labs.sql",
    description="-",
    materialized="view",
)
CITY_LABS = Node(
    "city__labs",
    "model",
    ("stg_health__labs",),
    f"{CITY}/city__labs.sql",
    description="-",
    materialized="table",
    relation="draft.labs",
)
SOUND = {node.name: node for node in (LABS, STG_LABS, CITY_LABS)}

# By rule, what breaks it (fnmatch) and why it may.
EXCEPTIONS: Mapping[Rule, Mapping[str, str]] = {
    conventions.no_model_joins_seven_others: {
        "city__city_profile": "one row that brings together what every department says of a ward is what it is for",
    },
    conventions.every_model_has_its_key_tested: {
        "stg_*": "one row per row of raw, of which ingest has rejected those that share a key",
    },
    conventions.every_source_states_how_fresh_it_must_be: {
        f"raw_{contract.table}": "its contract has no due_days: nobody has said when it is late"
        for contract in load_all().values()
        if contract.delivery and contract.delivery.due_days is None
    },
}


def model(name: str, *parents: str) -> Node:
    return Node(name, "model", parents, f"{CITY}/{name}.sql", description="-", materialized="table")


def planted(*nodes: Node) -> dict[str, Node]:
    """A sound little project, with these in it."""
    return SOUND | {node.name: node for node in nodes}


OFFENDERS: list[tuple[Rule, dict[str, Node], set[str]]] = [
    (
        conventions.staging_reads_one_source_and_nothing_else,
        planted(replace(STG_LABS, parents=("raw_health.labs", "city__labs"))),
        {"stg_health__labs"},
    ),
    (conventions.only_staging_reads_sources, planted(model("city__a", "raw_health.labs")), {"city__a"}),
    (
        conventions.no_model_joins_two_sources,
        planted(replace(LABS, name="raw_health.b"), replace(STG_LABS, parents=("raw_health.labs", "raw_health.b"))),
        {"stg_health__labs"},
    ),
    (
        conventions.every_source_is_read_by_one_staging_model,
        planted(replace(STG_LABS, name="stg_health__twice"), replace(LABS, name="raw_health.unused")),
        {"raw_health.labs", "raw_health.unused"},
    ),
    (
        conventions.no_table_is_two_sources,
        planted(replace(LABS, name="raw_health.alias")),
        {"raw_health.labs", "raw_health.alias"},
    ),
    (conventions.every_model_is_made_of_something, planted(model("city__a")), {"city__a"}),
    (
        conventions.tables_are_never_named_but_referred_to,
        planted(
            replace(
                CITY_LABS, code="-- from city.here\nselect * from {{ ref('a') }} as a\njoin city.wards as b on true"
            ),
            replace(STG_LABS, code="select 1 from a where a.b is distinct from c.d"),
        ),
        {"city__labs: city.wards"},
    ),
    (
        conventions.no_model_ends_in_more_than_three_others,
        planted(*(model(f"city__{name}", "city__labs") for name in "abcd"), model("city__e", "stg_health__labs")),
        {"city__labs"},
    ),
    (
        conventions.no_model_joins_seven_others,
        planted(
            *(model(f"city__{n}", "city__labs") for n in "abcdefg"),
            model("city__x", *(f"city__{n}" for n in "abcdefg")),
        ),
        {"city__x"},
    ),
    (
        conventions.nothing_is_joined_again_to_what_it_came_from,
        planted(model("city__a", "city__labs"), model("city__b", "city__labs", "city__a")),
        {"city__a"},
    ),
    (
        conventions.views_are_not_stacked_higher_than_four,
        planted(
            *(
                replace(model(f"city__{n}", before), materialized="view")
                for before, n in zip(("stg_health__labs", "city__a", "city__b", "city__c"), "abcd", strict=True)
            )
        ),
        {"city__d"},
    ),
    (
        conventions.every_model_has_its_key_tested,
        planted(Node("u", "test", ("city__labs",), test="unique_together"), Node("s", "test", ("stg_health__labs",))),
        {"stg_health__labs"},
    ),
    (
        conventions.everything_is_described,
        planted(replace(LABS, about=""), replace(CITY_LABS, description=""), Node("a_list", "seed")),
        {"raw_health.labs", "city__labs", "a_list"},
    ),
    (
        conventions.every_source_states_how_fresh_it_must_be,
        planted(replace(LABS, name="raw_health.b", is_freshness_stated=True)),
        {"raw_health.labs"},
    ),
    (
        conventions.staging_stands_in_the_folder_of_its_source_and_is_called_after_it,
        planted(
            replace(STG_LABS, path="models/staging/education/stg_health__labs.sql"),
            replace(STG_LABS, name="stg_health__laboratories", path=f"{STAGING}/stg_health__laboratories.sql"),
        ),
        {"stg_health__labs", "stg_health__laboratories"},
    ),
    (
        conventions.every_other_model_is_of_the_city_in_folder_name_and_table,
        planted(model("labs"), replace(CITY_LABS, relation="draft.laboratories")),
        {"labs", "city__labs"},
    ),
    (
        conventions.tests_stand_beside_their_models,
        planted(
            Node("far", "unit_test", ("city__labs",), f"{STAGING}/stg_health__labs.yml"),
            Node("near", "unit_test", ("city__labs",), f"{CITY}/city__labs.yml"),
            Node("made", "test", ("city__labs",), "models/_generated/city__labs.yml", test="unique_together"),
            Node("of_relations", "test", ("city__labs", "stg_health__labs"), "tests/of_relations.sql"),
        ),
        {"far"},
    ),
    (
        conventions.exposures_are_made_of_the_citys_tables,
        planted(
            Node("early", "exposure", ("stg_health__labs",)),
            Node("of_nothing", "exposure"),
            Node("right", "exposure", ("city__labs",)),
        ),
        {"early", "of_nothing"},
    ),
]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Node]:
    """The project as dbt reads it."""
    folder = tmp_path_factory.mktemp("dbt")
    done = run_dbt(["parse"], folder, NOTHING_LISTENS)
    assert done.returncode == 0, done.stdout
    assert "deprecat" not in done.stdout.lower()
    return nodes_in(json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8")))


def test_the_project_was_read_whole(nodes: Mapping[str, Node]) -> None:
    contracts = load_all().values()
    kinds = {
        kind: {node.name for node in nodes.values() if node.kind == kind} for kind in ("model", "source", "exposure")
    }
    assert {f"city__{c.name}" for c in contracts if c.schema == "city"} < kinds["model"]
    assert kinds["source"] == {f"raw_{c.table}" for c in contracts if c.delivery}
    assert kinds["exposure"] == {c.portal.dataset.replace("-", "_") for c in contracts if c.portal}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_convention_or_says_why_not(nodes: Mapping[str, Node], rule: Rule) -> None:
    allowed = EXCEPTIONS.get(rule, {})
    offenders = list(rule(nodes))
    assert [name for name in offenders if not any(fnmatch(name, pattern) for pattern in allowed)] == []
    idle = [pattern for pattern in allowed if not any(fnmatch(name, pattern) for name in offenders)]
    assert idle == [], "exceptions that nothing needs any more"


@pytest.mark.parametrize(("rule", "project", "found"), OFFENDERS, ids=[rule.__name__ for rule, _, _ in OFFENDERS])
def test_the_convention_finds_who_breaks_it(rule: Rule, project: dict[str, Node], found: set[str]) -> None:
    assert set(rule(project)) == found


def test_every_convention_has_an_offender_to_find() -> None:
    assert [rule for rule, _, _ in OFFENDERS] == list(RULES)
