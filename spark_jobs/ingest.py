"""Extracts → raw, typed as the contract says, every row with its extract and line: `./kho ingest [department.table …]`.

Rows that break a rule go to `raw_<department>.<table>__rejected`. When their share is above the contract's tolerance
the delivery is refused and raw keeps what it had. What is in raw stands in its Delta log: every commit names its
period, its extract and the rules it was read by, so a delivery is either wholly in or not at all. Of a delivery of many
files only those that changed since the one in raw are read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from quality.contract import Contract, load_all
from quality.refusal import Refusal, run
from quality.rules import Rule, reference_values, row_rules
from spark_jobs import judging, raw
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.extracts import ALL, Extract, extracts_of, is_alike, refuse_unknown_period
from spark_jobs.layouts import delivery_of
from spark_jobs.marks import fingerprint, one_at_a_time
from spark_jobs.places import remove_folder
from spark_jobs.reading import Readers, Reading, Task
from spark_jobs.session import connect, plan_for, rows_at, table_at, version
from spark_jobs.tolerance import refuse_lost_files, refuse_lost_units, refuse_too_few, refuse_too_many

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Options:
    """`period`: only this one; `again`: also what is in already; `allow_loss`: a correction may have less."""

    period: str | None = None
    again: bool = False
    allow_loss: bool = False


class RowsLost(Refusal):
    """Rows read are not rows accepted and rejected: a fault of ours, never of a delivery."""


def main() -> None:
    """Read the environment and the command line, then ingest table by table."""
    parser = argparse.ArgumentParser(prog="kho ingest", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="department.table", help="all tables with a delivery if none")
    parser.add_argument("--period", help="only this one, such as 2017, of tables that have such periods")
    parser.add_argument("--again", action="store_true", help="also what is in raw already, say after a layout changed")
    parser.add_argument(
        "--allow-loss", action="store_true", help="accept a correction without sheets or provinces it had before"
    )
    arguments = parser.parse_args()
    contracts = {name: contract for name, contract in load_all().items() if contract.delivery}
    environment = read_environment()
    options = Options(arguments.period, arguments.again, arguments.allow_loss)
    for_each(
        chosen(arguments.tables, contracts, "contracts with a delivery"),
        lambda table: ingest(contracts[table], environment, options),
    )


def ingest(contract: Contract, environment: Environment, options: Options) -> None:
    """Bring the newest extract of every period into raw, unless it is in. A refused period does not stop the others."""
    delivery = delivery_of(contract)
    rules = row_rules(contract, reference_values(contract))
    columns = [(c.name, c.type, c.headings) for c in contract.columns.values()]
    reading = fingerprint(rules, columns, contract.key, delivery.layout, delivery.numbers, delivery.dates)
    with one_at_a_time(environment.lake, "ingest", contract.table):
        extracts = extracts_of(environment.lake, contract.table)
        wanted = sorted(extracts)
        if options.period and delivery.mode == "period" and (not extracts or is_alike(options.period, extracts)):
            refuse_unknown_period(environment.lake, contract.table, options.period, extracts)
            wanted = [options.period]
        contained = raw.contained(environment.warehouse, raw.table_of(contract))
        due = [
            period
            for period in wanted
            if options.again or contained.get(period) != raw.Commit(period, extracts[period][-1].sha256, reading)
        ]
        if not due:
            print(f"ingest {contract.table}: nothing new in {len(wanted)} periods")
            return
        with Readers() as readers, connect(environment.engine) as spark:
            raw.make_tables(spark, environment.warehouse, contract)
            job = _Job(contract, environment, readers, rules, reading, options)
            for_each(due, lambda period: job.ingest(spark, extracts[period], contained.get(period)))


@dataclass(frozen=True)
class _Job:
    contract: Contract
    environment: Environment
    readers: Readers
    rules: tuple[Rule, ...]
    reading: str
    options: Options

    def ingest(self, spark: SparkSession, extracts: list[Extract], contained: raw.Commit | None) -> None:
        """One period: read what changed, set apart what breaks a rule, and put the rest into raw."""
        extract = extracts[-1]
        base = self._base(extracts, contained)
        if base and not self.options.allow_loss:
            refuse_lost_files([f.name for f in extract.files], [f.name for f in base.files], self._where(extract))
        is_same_reading = contained is not None and contained.reading == self.reading
        partly = base if is_same_reading and not self.options.again else None
        scope = self._scope(extract, partly)
        with self._rows() as folder:
            found = self._read(extract, scope, folder)
            staying = self._staying(spark, scope)
            rows = found.rows + staying
            plan_for(spark, rows)
            refuse_too_few(self.contract, rows, self._where(extract))
            if base and base.sha256 != extract.sha256 and not self.options.allow_loss and found.units:
                before = self._read(base, scope, folder / "before")
                refuse_lost_units(found.units, before.units, self._where(extract))
            commit = raw.Commit(extract.period, extract.sha256, self.reading, read=found.rows)
            commit = self._judge(spark, commit, scope, folder)
            broken = self._broken(commit)
            self._tell(found, commit, broken)
            refuse_too_many(self.contract, commit, broken, self._where(extract))
            accepted = self._put(spark, commit, scope, is_first=contained is None and not staying)
        if accepted + commit.rejected != commit.read:
            raise RowsLost(
                f"rows of {self.contract.table} {extract.period} were lost or doubled",
                expected=f"{commit.read:,} read = accepted + rejected",
                found=f"{accepted:,} + {commit.rejected:,}",
                remedy="run the same command with --again; if it stays so, report it with the extract's sha256",
            )

    def _base(self, extracts: list[Extract], contained: raw.Commit | None) -> Extract | None:
        """The earlier delivery that is in raw."""
        if contained is None or delivery_of(self.contract).mode == "changes":
            return None
        return next((old for old in reversed(extracts) if old.sha256 == contained.extract), None)

    @staticmethod
    def _scope(extract: Extract, base: Extract | None) -> raw.Scope:
        """All of the period; or, of a delivery of many files, those that are other or gone."""
        before = {file.name: file.sha256 for file in base.files} if base else {}
        now = {file.name: file.sha256 for file in extract.files}
        same = {name for name, sha256 in now.items() if before.get(name) == sha256}
        changed = frozenset((before.keys() | now.keys()) - same)
        return raw.Scope(extract.period, changed if same and changed else None)

    @contextmanager
    def _rows(self) -> Iterator[Path]:
        """The folder for the rows that readers write; we hold the table's lock, so what is in it is a dead run's."""
        folder = self.environment.lake / "reading" / self.contract.table
        remove_folder(folder)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            remove_folder(folder)

    def _read(self, extract: Extract, scope: raw.Scope, folder: Path) -> Reading:
        folder.mkdir(exist_ok=True)
        files = [file for file in extract.files if scope.files is None or file.name in scope.files]
        tasks = [
            Task(file.name, extract.path(self.environment.lake, file), folder / f"{number:06d}.parquet")
            for number, file in enumerate(files)
        ]
        return self.readers.read(self.contract, extract.period, tasks)

    def _staying(self, spark: SparkSession, scope: raw.Scope) -> int:
        """How many rows of raw stay beside what a delivery brings."""
        table = raw.table_of(self.contract)
        if delivery_of(self.contract).mode == "changes":
            return rows_at(self.environment.warehouse, table, version(self.environment.warehouse, table) or 0)
        if scope.files is None:
            return 0
        return int(spark.sql(f"select count(*) from {table} where {scope.others}").collect()[0][0])  # noqa: S608

    def _judge(self, spark: SparkSession, commit: raw.Commit, scope: raw.Scope, folder: Path) -> raw.Commit:
        """Make the view of judged rows and keep the rejected ones; the commit with their number."""
        if commit.read:
            rejected = judging.judge(spark, self.contract, folder, commit, self.rules, scope)
        else:
            rejected = judging.judge_nothing(spark, self.contract)
        commit = replace(commit, rejected=rejected)
        raw.keep_rejected(spark, self.environment.warehouse, self.contract, commit, scope)
        return commit

    def _put(self, spark: SparkSession, commit: raw.Commit, scope: raw.Scope, *, is_first: bool) -> int:
        if delivery_of(self.contract).mode == "changes" and not is_first:
            return raw.merge(spark, self.contract, commit)
        return raw.replace(spark, self.environment.warehouse, self.contract, commit, scope, is_first=is_first)

    def _broken(self, commit: raw.Commit) -> judging.Broken:
        if not commit.rejected:
            return judging.Broken()
        rejected = table_at(self.environment.warehouse, raw.rejected_of(self.contract))
        return judging.broken_in(rejected, commit.extract)

    def _tell(self, found: Reading, commit: raw.Commit, broken: judging.Broken) -> None:
        """One line of counts, and one for every warning."""
        period = "" if commit.period == ALL else f" {commit.period}"
        columns = sorted({column for column, _ in broken.counts})
        named = f" ({', '.join(columns)})" if columns else ""
        skipped = "".join(f", skipped {count:,} {kind}" for kind, count in found.skipped.items())
        counts = f"read {commit.read:,}, accepted {commit.read - commit.rejected:,}, rejected {commit.rejected:,}"
        print(f"ingest {self.contract.table}{period}: {counts}{named}{skipped}")
        for warning in found.warnings:
            print(f"ingest {self.contract.table}{period}: warning: {warning}", file=sys.stderr)

    def _where(self, extract: Extract) -> str:
        lake = self.environment.lake
        return str(extract.path(lake, extract.files[0]) if len(extract.files) == 1 else extract.folder(lake))


if __name__ == "__main__":
    sys.exit(run(main))
