"""Building the drafts: only when something changed, and a failure names the model and shows rows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from quality.contract import load_all
from spark_jobs import build as building
from spark_jobs.build import DOOR, PROJECT, failures, first_lines, run_dbt
from spark_jobs.marks import read_mark
from spark_jobs.places import remove_folder
from spark_jobs.session import connect, table_at, version
from tests.running import until
from tests.spark_jobs.deliveries import delivered
from tests.spark_jobs.projects import build, command_of_build, part_of_project

if TYPE_CHECKING:
    from tests.stack import Stack

# Of Great Expectations, pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

JAVA = """Runtime Error in model city__wards (models/city/city__wards.sql)
  Database Error
    org.apache.hive.service.cli.HiveSQLException: Error running query: [UNRESOLVED_COLUMN.WITH_SUGGESTION] \
org.apache.spark.sql.catalyst.ExtendedAnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `cod` \
cannot be resolved. Did you mean one of the following? [`code`]. SQLSTATE: 42703; line 12 pos 8;
    'Project ['cod AS ward_code#1]
    \tat org.apache.spark.sql.hive.thriftserver.HiveThriftServerErrors$.runningQueryError(HiveThriftServerErrors.scala)
"""
TABLES = 19  # ten lists, and the nine drafts that need the yearbooks at most


def test_a_java_stack_becomes_the_sentence_that_matters() -> None:
    assert first_lines(JAVA).endswith(
        "A column with name `cod` cannot be resolved. Did you mean one of the following? [`code`]."
    )
    assert "\n" not in first_lines(JAVA)


def test_other_messages_keep_their_first_lines_without_colours() -> None:
    assert first_lines("\x1b[31mCompilation Error\x1b[0m\n  no macro x\n  at y") == "Compilation Error\n    no macro x"


def test_nodes_that_were_only_skipped_are_no_failures() -> None:
    nodes = {"model.b": {"name": "b", "original_file_path": "models/b.sql"}}
    results: list[dict[str, Any]] = [
        {"unique_id": "model.c", "status": "skipped", "message": None},
        {"unique_id": "model.b", "status": "error", "message": "no", "compiled_code": "select"},
        {"unique_id": "test.a", "status": "fail", "message": "Got 2 results", "compiled_code": "select 1"},
        {"unique_id": "test.d", "status": "warn", "message": "Got 1 result"},
    ]
    found = [(failure.name, failure.path, failure.query) for failure in failures(results, nodes)]
    assert found == [("b", "models/b.sql", ""), ("test.a", "", "select 1")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One model only, to break it quickly."""
    models = {"city__wards.sql", "city__wards.yml"}
    lists = {"wards.csv", "former_wards.csv", "districts.csv", "ward_changes.csv"}
    return part_of_project(tmp_path / "dbt", models | lists)


def ask(engine: Stack, query: str) -> list[tuple[object, ...]]:
    with connect(engine.env["KHO_ENGINE"]) as spark:
        return [tuple(row) for row in spark.sql(query).collect()]


def test_the_yearbooks_become_the_citys_figures(built: Stack) -> None:
    figures = ask(
        built,
        "select disease_code, province_name, sum(cases) from draft.disease_cases where year = 2017 "
        "and disease_code in ('SXH', 'TCM') and current_province_code = '79' group by all order by all",
    )
    assert figures == [
        ("SXH", "Bà Rịa - Vũng Tàu", 2816),
        ("SXH", "Bình Dương", 8487),
        ("SXH", "TP. Hồ Chí Minh", 33729),
        ("TCM", "Bà Rịa - Vũng Tàu", 2946),
        ("TCM", "Bình Dương", 4720),
        ("TCM", "TP. Hồ Chí Minh", 30825),
    ]


def test_each_list_is_a_draft_with_all_its_rows(built: Stack) -> None:
    counts = {
        name: ask(built, f"select count(*) from draft.{name}")[0][0]
        for name in ("provinces", "former_provinces", "wards", "ward_changes", "diseases", "disease_cases")
    }
    assert counts == {
        "provinces": 34,
        "former_provinces": 63,
        "wards": 168 + 538,
        "ward_changes": 594,
        "diseases": 28,
        "disease_cases": 5 * 28 * 63 * 12,
    }


def test_with_nothing_new_nothing_is_built(built: Stack) -> None:
    before = version(built.env["KHO_WAREHOUSE"], "draft.disease_cases")
    waiting, nothing_new = built.kho("build").stdout.splitlines()
    assert "nobody has delivered cadastre.land_prices, cadastre.parcels, education.pupils" in waiting
    assert "waiting for it: draft.city_profile," in waiting
    assert nothing_new == f"build: nothing new for {TABLES} tables"
    assert version(built.env["KHO_WAREHOUSE"], "draft.disease_cases") == before


def test_dbt_writes_nothing_into_the_project(built: Stack) -> None:
    assert (built.settings.home / "dbt" / "target" / "run_results.json").is_file()
    names = {path.name for path in PROJECT.rglob("*")}
    assert not names & {"target", "logs", "dbt_packages", ".user.yml", "package-lock.yml"}


def test_a_model_that_does_not_run_is_named_with_the_databases_sentence(built: Stack, project: Path) -> None:
    model = project / "models" / "city" / "city__wards.sql"
    model.write_text(
        model.read_text(encoding="utf-8").replace("code as ward_code", "cod as ward_code"), encoding="utf-8"
    )
    failed = build(built, project)
    assert failed.returncode == 1
    assert "city__wards (models/city/city__wards.sql): [UNRESOLVED_COLUMN" in failed.stderr
    assert "`cod`" in failed.stderr
    assert "\tat " not in failed.stderr
    assert len(failed.stderr.splitlines()) < 10


def test_a_project_that_dbt_cannot_read_is_refused_with_its_sentence(built: Stack, project: Path) -> None:
    model = project / "models" / "city" / "city__wards.sql"
    model.write_text("select * from {{ ref('nothing') }}", encoding="utf-8")
    failed = build(built, project)
    assert failed.returncode == 1
    assert "dbt could not read the project" in failed.stderr
    assert "nothing" in failed.stderr
    assert len(failed.stderr.splitlines()) < 15


def test_dbt_remembers_a_project_only_as_it_was(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "PROJECT", project)
    before, log = 0, tmp_path / "logs" / "dbt.log"
    for changes, told in (
        (False, "Partial parsing not enabled"),
        (False, "no changes found, skipping parsing"),
        (True, "Partial parsing not enabled"),
    ):
        if changes:
            (project / "models" / "new.sql").write_text("select 1 as a", encoding="utf-8")
        assert run_dbt(["parse"], tmp_path, dict.fromkeys(DOOR, "1")).returncode == 0
        words = log.read_text(encoding="utf-8")
        assert told in words[before:]
        before = len(words)


@pytest.fixture
def bad_raw(built: Stack) -> Iterator[Stack]:
    """Raw with a province in a year in which it no longer existed. The drafts are out of date after it."""
    before = version(built.env["KHO_WAREHOUSE"], "raw_health.disease_cases")
    ask(
        built,
        "insert into raw_health.disease_cases (province, disease, year, month, cases, deaths) "
        "values ('Bình Dương', 'SXH', 2026, 1, 3, 0)",
    )
    yield built
    ask(built, f"restore table raw_health.disease_cases to version as of {before}")


def test_a_test_that_fails_shows_the_rows_it_found(bad_raw: Stack) -> None:
    before = read_mark(bad_raw.settings.lake, "build", "draft.disease_cases")
    failed = bad_raw.kho("build", check=False)
    assert failed.returncode == 1
    assert "kho: refused: dbt: " in failed.stderr, "Airflow would try it again"
    assert "every_reported_province_existed_in_its_year" in failed.stderr
    assert "reported_province='Bình Dương', year=2026" in failed.stderr
    after = read_mark(bad_raw.settings.lake, "build", "draft.disease_cases")
    assert before == after, "a build that failed must not count as done"


def test_a_killed_build_leaves_no_dbt_behind_and_the_next_one_finishes(built: Stack, project: Path) -> None:
    def made() -> int | None:
        return version(built.env["KHO_WAREHOUSE"], "reference.wards")

    marks = built.settings.lake / "marks" / "build"
    before, noted = made(), {mark: mark.read_bytes() for mark in marks.iterdir()}
    killed = subprocess.Popen(command_of_build(project), env=built.env)
    until(psutil.Process(killed.pid).children)
    (dbt,) = psutil.Process(killed.pid).children()
    until(lambda: made() != before)
    assert dbt.is_running()
    killed.kill()
    killed.wait()
    until(lambda: not dbt.is_running() or dbt.status() == psutil.STATUS_ZOMBIE)
    assert {mark: mark.read_bytes() for mark in marks.iterdir()} == noted
    assert f"of {TABLES} tables" in built.kho("build").stdout
    assert marks.joinpath("reference.wards.json").read_bytes() not in noted.values()
    assert f"nothing new for {TABLES} tables" in built.kho("build").stdout


SHEETS, PARCELS = (load_all()[table] for table in ("cadastre.parcels", "city.parcels"))


def parcel(number: int, use: str = "ODT") -> dict[str, Any]:
    """A row of raw."""
    where = {"ward_code": "26740", "located_ward_code": "26740", "longitude": 106.7, "latitude": 10.8, "crs_epsg": 9210}
    areas = dict.fromkeys(("area_m2", "legal_area_m2", "geodesic_area_m2"), 100.0)
    about = {"geohash": f"w3gv7cp4{number:04d}", "use_code": use, "updated_date": date(2026, 9, 30)}
    return {"parcel_id": f"{number:013d}", **where, **areas, **about}


@pytest.fixture
def sheets(built: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Delivers map sheets to raw and builds the parcels; says by which operation the draft's newest version came."""
    models = {"stg_cadastre__parcels.sql", "cadastre__parcels.yml", "city__parcels.sql", "city__parcels.yml"}
    project = part_of_project(tmp_path / "dbt", models | {"ward_changes.csv", "a_geohash_names_one_parcel.sql"})
    monkeypatch.setattr(building, "PROJECT", project)
    monkeypatch.setattr(building, "refuse_stale_models", lambda _: None)  # of this project there are parts only
    lake, warehouse = built.settings.lake, built.env["KHO_WAREHOUSE"]
    contracts = {contract.table: contract for contract in (SHEETS, PARCELS)}
    door = {name: built.env[name] for name in DOOR}

    def build_with(files: Mapping[str, Any], other: str = "") -> str:
        delivered(lake, warehouse, SHEETS, files)
        if other:
            model = project / "models" / "city" / "city__parcels.sql"
            model.write_text(f"{model.read_text(encoding='utf-8')}-- {other}\n", encoding="utf-8")
        building.build(contracts, built.environment, tmp_path, door)
        return str(table_at(warehouse, "draft.parcels").history(1)[0]["operation"])

    (lake / "marks" / "build" / "draft.parcels.json").unlink(missing_ok=True)
    yield build_with
    for table in ("raw_cadastre.parcels", "draft.parcels"):
        ask(built, f"drop table {table}")
    remove_folder(lake / "extracts" / "cadastre")


def test_of_parcels_only_those_of_changed_sheets_are_made_anew(
    built: Stack, sheets: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled() -> list[str]:
        told = (tmp_path / "logs" / "dbt.log").read_text(encoding="utf-8")
        return sorted(
            re.findall(r'"node_id": "[a-z]+\.kho_mo\.(\w+)"} \*/\s+set spark.sql.codegen.wholeStage = true', told)
        )

    def drafted() -> list[tuple[object, ...]]:
        return ask(built, "select cast(parcel_id as int), use_code, _file from draft.parcels order by 1")

    first = {"a": [parcel(1), parcel(2)], "b": [parcel(3), parcel(4)], "c'": [parcel(5)], "d": [parcel(6)]}
    assert sheets(first).startswith("CREATE")
    assert len(drafted()) == 6
    second = {"a": first["a"], "b": [parcel(3, "CLN"), parcel(7)], "c'": [parcel(5, "LUC")]}
    assert sheets(second) == "WRITE"
    changed = [(1, "ODT", "a"), (2, "ODT", "a"), (3, "CLN", "b"), (5, "LUC", "c'"), (7, "ODT", "b")]
    assert drafted() == changed
    assert compiled() == []
    monkeypatch.setattr(building, "MANY_ROWS", 4)
    assert sheets({**second, "a": [parcel(1)]}, other="another model").startswith("CREATE")
    assert drafted() == changed[:1] + changed[2:]
    assert compiled() == ["a_geohash_names_one_parcel", "city__parcels"], "that read very many rows"
