"""Gate: what the contracts demand of every table of a layer, by Great Expectations.

`kho check raw` looks at what departments delivered, before it is announced; `kho check draft` at what dbt built, before
it is promoted; `kho check open` at what the public may see, before it is exported. A table whose version already
passed under the same contract is not looked at again. The result stands in `$KHO_LAKE/checks/<layer>/<table>/`; a
critical rule that fails stops the flow, a warning is only told.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quality.contract import CITY, Contract, load_all
from quality.refusal import Refusal, run
from quality.rules import CRITICAL, reference_values
from spark_jobs.asking import ask
from spark_jobs.environment import Environment, chosen, read_environment
from spark_jobs.frames import frame_of
from spark_jobs.marks import one_at_a_time
from spark_jobs.outcomes import Outcome, Report, failures, outcome_of
from spark_jobs.session import FEW_ROWS, connect, is_large, plan_for, rows_at, rows_in, table_at, version
from spark_jobs.verdicts import has_passed, verdict_path

LAYERS = {"raw": "kho ingest", "draft": "kho build", "open": "kho protect"}  # and what makes them


class GateFailed(Refusal):
    """A table breaks a critical rule of its contract."""

    lasts = True


class NothingToCheck(Refusal):
    """A table that should be checked is not there."""


def columns_of(contract: Contract, layer: str) -> tuple[str, ...]:
    """The columns a table has in a layer: all of the contract's, or the public ones."""
    return contract.portal.columns if layer == "open" and contract.portal else tuple(contract.columns)


def main() -> None:
    """Check every table that is due."""
    parser = argparse.ArgumentParser(prog="kho check", description=__doc__)
    parser.add_argument("layer", choices=sorted(LAYERS))
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help="such as city.wards, or health for all of a department's"
    )
    arguments = parser.parse_args()
    in_layer = tables_of(load_all(), arguments.layer)
    wanted = [name for word in arguments.tables for name in _named(word, in_layer)]
    names = chosen(wanted, in_layer, f"tables of the layer {arguments.layer}")
    gate([in_layer[name] for name in names], arguments.layer, read_environment())


def gate(contracts: list[Contract], layer: str, environment: Environment) -> None:
    """Look at what is due, keep every result, then raise GateFailed if a critical rule failed anywhere."""
    lake = environment.lake
    with ExitStack() as locks:
        for contract in contracts:
            locks.enter_context(one_at_a_time(lake, f"check-{layer}", contract.table))
        versions = _versions(environment.warehouse, layer, contracts)
        there = [contract for contract in contracts if contract.table in versions]
        paths = {c.table: verdict_path(lake, layer, c, versions[c.table]) for c in there}
        due = [contract for contract in there if not has_passed(paths[contract.table], contract)]
        if not due:
            print(f"check {layer}: nothing new in {len(there)} tables")
            return
        reports = []
        for large in (False, True):
            tables = [c for c in due if is_large(rows_in(environment.warehouse, table_in(layer, c))) == large]
            if not tables:
                continue
            for contract, report in zip(tables, check(environment, tables, layer, versions, large=large), strict=True):
                _write(paths[contract.table], report)
                reports.append(report)
                told = "passed" if report.passed else "FAILED"
                counts = f"{report.rows:,} rows, {len(report.rules)} rules"
                print(f"check {report.table} version {report.version}: {counts}, {told}", flush=True)
    for line in failures(reports, "warning"):
        print(f"check: warning: {line}", file=sys.stderr)
    if critical := failures(reports, CRITICAL):
        raise GateFailed(
            f"the {layer} gate stops here: {len(critical)} critical rules failed\n  " + "\n  ".join(critical),
            where=str(lake / "checks" / layer),
            remedy="correct what was delivered or the model that made it, and run the flow again; "
            "what passed before stays as it is",
        )


def tables_of(contracts: Mapping[str, Contract], layer: str) -> dict[str, Contract]:
    """Contracts whose tables stand in a layer: the departments' in raw, the city's in draft, the published in open."""
    return {
        name: contract
        for name, contract in contracts.items()
        if (contract.schema != CITY if layer == "raw" else contract.schema == CITY)
        and (layer != "open" or contract.portal)
    }


def table_in(layer: str, contract: Contract) -> str:
    """The Delta table of a contract in a layer."""
    return f"raw_{contract.table}" if layer == "raw" else f"{layer}.{contract.name}"


def check(
    environment: Environment, contracts: list[Contract], layer: str, versions: Mapping[str, int], *, large: bool
) -> Iterator[Report]:
    """Look at one version of every table, in one process: the import of Great Expectations costs more than a table.

    Tables of few rows are looked at here, in pandas: 22 of a city in 3 s, for which the engine takes 15 s. It looks at
    the large ones.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import: it would send usage figures abroad
    _postpone("scipy.stats")  # of that import a third, 1.1 of 3.4 s, for expectations about distributions
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    from quality.suite import PANDAS_TYPES, SPARK_TYPES, suite_for  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    sources = context.data_sources
    types = SPARK_TYPES if large else PANDAS_TYPES
    with ExitStack() as stack:
        # First, else Great Expectations starts a Spark of its own.
        spark = stack.enter_context(connect(environment.engine)) if large else None
        source: Any = sources.add_spark("engine", persist=False) if large else sources.add_pandas("here")
        if spark:
            plan_for(spark, FEW_ROWS)
        for contract in contracts:
            columns = columns_of(contract, layer)
            # In raw, the same key comes again in another period; and raw has more columns of its own.
            beside = ("_period",) if contract.delivery and contract.delivery.mode == "period" else ()
            listed = ", ".join(f"`{name}`" for name in [*columns, *beside]) if layer == "raw" else "*"
            table, at = table_in(layer, contract), versions[contract.table]
            values = _values(environment.warehouse, contract, layer)
            suite = suite_for(contract, columns, values, types, beside)
            frame: Any
            if spark:
                frame = spark.sql(f"select {listed} from {table} version as of {at}")  # noqa: S608
            else:
                rows = table_at(environment.warehouse, table, at)
                frame = frame_of(ask(f"select {listed} from `rows`", rows=rows).read_all())  # noqa: S608
            batch = (
                source.add_dataframe_asset(contract.table)
                .add_batch_definition_whole_dataframe("all")
                .get_batch({"dataframe": frame})
            )
            outcomes, total = tuple(_validate(batch, suite, contract, types)), rows_at(environment.warehouse, table, at)
            passed = all(outcome.passed or outcome.level != CRITICAL for outcome in outcomes)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            yield Report(table, at, contract.sha256, now, total, passed, outcomes)


def _postpone(name: str) -> None:
    """Whoever imports this module of a package from now on loads it only when something of it is asked for."""
    spec = importlib.util.find_spec(name)
    if name not in sys.modules and spec and spec.loader:
        spec.loader = importlib.util.LazyLoader(spec.loader)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        package, _, own = name.rpartition(".")
        setattr(sys.modules[package], own, module)  # else the import would look into the module, which loads it
        spec.loader.exec_module(module)


def _validate(batch: Any, suite: Any, contract: Contract, types: Mapping[str, str]) -> Iterator[Outcome]:
    """All expectations in few queries; those that failed once more, one query each, for counts and samples."""
    quick = batch.validate(suite, result_format={"result_format": "BOOLEAN_ONLY"})
    results = {_about(result.expectation_config.meta): result for result in quick.results}  # in an order of its own
    for expectation in suite.expectations:
        meta = expectation.meta
        result = results[_about(meta)]
        personal = any(
            contract.columns[name].pii != "none" for name in meta["column"].split(", ") if name in contract.columns
        )
        detailed = result if result.success else batch.validate(expectation, result_format={"result_format": "BASIC"})
        passed = bool(result.success and detailed.success)
        if meta["rule"] == "type" and (observed := detailed.result.get("observed_value")):  # in the contracts' words
            detailed.result["observed_value"] = next((kind for kind in types if types[kind] == observed), observed)
        yield outcome_of(detailed.result, detailed.exception_info, meta, passed=passed, personal=personal)


def _about(meta: Mapping[str, str]) -> tuple[str, str]:
    """What tells one expectation of a suite from another."""
    return meta["rule"], meta["column"]


def _named(word: str, contracts: Mapping[str, Contract]) -> list[str]:
    """A table, or all of a department's."""
    return [name for name, contract in contracts.items() if contract.schema == word] or [word]


def _values(warehouse: str, contract: Contract, layer: str) -> dict[str, frozenset[str]]:
    """What columns may refer to: drafts to drafts, for they are promoted together; open tables to the city's.

    What departments deliver refers to each other only when it has become the city's.
    """
    values = reference_values(contract)
    if layer == "raw":
        return values
    for name in sorted({column.refers_to for column in contract.columns.values()} - {"", *values}):
        _, table, column = name.split(".")
        beside = table_at(warehouse, f"{'draft' if layer == 'draft' else CITY}.{table}")
        query = f"select distinct `{column}` from beside where `{column}` is not null"  # noqa: S608
        values[name] = frozenset(map(str, ask(query, beside=beside).read_all()[column].to_pylist()))
    return values


def _versions(warehouse: str, layer: str, contracts: list[Contract]) -> dict[str, int]:
    """Table → version. What is made of tables that nobody has delivered yet is told and left out.

    Of a department's own tables none may be missing, nor may all.
    """
    found = {contract.table: version(warehouse, table_in(layer, contract)) for contract in contracts}
    missing = [contract for contract in contracts if found[contract.table] is None]
    if missing and (layer == "raw" or len(missing) == len(contracts)):
        raise NothingToCheck(
            f"there is no {table_in(layer, missing[0])}",
            where=warehouse,
            expected=f"a table made from {missing[0].path.name}",
            found="none",
            remedy=f"run `{LAYERS[layer]}` first",
        )
    for contract in missing:
        print(f"not yet: there is no {table_in(layer, contract)}: `{LAYERS[layer]}` makes it")
    return {table: newest for table, newest in found.items() if newest is not None}


def _write(path: Path, report: Report) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(asdict(report), ensure_ascii=False, indent=1), encoding="utf-8")
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(run(main))
