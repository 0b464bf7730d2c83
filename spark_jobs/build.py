"""Draft: dbt builds reference lists, staging views and the city's drafts from raw, and tests them: `kho build`.

One dbt run for everything, and only when something it reads has changed: a file of `dbt/`, a contract, a raw table.
dbt writes its logs and artefacts to `$KHO_HOME/dbt`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import CITY, Contract, load_all
from quality.refusal import NotYet, Refusal, run
from spark_jobs.environment import Environment, read_environment, setting
from spark_jobs.lineage import raw_tables
from spark_jobs.marks import Mark, fingerprint, one_at_a_time, read_mark, write_mark
from spark_jobs.session import connect, settle, version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROJECT = Path(__file__).resolve().parents[1] / "dbt"
SAMPLES = 3
SHOWN_LINES = 6
# Dbt must not go on building when the build that holds the lock was killed: 1 is PR_SET_PDEATHSIG, 9 is SIGKILL.
DBT = """
import ctypes, sys
sys.platform == "linux" and ctypes.CDLL(None).prctl(1, 9)
from dbt.cli.main import cli
cli()
"""


class NotDelivered(NotYet):
    """A department's table is not there, so nothing can be made of it."""


class BuildFailed(Refusal):
    """Dbt could not build a model, or a test of it failed."""


@dataclass(frozen=True)
class Failure:
    """One node that dbt reports as failed: what, where in the project, why, and the query of a test."""

    name: str
    path: str
    message: str
    query: str = ""


def main() -> None:
    """Build everything, if anything has changed."""
    argparse.ArgumentParser(prog="kho build", description=__doc__).parse_args()
    environment = read_environment()
    artefacts = Path(setting("KHO_HOME")) / "dbt"
    thrift_port = setting("KHO_THRIFT_PORT")
    contracts = load_all()
    drafts = [f"draft.{contract.name}" for contract in contracts.values() if contract.schema == CITY]
    read = {table for draft in drafts for table in raw_tables(draft.replace("draft.", "city__"))}
    with one_at_a_time(environment.lake, "build", "draft"):
        inputs = fingerprint(
            project_files(PROJECT),
            {
                table: contract.sha256
                for table, contract in contracts.items()
                if contract.schema == CITY or table in read
            },
            raw_versions(read, environment.warehouse),
        )
        if all(_is_current(environment, draft, inputs) for draft in drafts):
            print(f"build: nothing new for {len(drafts)} drafts")
            return
        began = time.monotonic()
        results = _run_dbt(contracts, environment, artefacts, thrift_port)
        for draft in drafts:
            write_mark(environment.lake, "build", draft, Mark(inputs, version(environment.warehouse, draft)))
    tests = sum(result["status"] in {"pass", "warn"} for result in results)
    print(f"build: {len(drafts)} drafts, {tests} tests passed, {len(results)} nodes, {time.monotonic() - began:.0f} s")


def project_files(project: Path) -> dict[str, str]:
    """What dbt reads, by path below `project`: the content of every file, hashed."""
    return {
        str(path.relative_to(project)): fingerprint(path.read_text(encoding="utf-8"))
        for path in sorted(project.rglob("*"))
        if path.is_file() and path.suffix in {".sql", ".yml", ".csv"}
    }


def raw_versions(tables: Iterable[str], warehouse: str) -> dict[str, int]:
    """The versions of raw tables. One that is not there yet is told here: dbt would say it less clearly."""
    versions = {}
    for table in sorted(tables):
        found = version(warehouse, f"raw_{table}")
        if found is None:
            raise NotDelivered(
                f"raw_{table} is not there",
                where=warehouse,
                expected="a table made by ingest",
                found="none",
                remedy=f"run `kho fetch {table}` and `kho ingest {table}` first",
            )
        versions[table] = found
    return versions


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


def _is_current(environment: Environment, draft: str, inputs: str) -> bool:
    mark = read_mark(environment.lake, "build", draft)
    return (
        mark is not None
        and mark.inputs == inputs
        and mark.version is not None
        and mark.version == version(environment.warehouse, draft)
    )


def _run_dbt(
    contracts: Mapping[str, Contract], environment: Environment, artefacts: Path, thrift_port: str
) -> list[dict[str, Any]]:
    """The results of one `dbt build`. Raises BuildFailed with every node that failed."""
    _refuse_stale(contracts)
    target = artefacts / "target"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("run_results.json", "manifest.json"):
        (target / name).unlink(missing_ok=True)  # those of an earlier run must not speak for this one
    with connect(environment.engine, environment.warehouse) as spark:
        for table in _tables(contracts):
            settle(spark, environment.warehouse, table)
        finished = _dbt(artefacts, thrift_port)
        results, nodes = _read(target / "run_results.json", "results", []), _read(target / "manifest.json", "nodes", {})
        failed = failures(results, nodes | _read(target / "manifest.json", "unit_tests", {}))
        if failed:
            personal = {c.name for k in contracts.values() for c in k.columns.values() if c.pii != "none"}
            told = "\n".join(_told(failure, spark, personal) for failure in failed)
            raise BuildFailed(
                f"dbt: {len(failed)} of {len(results)} nodes failed\n{told}",
                where=str(artefacts / "logs" / "dbt.log"),
                remedy="correct the model, the seed or what was delivered; the city's tables stay as they are",
            )
    if finished.returncode or not results:
        raise BuildFailed(
            "dbt could not read the project",
            where=str(PROJECT),
            found=first_lines(finished.stdout.partition("Encountered an error:")[2] or finished.stdout[-2000:]),
            remedy=f"correct what it names; all of it stands in {artefacts / 'logs' / 'dbt.log'}",
        )
    return list(results)


def _dbt(artefacts: Path, thrift_port: str) -> subprocess.CompletedProcess[str]:
    """Run dbt in a process of its own that cannot take our folder `dbt` for the package (-P, no PYTHONPATH)."""
    command = [
        *(sys.executable, "-P", "-c", DBT, "--no-use-colors", "build"),
        "--no-partial-parse",  # what it remembers of files that went and came back was seen to be wrong
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(artefacts / "target"), "--log-path", str(artefacts / "logs")),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"KHO_THRIFT_PORT": thrift_port, "PYTHONUTF8": "1"}
    return subprocess.run(command, cwd=artefacts, env=environment, capture_output=True, encoding="utf-8", check=False)


def _tables(contracts: Mapping[str, Contract]) -> Iterator[str]:
    """All that dbt makes tables of: reference lists and drafts."""
    for seed in sorted((PROJECT / "seeds").glob("*.csv")):
        yield f"reference.{seed.stem}"
    for contract in contracts.values():
        if contract.schema == CITY:
            yield f"draft.{contract.name}"


def _refuse_stale(contracts: Mapping[str, Contract]) -> None:
    from quality.render import GENERATED, refuse_stale, render  # noqa: PLC0415 - only a real build pays for it

    refuse_stale(render(dict(contracts)), GENERATED)


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
