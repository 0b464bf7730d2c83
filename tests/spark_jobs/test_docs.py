"""The page of all tables: readable in both languages, with the lineage, and without a word of the machine."""

from __future__ import annotations

import getpass
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from infra.settings import ROOT
from quality.contract import CITY, load_all
from spark_jobs.docs import STAGING, told, without_machine
from spark_jobs.session import connect

if TYPE_CHECKING:
    from tests.stack import Stack

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def result(table: str, status: str, days: float) -> dict[str, Any]:
    criteria = {"warn_after": {"count": 17, "period": "day"}}
    return {
        "unique_id": f"source.kho_mo.{table}",
        "status": status,
        "max_loaded_at_time_ago_in_s": days * 86_400,
        "criteria": criteria,
    }


def test_a_table_that_waits_too_long_is_named_with_both_numbers_of_days() -> None:
    assert told([result("raw_health.a", "pass", 3), result("raw_health.b", "warn", 20.2)]) == [
        "docs: raw_health.b: nothing new for 20 days, expected within 17",
        "docs: 2 delivered tables, 1 wait for something new",
    ]


def test_what_tells_of_the_machine_is_taken_out_and_all_else_stays() -> None:
    part = {
        "metadata": {"env": {"SECRET": "x"}, "user_id": "u", "dbt_version": "1"},
        "nodes": {
            "seed.a": {"root_path": "/somewhere/dbt", "compiled_path": "/elsewhere/a.sql", "name": "a"},
            "model.b": {"metadata": {"owner": "somebody", "schema": "draft"}, "columns": {"c": {}}},
        },
        "sources": {"source.d": {"metadata": {"owner": "somebody", "name": "d"}}},
    }
    assert without_machine(part) == {
        "metadata": {"env": {}, "user_id": None, "dbt_version": "1"},
        "nodes": {
            "seed.a": {"name": "a"},
            "model.b": {"metadata": {"owner": None, "schema": "draft"}, "columns": {"c": {}}},
        },
        "sources": {"source.d": {"metadata": {"owner": None, "name": "d"}}},
    }


@pytest.fixture(scope="module")
def page(built: Stack) -> str:
    """What `./kho docs` wrote, for an engine that was started anew and has forgotten a view."""
    with connect(built.env["KHO_ENGINE"]) as spark:
        spark.sql(f"drop view {STAGING}.stg_health__disease_cases")
    done = built.kho("docs")
    path = built.settings.home / "docs" / "index.html"
    assert done.stdout.startswith(f"docs: {path}\n")
    return path.read_text(encoding="utf-8")


def inside(page: str) -> tuple[Any, Any]:
    """Manifest and catalogue, as the page's script reads them."""
    found = {}
    for start in re.finditer(r'\{"metadata": \{"dbt_schema_version": "[^"]*/(manifest|catalog)/', page):
        found[start[1]], _ = json.JSONDecoder().raw_decode(page, start.start())
    return found["manifest"], found["catalog"]


def test_the_page_tells_the_whole_way_from_raw_to_the_portal(page: str, built: Stack) -> None:
    manifest, catalog = inside(page)
    parents = manifest["parent_map"]
    assert parents["exposure.kho_mo.ca_benh_truyen_nhiem_theo_thang"] == ["model.kho_mo.city__disease_cases"]
    assert "model.kho_mo.stg_health__disease_cases" in parents["model.kho_mo.city__disease_cases"]
    assert parents["model.kho_mo.stg_health__disease_cases"] == ["source.kho_mo.raw_health.disease_cases"]
    exposure = manifest["exposures"]["exposure.kho_mo.ca_benh_truyen_nhiem_theo_thang"]
    assert exposure["url"] == f"{built.settings.portal_url}/dataset/ca-benh-truyen-nhiem-theo-thang"
    columns = catalog["nodes"]["model.kho_mo.city__disease_cases"]["columns"]
    assert list(columns) == list(load_all()["city.disease_cases"].columns)
    assert catalog["nodes"]["model.kho_mo.stg_health__disease_cases"]["columns"].keys() >= {"disease_code", "cases"}


def test_every_column_is_described_in_both_languages(page: str) -> None:
    manifest, _ = inside(page)
    for contract in load_all().values():
        is_city = contract.schema == CITY
        group, name = ("nodes", f"model.kho_mo.city__{contract.name}") if is_city else ("sources", "")
        node = manifest[group][name or f"source.kho_mo.raw_{contract.table}"]
        assert contract.title.vi in node["description"]
        for column in contract.columns.values():
            said = node["columns"][column.name]["description"]
            assert column.description.vi in said
            assert column.description.en in said


def test_the_page_holds_no_path_no_user_no_secret_and_asks_nobody(page: str, built: Stack) -> None:
    manifest, catalog = inside(page)
    secrets = [path.read_text() for path in built.settings.secret_file("").glob("*") if path.is_file()]
    for word in (str(ROOT), str(built.settings.home), str(built.settings.tools), *filter(None, secrets)):
        assert word not in page
    owners = {node["metadata"]["owner"] for node in [*catalog["nodes"].values(), *catalog["sources"].values()]}
    assert owners == {None}, f"such as {getpass.getuser()}"
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False


def test_of_the_data_the_page_knows_counts_and_sizes_alone(page: str) -> None:
    _, catalog = inside(page)
    nodes = [*catalog["nodes"].values(), *catalog["sources"].values()]
    assert len(nodes) > 9
    assert {key for node in nodes for key in node["stats"]} <= {"bytes", "rows", "has_stats"}
    assert {key for node in nodes for column in node["columns"].values() for key in column} == {
        "type",
        "index",
        "name",
        "comment",
    }
    assert {column["comment"] for node in nodes for column in node["columns"].values()} == {None}


def test_without_an_engine_nothing_is_written_and_it_says_so(built: Stack, page: str) -> None:
    path = built.settings.home / "docs" / "index.html"
    before = path.stat().st_mtime_ns
    nobody = str(built.settings.ports["api"])
    failed = built.kho("docs", check=False, KHO_PORT_CONNECT=nobody)
    assert failed.returncode == 1
    assert "the engine does not answer" in failed.stderr
    assert "`./kho up` starts it" in failed.stderr
    assert (path.stat().st_mtime_ns, path.read_text(encoding="utf-8")) == (before, page)
