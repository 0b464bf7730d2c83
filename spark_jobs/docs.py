"""What there is and where it comes from, as one page for people: `./kho docs`.

dbt writes it: every table and column with its description in both languages, the lineage from what departments deliver
to the portal's datasets, the SQL between, and what the engine knows of each table. It holds names and descriptions,
never rows; what would tell of this machine is taken out. The page needs no server: `$KHO_HOME/docs/index.html`.

Then `dbt source freshness` tells which raw tables have waited too long for something new. That is about the lake: it
also shows deliveries that came, but were refused. Whether a department is late, by its periods, says `./kho overdue`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from quality.contract import Contract, load_all
from quality.refusal import Refusal, run
from spark_jobs.build import DOOR, refuse_stale_models, run_dbt, said_by_dbt
from spark_jobs.environment import Environment, read_environment, setting
from spark_jobs.marks import one_at_a_time
from spark_jobs.session import connect, version

STAGING = "staging"
PARTS = ("manifest.json", "catalog.json")
PLACES = {"root_path", "build_path", "compiled_path"}  # of a node: whole paths, for dbt writes outside of its project
A_DAY = 86_400
Json = dict[str, Any]


class DocsFailed(Refusal):
    """Dbt could not do what it was asked for."""


def main() -> None:
    """Write the page, then tell what waits."""
    argparse.ArgumentParser(prog="kho docs", description=__doc__).parse_args()
    contracts, environment, home = load_all(), read_environment(), Path(setting("KHO_HOME"))
    door, artefacts = {name: setting(name) for name in DOOR}, home / "dbt" / "docs"
    refuse_stale_models(contracts)
    with one_at_a_time(environment.lake, "docs", "page"):
        if views := forgotten(contracts, environment):
            _run(["run", "--select", *views], artefacts, door)
        page = write_page(home / "docs" / "index.html", artefacts, door)
        print(f"docs: {page}")
        due = delivered(contracts, environment)
        print("\n".join(told(freshness(due, artefacts, door) if due else [])))


def forgotten(contracts: Mapping[str, Contract], environment: Environment) -> list[str]:
    """The views of delivered tables that are not there: an engine that was started anew has none."""
    views = {f"stg_{table.replace('.', '__')}" for table in _in_raw(contracts, environment)}
    with connect(environment.engine) as spark:
        known = spark.catalog.listTables(STAGING) if spark.catalog.databaseExists(STAGING) else []
    return sorted(views - {table.name for table in known})


def write_page(page: Path, artefacts: Path, door: Mapping[str, str]) -> Path:
    """Whole or not at all; `artefacts`: where dbt leaves its own files."""
    _run(["docs", "generate", "--static"], artefacts, door)
    target = artefacts / "target"
    text = (target / "static_index.html").read_text(encoding="utf-8")
    for name in PARTS:
        found = (target / name).read_text(encoding="utf-8")
        if found not in text:
            raise DocsFailed(f"the page does not hold {name}", where=str(target / "static_index.html"))
        # It stands in a script, which a description must not end.
        cleaned = json.dumps(without_machine(json.loads(found)), ensure_ascii=False)
        text = text.replace(found, cleaned.replace("<", "\\u003c"))
    page.parent.mkdir(parents=True, exist_ok=True)
    fresh = page.with_name(f".{page.name}.new")
    fresh.write_text(text, encoding="utf-8")
    return fresh.replace(page)


def without_machine(part: Json) -> Json:
    """A manifest or catalogue that says nothing of where and by whom it was made."""
    nodes = {key: _without_machine(node) for key, node in part["nodes"].items()}
    sources = {key: _without_machine(source) for key, source in part["sources"].items()}
    return {**part, "nodes": nodes, "sources": sources, "metadata": {**part["metadata"], "env": {}, "user_id": None}}


def _without_machine(node: Json) -> Json:
    kept = {key: value for key, value in node.items() if key not in PLACES}
    return {**kept, "metadata": {**node["metadata"], "owner": None}} if "metadata" in node else kept


def delivered(contracts: Mapping[str, Contract], environment: Environment) -> list[str]:
    """The departments' tables that are in raw and that somebody expects anew."""
    deliveries = {table: contracts[table].delivery for table in _in_raw(contracts, environment)}
    return sorted(table for table, one in deliveries.items() if one and one.due_days is not None)


def _in_raw(contracts: Mapping[str, Contract], environment: Environment) -> list[str]:
    return [table for table in contracts if version(environment.warehouse, f"raw_{table}") is not None]


def freshness(tables: Collection[str], artefacts: Path, door: Mapping[str, str], sandbox: str = "") -> list[Json]:
    """What dbt found out of each table, sorted. `sandbox`: see the macro `generate_schema_name`."""
    results = artefacts / "target" / "sources.json"
    results.unlink(missing_ok=True)
    selected = (f"source:raw_{table}" for table in tables)
    _run(["source", "freshness", "--vars", f"sandbox: '{sandbox}'", "--select", *selected], artefacts, door)
    found = json.loads(results.read_text(encoding="utf-8"))["results"]
    return sorted(found, key=lambda result: str(result["unique_id"]))


def told(results: Sequence[Json]) -> list[str]:
    """A line for each table that waits too long, then the counts."""
    waiting = [result for result in results if result["status"] != "pass"]
    lines = []
    for result in waiting:
        table = ".".join(result["unique_id"].rsplit(".", 2)[1:])
        days = f"{result['max_loaded_at_time_ago_in_s'] / A_DAY:.0f} days"
        lines.append(
            f"docs: {table}: nothing new for {days}, expected within {result['criteria']['warn_after']['count']}"
        )
    return [*lines, f"docs: {len(results)} delivered tables, {len(waiting)} wait for something new"]


def _run(words: Sequence[str], artefacts: Path, door: Mapping[str, str]) -> None:
    artefacts.mkdir(parents=True, exist_ok=True)
    done = run_dbt(words, artefacts, door)
    if done.returncode:
        raise DocsFailed(f"dbt {' '.join(words[:2])} failed", **said_by_dbt(done.stdout, artefacts))


if __name__ == "__main__":
    sys.exit(run(main))
