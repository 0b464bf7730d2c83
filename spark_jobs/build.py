"""Draft: dbt builds reference lists, staging views and the city's drafts from raw, and tests them: `kho build`.

One dbt run for all that is out of date: a list or draft is built when something it is made of has changed, be it a
file of `dbt/`, a contract or a raw table, through all the models between. An incremental draft is made anew too, unless
nothing but a known part of its raw table has changed: then dbt is told which, and replaces that part. A draft of tables
that no department has delivered yet waits, and the others do not wait for it. Whether a draft's key is one, `kho check
draft` asks, of every version: dbt's tests of keys are for who runs dbt by hand. dbt writes its logs and artefacts to
`$KHO_HOME/dbt`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import Contract, load_all, load_catalogue
from quality.refusal import Refusal, run
from quality.rules import literal
from spark_jobs.environment import Environment, read_environment, setting
from spark_jobs.lineage import behind
from spark_jobs.marks import Mark, fingerprint, one_at_a_time, read_mark, write_mark
from spark_jobs.nodes import Node, inputs_of, left_out, nodes_of, project_files, reading, selected
from spark_jobs.parts import changed_parts
from spark_jobs.session import (
    Earlier,
    await_engine,
    connect,
    planning_settings,
    rows_at,
    rows_in,
    settle,
    table_at,
    version,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROJECT = Path(__file__).resolve().parents[1] / "dbt"
# How dbt reaches the engine. By the name of the second it knows what to keep out of its logs.
DOOR = ("KHO_THRIFT_PORT", "DBT_ENV_SECRET_THRIFT")
# What macros read as `dbt_metadata_envs`. Before the name of an incremental model, which parts of it dbt is to replace,
# see `dbt/macros/replace_where.sql`; and what reads very many rows and how that is planned, see `plan_for_many.sql`.
CHANGED, MANY = "DBT_ENV_CUSTOM_ENV_KHO_CHANGED_", "DBT_ENV_CUSTOM_ENV_KHO_MANY_ROWS"
HELD_AT_MOST = 1.25  # rows in a draft's files, of those that count: what is replaced is first only marked as deleted
PARTS_AT_MOST = 1_000  # a value of the environment holds 128 KiB
SAMPLES = 3
SHOWN_LINES = 6
# Tests of the models, not of the data, which the project's own tests run; and those of keys, which the gate asks for.
NOT_ASKED = ("resource_type:unit_test", "test_name:unique_together")
# Some ninety statements, most of them over small tables, took the engine 134 s of processor time compiled to Java,
# otherwise 74 s (size test, warm, side by side). Of a table this large the compiler pays.
MANY_ROWS = 1_000_000
# Dbt must not go on building when the build that holds the lock was killed: 1 is PR_SET_PDEATHSIG, 9 is SIGKILL.
DBT = """
import ctypes, sys
sys.platform == "linux" and ctypes.CDLL(None).prctl(1, 9)
from dbt.cli.main import cli
cli()
"""


class BuildFailed(Refusal):
    """Dbt could not build a model, or a test of it failed."""


class DataTestFailed(BuildFailed):
    """All models were built, but are not what the data tests say."""

    lasts = True


@dataclass(frozen=True)
class Failure:
    """One node that dbt reports as failed: what, where in the project, why, and the query of a test."""

    name: str
    path: str
    message: str
    query: str = ""


def main() -> None:
    """Build what is out of date."""
    argparse.ArgumentParser(prog="kho build", description=__doc__).parse_args()
    build(load_all(), read_environment(), Path(setting("KHO_HOME")) / "dbt", {name: setting(name) for name in DOOR})


def build(
    contracts: Mapping[str, Contract], environment: Environment, artefacts: Path, door: Mapping[str, str]
) -> None:
    """One dbt run for every list and draft that is out of date and need not wait."""
    nodes = nodes_of(contracts, PROJECT)
    with one_at_a_time(environment.lake, "build", "draft"):
        raw = {table: version(environment.warehouse, f"raw_{table}") for node in nodes for table in node.raw}
        waiting = [node for node in nodes if any(raw[table] is None for table in node.raw)]
        if waiting:
            silent = ", ".join(sorted(table for table, newest in raw.items() if newest is None))
            drafts = ", ".join(node.table for node in waiting)
            print(f"build: nobody has delivered {silent} yet (`kho fetch`, `kho ingest`); waiting for it: {drafts}")
        files = project_files(PROJECT)
        inputs = {node.table: inputs_of(node, contracts, files, raw) for node in nodes if node not in waiting}
        due = [node for node in nodes if node.table in inputs and not _is_current(environment, node, inputs)]
        if not due:
            print(f"build: nothing new for {len(inputs)} tables")
            return
        began = time.monotonic()
        incremental = [node for node in due if node.is_incremental]
        parts = {CHANGED + n.name.upper(): _parts(n, contracts, environment, files, raw) for n in incremental}
        many = {"nodes": reading(_many(environment, nodes), PROJECT), "settings": planning_settings(is_large=True)}
        said = {**door, **parts, MANY: json.dumps(many)}
        results = _built(contracts, environment, artefacts, said, due, waiting)
        for node in due:
            read = {table: newest for table in node.raw if (newest := raw[table]) is not None}
            made = version(environment.warehouse, node.table)
            write_mark(environment.lake, "build", node.table, Mark(inputs[node.table], made, read))
    tests = sum(result["status"] in {"pass", "warn"} for result in results)
    took = f"{time.monotonic() - began:.0f} s"
    print(f"build: {len(due)} of {len(inputs)} tables, {tests} tests passed, {len(results)} nodes, {took}")


def failures(results: list[dict[str, Any]], nodes: Mapping[str, Mapping[str, Any]]) -> list[Failure]:
    """The nodes that failed, in the order of their names; those that were only skipped because of them are left out."""
    found = []
    for result in results:
        if result["status"] in {"error", "fail", "runtime error"}:
            node = nodes.get(result["unique_id"], {})
            query = (result.get("compiled_code") or "") if result["status"] == "fail" else ""
            name = node.get("name") or result["unique_id"]
            found.append(
                Failure(name, node.get("original_file_path", ""), first_lines(result.get("message") or ""), query)
            )
    return sorted(found, key=lambda failure: failure.name)


def first_lines(message: str) -> str:
    """What a database or dbt says, without the Java stack, the repeated query and the colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", message)
    if sparks := re.search(r"\[[A-Z][A-Z_.0-9]+\].*", text):
        return sparks[0].partition(" SQLSTATE")[0].strip()
    lines = [
        line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("at ", "> "))
    ]
    return "\n    ".join(line.strip() for line in lines[:SHOWN_LINES])


def _mark(environment: Environment, node: Node) -> Mark | None:
    """What the build left that made the table as it is; None when another hand has changed it since."""
    mark = read_mark(environment.lake, "build", node.table)
    made = version(environment.warehouse, node.table)
    return mark if mark and made is not None and mark.version == made else None


def _is_current(environment: Environment, node: Node, inputs: Mapping[str, str]) -> bool:
    mark = _mark(environment, node)
    return mark is not None and mark.inputs == inputs[node.table]


def _parts(
    node: Node,
    contracts: Mapping[str, Contract],
    environment: Environment,
    files: Mapping[str, str],
    raw: Mapping[str, int | None],
) -> str:
    """SQL literals of the parts of an incremental draft that are not as its raw table is; "" when all may be."""
    warehouse, mark = environment.warehouse, _mark(environment, node)
    if mark is None or mark.read.keys() != node.raw or mark.inputs != inputs_of(node, contracts, files, mark.read):
        return ""
    moved = [table for table in node.raw if mark.read[table] != raw[table]]
    if len(moved) != 1 or _is_worn(warehouse, node.table):
        return ""
    since = Earlier(mark.read[moved[0]], mark.left)
    found = changed_parts(environment.lake, warehouse, contracts[moved[0]], since)
    return ", ".join(map(literal, sorted(found))) if found and len(found) <= PARTS_AT_MOST else ""


def _is_worn(warehouse: str, table: str) -> bool:
    """Whether too many of the rows in a draft's files do not count any more."""
    held = rows_in(warehouse, table)
    return held > HELD_AT_MOST * rows_at(warehouse, table, table_at(warehouse, table).version())


def _built(
    contracts: Mapping[str, Contract],
    environment: Environment,
    artefacts: Path,
    said: Mapping[str, str],
    due: Sequence[Node],
    waiting: Sequence[Node],
) -> list[dict[str, Any]]:
    """The results of one `dbt build`. Raises BuildFailed with every node that failed."""
    refuse_stale_models(contracts)
    target = artefacts / "target"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("run_results.json", "manifest.json"):
        (target / name).unlink(missing_ok=True)  # those of an earlier run must not speak for this one
    if missing := [node for node in due if version(environment.warehouse, node.table) is None]:
        with connect(environment.engine) as spark:
            for node in missing:
                settle(spark, environment.warehouse, node.table)
    await_engine(f"127.0.0.1:{said[DOOR[0]]}")  # of an engine that starts, the last door to open
    tests = [behind(path.stem, PROJECT / "tests").nodes for path in (PROJECT / "tests").glob("*.sql")]
    chosen = selected(due, tests)
    words = ["build", "--select", *sorted(chosen), "--exclude", *NOT_ASKED, *left_out(due, waiting)]
    finished = run_dbt(words, artefacts, said)
    results, nodes = _read(target / "run_results.json", "results", []), _read(target / "manifest.json", "nodes", {})
    failed = failures(results, nodes | _read(target / "manifest.json", "unit_tests", {}))
    if failed:
        personal = {c.name for k in contracts.values() for c in k.columns.values() if c.pii != "none"}
        with connect(environment.engine) as spark:
            told = "\n".join(_told(failure, spark, personal) for failure in failed)
        kind = DataTestFailed if all(failure.query for failure in failed) else BuildFailed
        raise kind(
            f"dbt: {len(failed)} of {len(results)} nodes failed\n{told}",
            where=str(artefacts / "logs" / "dbt.log"),
            remedy="correct the model, the seed or what was delivered; the city's tables stay as they are",
        )
    if finished.returncode or not results:
        raise BuildFailed("dbt could not read the project", **said_by_dbt(finished.stdout, artefacts))
    return list(results)


def _many(environment: Environment, nodes: Sequence[Node]) -> set[str]:
    """Departments' tables, and drafts by their models, that have very many rows.

    An incremental draft that is not there yet may have as many as what it is made of; others never have.
    """
    warehouse = environment.warehouse
    raw = {table for node in nodes for table in node.raw}
    many = {table for table in raw if rows_in(warehouse, f"raw_{table}") >= MANY_ROWS}
    for node in nodes:
        if node.is_incremental:
            is_there = version(warehouse, node.table) is not None
            if rows_in(warehouse, node.table) >= MANY_ROWS if is_there else not many.isdisjoint(node.raw):
                many.add(node.name)
    return many


def said_by_dbt(printed: str, artefacts: Path) -> dict[str, str]:
    """What a refusal tells of a run that ended before it did anything."""
    return {
        "where": str(PROJECT),
        "found": first_lines(printed.partition("Encountered an error:")[2] or printed[-2000:]),
        "remedy": f"correct what it names; all of it stands in {artefacts / 'logs' / 'dbt.log'}",
    }


def refuse_stale_models(contracts: Mapping[str, Contract]) -> None:
    """Raise StaleModels when what dbt reads of the contracts is not what they say."""
    from quality.render import GENERATED, refuse_stale, render  # noqa: PLC0415 - only a real build pays for it

    refuse_stale(render(contracts, load_catalogue()), GENERATED)


def run_dbt(words: Sequence[str], artefacts: Path, said: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run dbt in a process of its own that cannot take our folder `dbt` for the package (-P, no PYTHONPATH).

    `said`: in its environment; the values of DOOR, at least.
    Its statements are planned for few rows, see `planning_settings`; `profiles.yml` reads that as SPARK_SQL_….
    """
    # What dbt remembers of a project (2 s less of 4) was seen to be wrong of files that went and came back, so it may
    # only where no file is another. As long as it is not said of which project that is, it is of none.
    target = artefacts / "target"
    remembered = target / "partial_parse.msgpack"
    of, project = remembered.with_suffix(".of"), fingerprint(str(PROJECT), project_files(PROJECT))
    is_known = remembered.exists() and of.exists() and of.read_text(encoding="utf-8") == project
    of.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-P", "-c", DBT, "--no-use-colors", *words),
        "--partial-parse" if is_known else "--no-partial-parse",
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(target), "--log-path", str(artefacts / "logs")),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {name.upper().replace(".", "_"): value for name, value in planning_settings(is_large=False).items()}
    environment |= {**said, "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=artefacts, env=environment, capture_output=True, encoding="utf-8", check=False)
    if remembered.exists():
        of.write_text(project, encoding="utf-8")
    return done


def _told(failure: Failure, spark: SparkSession, personal: set[str]) -> str:
    text = f"  {failure.name} ({failure.path}): {failure.message}"
    if failure.query:
        frame = spark.sql(failure.query)
        shown = [column for column in frame.columns if column not in personal]
        for row in frame.select(*shown).limit(SAMPLES).collect():
            text += "\n    " + ", ".join(f"{name}={value!r}" for name, value in row.asDict().items())
    return text


def _read(path: Path, word: str, otherwise: Any) -> Any:
    """One part of an artefact; `otherwise` when dbt ended before it wrote one."""
    return json.loads(path.read_text(encoding="utf-8")).get(word, otherwise) if path.exists() else otherwise


if __name__ == "__main__":
    sys.exit(run(main))
