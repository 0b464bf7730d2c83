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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import CITY, Contract, load_all
from quality.refusal import Refusal, run
from quality.rules import CRITICAL, reference_values
from spark_jobs.asking import ask
from spark_jobs.environment import Environment, chosen, read_environment
from spark_jobs.frames import frame_of
from spark_jobs.marks import fingerprint, one_at_a_time
from spark_jobs.outcomes import Outcome, Report, failures, outcome_of
from spark_jobs.session import FEW_ROWS, connect, is_large, plan_for, rows_at, table_at, version
from spark_jobs.touched import touched
from spark_jobs.verdicts import has_passed, passed_before, verdict_path

if TYPE_CHECKING:
    import pyarrow as pa

LAYERS = {"raw": "kho ingest", "draft": "kho build", "open": "kho protect"}  # and what makes them


class GateFailed(Refusal):
    """A table breaks a critical rule of its contract."""

    lasts = True


class NothingToCheck(Refusal):
    """A table that should be checked is not there."""


@dataclass(frozen=True)
class Subject:
    """A version of a table that is to be looked at. `total`: its rows. `listed`: the columns, as a query names them.

    `beside`: columns of the lake's own that tell rows apart together with the key.
    `values`: what columns may refer to; `referred`: their fingerprint.
    `changed`: of a large table, the rows that may be others than in version `since`, which passed; None: all.
    """

    contract: Contract
    layer: str
    version: int
    total: int
    listed: str
    beside: tuple[str, ...]
    values: Mapping[str, frozenset[str]]
    referred: str
    since: int | None
    changed: pa.Table | None

    @property
    def table(self) -> str:
        """The Delta table."""
        return table_in(self.layer, self.contract)

    @property
    def is_here(self) -> bool:
        """Whether so few rows are looked at that it is done in this process."""
        return self.changed is not None or not is_large(self.total)

    def rows(self, warehouse: str) -> pa.Table:
        """All rows of the version."""
        rows = table_at(warehouse, self.table, self.version)
        return ask(f"select {self.listed} from `rows`", rows=rows).read_all()  # noqa: S608


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
        subjects = [subject_of(environment, contract, layer, versions[contract.table]) for contract in due]
        for is_here in (True, False):
            together = [subject for subject in subjects if subject.is_here == is_here]
            for subject, report in zip(together, check(environment, together, is_here=is_here), strict=True):
                _write(paths[subject.contract.table], report)
                reports.append(report)
                told = "passed" if report.passed else "FAILED"
                others = "" if subject.changed is None else f" ({len(subject.changed):,} new since {report.since})"
                counts = f"{report.rows:,} rows{others}, {len(report.rules)} rules"
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


def subject_of(environment: Environment, contract: Contract, layer: str, at: int) -> Subject:
    """What is to be looked at of this version of a table: only what may be new, where that is known and little."""
    warehouse, table = environment.warehouse, table_in(layer, contract)
    # In raw, the same key comes again in another period; and tables have columns of the lake's own.
    beside = ("_period",) if layer == "raw" and contract.delivery and contract.delivery.mode == "period" else ()
    names = [*columns_of(contract, layer), *beside] if layer == "raw" else _own(warehouse, table, at)
    listed, total = ", ".join(f"`{name}`" for name in names), rows_at(warehouse, table, at)
    values = _values(warehouse, contract, layer)
    referred = fingerprint({name: sorted(found) for name, found in values.items()})
    since = passed_before(environment.lake, layer, contract, at, referred) if is_large(total) else None
    changed = touched(warehouse, table, contract.key, names, since, at) if since else None
    passed = since.version if since and changed is not None else None
    return Subject(contract, layer, at, total, listed, beside, values, referred, passed, changed)


def check(environment: Environment, subjects: list[Subject], *, is_here: bool) -> Iterator[Report]:
    """Look at every subject, in one process: the import of Great Expectations costs more than a table.

    Few rows are looked at here, in pandas: 22 tables of a city in 3 s, for which the engine takes 15 s. It looks at
    many.
    """
    if not subjects:
        return
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import: it would send usage figures abroad
    _postpone("scipy.stats")  # of that import a third, 1.1 of 3.4 s, for expectations about distributions
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    from quality.suite import PANDAS_TYPES, SPARK_TYPES, suite_for  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    sources = context.data_sources
    types = PANDAS_TYPES if is_here else SPARK_TYPES
    with ExitStack() as stack:
        # First, else Great Expectations starts a Spark of its own.
        spark = None if is_here else stack.enter_context(connect(environment.engine))
        source: Any = sources.add_spark("engine", persist=False) if spark else sources.add_pandas("here")
        if spark:
            plan_for(spark, FEW_ROWS)
        for subject in subjects:
            contract, columns = subject.contract, columns_of(subject.contract, subject.layer)
            elsewhere = 0 if subject.changed is None else subject.total - len(subject.changed)
            suite = suite_for(contract, columns, subject.values, types, subject.beside, elsewhere)
            frame: Any
            if spark:
                frame = spark.sql(f"select {subject.listed} from {subject.table} version as of {subject.version}")  # noqa: S608
            else:
                frame = frame_of(subject.rows(environment.warehouse) if subject.changed is None else subject.changed)
            batch = (
                source.add_dataframe_asset(contract.table)
                .add_batch_definition_whole_dataframe("all")
                .get_batch({"dataframe": frame})
            )
            outcomes = tuple(_validate(batch, suite, contract, types))
            passed = all(outcome.passed or outcome.level != CRITICAL for outcome in outcomes)
            yield Report(
                subject.table,
                subject.version,
                contract.sha256,
                datetime.now(UTC).isoformat(timespec="seconds"),
                subject.total,
                passed,
                outcomes,
                subject.since,
                subject.referred,
            )


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


def _own(warehouse: str, table: str, at: int) -> list[str]:
    """The columns of a version but the lake's own."""
    return [field.name for field in table_at(warehouse, table, at).schema().fields if not field.name.startswith("_")]


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
