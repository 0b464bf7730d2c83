import ast
import sys
from functools import partial
from pathlib import Path

import pytest

from infra.runs import Airflow, finish, until
from infra.settings import ROOT
from tests.stack import Stack

DAGS = sorted((ROOT / "dags").glob("*.py"))
RUN_SECONDS = 300


def test_there_are_dags() -> None:
    assert {path.stem for path in DAGS} >= {"steps", "health", "city", "portal"}


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.name)
def test_a_dag_is_short_and_imports_only_airflow_and_the_steps(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    allowed = {*sys.stdlib_module_names, "airflow", "steps"}
    assert {name.partition(".")[0] for name in imported} <= allowed
    assert path.name == "steps.py" or len(path.read_text().splitlines()) <= 60


def test_airflow_reads_every_dag_without_an_error(stack: Stack) -> None:
    api = Airflow(stack.settings)
    until(60, "the DAGs are read", lambda: all(api.knows(path.stem) for path in DAGS if path.stem != "steps"))
    assert api.import_errors() == []


def test_a_backfill_of_one_period_takes_that_one_and_wakes_city_and_portal(published: Stack) -> None:
    inbox, extracts = (Path(published.env[name]) for name in ("KHO_SOURCE_HEALTH", "KHO_LAKE"))
    for year in ("2012", "2013"):  # both delivered anew: the same tables, in a file that is a little longer
        with (inbox / f"Nien giam {year}r.xls").open("ab") as book:
            book.write(bytes(512))
    delivered = {year: extracts / "extracts" / "health" / "disease_cases" / year for year in ("2012", "2013")}
    before = {year: len(list(folder.iterdir())) for year, folder in delivered.items()}
    api = Airflow(published.settings)
    run = api.trigger("health", period="2012")
    finish(api, run, RUN_SECONDS)
    for dag in ("city", "portal"):
        run = until(RUN_SECONDS, f"{dag} wakes", partial(api.woken_by, run, dag))
        finish(api, run, RUN_SECONDS)
    after = {year: len(list(folder.iterdir())) for year, folder in delivered.items()}
    assert after == {"2012": before["2012"] + 1, "2013": before["2013"]}


def test_a_period_that_does_not_exist_fails_with_the_steps_own_words(published: Stack) -> None:
    api = Airflow(published.settings)
    run = api.trigger("health", period="1999; touch /tmp/owned")
    until(RUN_SECONDS, "the first try", lambda: api.log(run, "fetch_disease_cases") or None)
    words = until(
        RUN_SECONDS,
        "the refusal",
        lambda: [line for line in api.log(run, "fetch_disease_cases") if "1999; touch" in line],
    )
    assert words
    assert not Path("/tmp/owned").exists()  # noqa: S108 - the very file that the period asks for
