"""Extracts → raw, typed as the contract says, every row with its extract and line: `./kho ingest [department.table …]`.

Rows that break a rule go to `raw_<department>.<table>__rejected`. When their share is above the contract's tolerance
the delivery is refused and raw keeps what it had. What is in raw stands in its Delta log: every commit names its
period, its extract and the rules it was read by, so a delivery is either wholly in or not at all. Of a delivery of many
files only those that changed since the one in raw are read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quality.contract import Contract, load_all
from quality.refusal import Refusal, run
from quality.rules import Rule, reference_values, row_rules
from spark_jobs import judging, raw
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.extracts import ALL, Extract, changed_files, extracts_of, is_alike, refuse_unknown_period
from spark_jobs.layouts import delivery_of
from spark_jobs.marks import fingerprint, one_at_a_time
from spark_jobs.places import remove_folder
from spark_jobs.reading import Readers, Reading, Task
from spark_jobs.tolerance import refuse_lost_files, refuse_lost_units, refuse_too_few, refuse_too_many
from spark_jobs.twins import set_apart


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
        with Readers() as readers:
            tables = raw.Tables.made(environment.warehouse, contract)
            job = _Job(contract, environment.lake, tables, readers, rules, reading, options)
            for_each(due, lambda period: job.ingest(extracts[period], contained.get(period)))


@dataclass(frozen=True)
class _Job:
    contract: Contract
    lake: Path
    tables: raw.Tables
    readers: Readers
    rules: tuple[Rule, ...]
    reading: str
    options: Options

    def ingest(self, extracts: list[Extract], contained: raw.Commit | None) -> None:
        """One period: read what changed, set apart what breaks a rule, and put the rest into raw."""
        extract = extracts[-1]
        base = self._base(extracts, contained)
        if base and not self.options.allow_loss:
            refuse_lost_files([f.name for f in extract.files], [f.name for f in base.files], self._where(extract))
        is_same_reading = contained is not None and contained.reading == self.reading
        partly = base if is_same_reading and not self.options.again else None
        scope = raw.Scope(extract.period, changed_files(extract, partly))
        with self._rows() as folder:
            tasks = self._tasks(extract, scope, folder)
            judge = judging.Judge(self.contract, extract.period, extract.sha256, self.rules)
            found = self.readers.read(judge, tasks)
            others = self._staying(scope)
            refuse_too_few(self.contract, found.rows + others, self._where(extract))
            if base and base.sha256 != extract.sha256 and not self.options.allow_loss and found.units:
                no_judge = judging.Judge(self.contract, base.period, base.sha256)  # only what it reports on matters
                before = self.readers.read(no_judge, self._tasks(base, scope, folder / "before"))
                refuse_lost_units(found.units, before.units, self._where(extract))
            staying = self.tables.keys(scope) if scope.files is not None else None
            set_apart(self.contract, tasks, staying)
            files = [task.rejected for task in tasks if task.rejected.exists()]
            commit = raw.Commit(extract.period, extract.sha256, self.reading, found.rows, _rows_in(files))
            self.tables.keep_rejected(commit, scope, files)
            broken = self._broken(commit)
            self._tell(found, commit, broken)
            refuse_too_many(self.contract, commit, broken, self._where(extract))
            files = [task.accepted for task in tasks if task.accepted.exists()]
            accepted = self._put(commit, scope, files, is_first=contained is None and not others)
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

    @contextmanager
    def _rows(self) -> Iterator[Path]:
        """The folder for the rows that readers write; we hold the table's lock, so what is in it is a dead run's."""
        folder = self.lake / "reading" / self.contract.table
        remove_folder(folder)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            remove_folder(folder)

    def _tasks(self, extract: Extract, scope: raw.Scope, folder: Path) -> list[Task]:
        """A file each to read."""
        folder.mkdir(exist_ok=True)
        files = [file for file in extract.files if scope.files is None or file.name in scope.files]
        return [
            Task(file.name, extract.path(self.lake, file), folder / f"{number:06d}")
            for number, file in enumerate(files)
        ]

    def _staying(self, scope: raw.Scope) -> int:
        """How many rows of raw stay beside what a delivery brings."""
        if delivery_of(self.contract).mode == "changes":
            return self.tables.count()
        return self.tables.count(scope.others) if scope.files is not None else 0

    def _put(self, commit: raw.Commit, scope: raw.Scope, files: Sequence[Path], *, is_first: bool) -> int:
        if delivery_of(self.contract).mode == "changes" and not is_first:
            return self.tables.merge(commit, files)
        return self.tables.replace(commit, scope, files, is_first=is_first)

    def _broken(self, commit: raw.Commit) -> judging.Broken:
        return judging.broken_in(self.tables.rejected, commit.extract) if commit.rejected else judging.Broken()

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
        files = extract.files
        return str(extract.path(self.lake, files[0]) if len(files) == 1 else extract.folder(self.lake))


def _rows_in(files: Iterable[Path]) -> int:
    """How many rows Parquet files have."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    return sum(pq.read_metadata(path).num_rows for path in files)


if __name__ == "__main__":
    sys.exit(run(main))
