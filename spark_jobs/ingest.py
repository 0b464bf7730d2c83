"""Extracts → raw, typed as the contract says, every row with its extract and line: `./kho ingest [department.table …]`.

Rows that break a rule go to `raw_<department>.<table>__rejected`. When their share is above the contract's tolerance
the delivery is refused and raw keeps what it had. What is in raw stands in its Delta log: every commit names its
period, its extract and the rules it was read by, so a period is either wholly in or not at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality.contract import Contract, load_all
from quality.refusal import Refusal, run
from quality.rules import Rule, reference_values, row_rules
from spark_jobs import raw
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.extracts import Extract, extracts_of
from spark_jobs.layouts import ExtractMismatch, Reading, Row, layout_named
from spark_jobs.marks import fingerprint, one_at_a_time
from spark_jobs.session import connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOWN = 5  # rejected rows, or lost provinces of a sheet, in a message


@dataclass(frozen=True)
class Options:
    """`period`: only this one; `again`: also what is in already; `allow_loss`: a correction may have less."""

    period: str | None = None
    again: bool = False
    allow_loss: bool = False


class DeliveryRefused(ExtractMismatch):
    """More rows break the rules than the contract tolerates."""


def main() -> None:
    """Read the environment and the command line, then ingest table by table."""
    parser = argparse.ArgumentParser(prog="kho ingest", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="department.table", help="all tables with a delivery if none")
    parser.add_argument("--period", help="only this one, such as 2017")
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
    rules = row_rules(contract, reference_values(contract))
    reading = fingerprint(rules, list(contract.columns), [c.type for c in contract.columns.values()], contract.key)
    with one_at_a_time(environment.lake, "ingest", contract.table):
        extracts = extracts_of(environment.lake, contract.table)
        if options.period and options.period not in extracts:
            raise Refusal(
                f"there is no extract of {contract.table} for {options.period}",
                where=str(environment.lake / "extracts"),
                expected=f"one of {', '.join(sorted(extracts)) or 'none yet'}",
                found=options.period,
                remedy=f"`./kho fetch {contract.table}` brings it, if the department has it",
            )
        contained = raw.contained(environment.warehouse, raw.table_of(contract))
        wanted = [options.period] if options.period else sorted(extracts)
        due = [
            period
            for period in wanted
            if options.again or contained.get(period) != raw.Commit(period, extracts[period][-1].sha256, reading)
        ]
        if not due:
            print(f"ingest {contract.table}: nothing new in {len(wanted)} periods")
            return
        with connect(environment.engine, environment.warehouse) as spark:
            raw.make_tables(spark, environment.warehouse, contract)
            job = _Job(contract, environment, rules, reading, options)
            for_each(due, lambda period: job.ingest(spark, extracts[period], contained.get(period)))


@dataclass(frozen=True)
class _Job:
    contract: Contract
    environment: Environment
    rules: tuple[Rule, ...]
    reading: str
    options: Options

    def ingest(self, spark: SparkSession, extracts: list[Extract], contained: raw.Commit | None) -> None:
        """One period: read the file, set apart what breaks a rule, and replace the period in raw."""
        extract = extracts[-1]
        found = self._read(extract)
        if not self.options.allow_loss:
            before = next((old for old in extracts[:-1] if contained and old.sha256 == contained.extract), None)
            if before:
                refuse_loss(found, self._read(before), str(extract.path(self.environment.lake)))
        commit = raw.Commit(extract.period, extract.sha256, self.reading)
        broken = raw.stage(spark, self.contract, found, commit, self.rules)
        raw.keep_rejected(spark, self.environment.warehouse, self.contract, commit, found, broken)
        counts = f"read {len(found.rows):,}, accepted {len(found.rows) - len(broken):,}, rejected {len(broken):,}"
        skipped = "".join(f", skipped {count:,} {kind}" for kind, count in found.skipped.items())
        columns = sorted({rule.column for rules in broken.values() for rule in rules})
        named = f" ({', '.join(columns)})" if columns else ""
        print(f"ingest {self.contract.table} {extract.period}: {counts}{named}{skipped}")
        self._refuse_too_many(extract, found.rows, broken)
        raw.replace_period(spark, self.contract, commit)

    def _read(self, extract: Extract) -> Reading:
        delivery = self.contract.delivery
        if delivery is None:
            raise Refusal(f"{self.contract.table} has no delivery", where=str(self.contract.path))
        path = extract.path(self.environment.lake)
        found = layout_named(delivery.layout)(path, extract.period, delivery.sheets)
        if len(found.rows) < self.contract.at_least:
            raise ExtractMismatch(
                "the delivery has too few rows",
                where=str(path),
                expected=f"at least {self.contract.at_least:,} (at_least of {self.contract.path.name})",
                found=f"{len(found.rows):,}",
                remedy="ask the department for the complete file; the last good version stays",
            )
        return found

    def _refuse_too_many(self, extract: Extract, rows: list[Row], broken: raw.Broken) -> None:
        tolerated = self.contract.delivery.rejected_at_most_pct if self.contract.delivery else 0
        if not broken or 100 * len(broken) <= tolerated * len(rows):
            return
        every = [(rows[index], rule) for index, rules in sorted(broken.items()) for rule in rules]
        samples = "\n".join(f"    {line}" for line in _lines(self.contract, _telling(every)))
        remedies = sorted({rule.remedy for rules in broken.values() for rule in rules if rule.remedy})
        raise DeliveryRefused(
            f"{self.contract.table} {extract.period} is refused: {len(broken):,} of {len(rows):,} rows break a rule",
            where=str(extract.path(self.environment.lake)),
            expected=f"at most {tolerated:g} % (rejected_at_most_pct of {self.contract.path.name})",
            found=f"{100 * len(broken) / len(rows):.2f} %, for example:\n{samples}",
            remedy="; ".join(
                [
                    "ask the department for a corrected file",
                    *remedies,
                    f"all of them stand in {raw.rejected_of(self.contract)}; raw keeps what it had",
                ]
            ),
        )


def refuse_loss(found: Reading, before: Reading, where: str) -> None:
    """A correction reports on everything that the version before it reported on, or a person says that it need not."""
    lost_sheets = sorted(before.units.keys() - found.units.keys())
    lost_units = [
        f"{_some(sorted(lost))} (sheet {sheet})"
        for sheet, units in sorted(found.units.items())
        if (lost := before.units.get(sheet, frozenset()) - units)
    ]
    if lost_sheets or lost_units:
        raise ExtractMismatch(
            "the correction has less than the version before it",
            where=where,
            expected="every sheet and province of the version before",
            found="; ".join(
                [f"no sheet {', '.join(lost_sheets)}"] * bool(lost_sheets) + [f"no {u}" for u in lost_units]
            ),
            remedy="ask the department for the complete file; if the loss is meant, run `./kho ingest --allow-loss`; "
            "the last good version stays",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _telling(broken: Sequence[tuple[Row, Rule]]) -> list[tuple[Row, Rule]]:
    """A few that tell the most: the first to break each rule, then others, in the order of the file."""
    firsts = {(rule.column, rule.name): number for number, (_, rule) in reversed(list(enumerate(broken)))}
    ranked = sorted(range(len(broken)), key=lambda number: (number not in firsts.values(), number))
    return [broken[number] for number in sorted(ranked[:SHOWN])]


def _lines(contract: Contract, broken: Iterable[tuple[Row, Rule]]) -> list[str]:
    """Where, what and what instead, for each broken rule; personal values are not shown."""
    lines = []
    for row, rule in broken:
        cell = row.columns.get(rule.column)
        value = raw.shown(contract, rule.column, row.values.get(rule.column))
        where = f"sheet {row.sheet}, line {row.line}" + (f", column {cell}" if cell else "")
        lines.append(f"{where}: {rule.column} is {value}, expected {rule.expected}")
    return lines


if __name__ == "__main__":
    sys.exit(run(main))
