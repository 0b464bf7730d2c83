"""What came in: of every department's table, rows read, accepted and rejected, from the Delta logs: `./kho intake`.

Each line is the newest delivery in raw of a table's newest period; of a delivery of which only some files had changed,
the rows of those. Every row read was accepted or rejected: `ingest` refuses to go on where that does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from quality.contract import load_all
from quality.refusal import run
from spark_jobs import raw
from spark_jobs.environment import chosen, setting

HEADINGS = ("table", "periods", "newest", "read", "accepted", "rejected")


@dataclass(frozen=True)
class Intake:
    """One table. `read` and `rejected`: the sums of its periods' newest deliveries."""

    table: str
    periods: int
    newest: str
    read: int
    rejected: int

    @property
    def accepted(self) -> int:
        """Rows that are in raw, or were until another delivery replaced them."""
        return self.read - self.rejected


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="kho intake", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="department.table", help="all tables with a delivery if none")
    contracts = {name: contract for name, contract in load_all().items() if contract.delivery}
    tables = chosen(parser.parse_args().tables, contracts, "contracts with a delivery")
    print(listed(intake_of(setting("KHO_WAREHOUSE"), table) for table in tables))


def intake_of(warehouse: str, table: str) -> Intake:
    """From the log of a raw table."""
    commits = raw.contained(warehouse, f"raw_{table}")
    read = sum(commit.read for commit in commits.values())
    rejected = sum(commit.rejected for commit in commits.values())
    return Intake(table, len(commits), max(commits, default="-"), read, rejected)


def listed(intakes: Iterable[Intake]) -> str:
    """For people: a heading, a line a table, and the sums."""
    rows = sorted(intakes, key=lambda intake: intake.table)
    total = Intake(
        "together", sum(r.periods for r in rows), "", sum(r.read for r in rows), sum(r.rejected for r in rows)
    )
    lines = [
        (r.table, f"{r.periods:,}", r.newest, f"{r.read:,}", f"{r.accepted:,}", f"{r.rejected:,}")
        for r in [*rows, total]
    ]
    widths = [max(len(line[number]) for line in [HEADINGS, *lines]) for number in range(len(HEADINGS))]
    left = {0, 2}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [HEADINGS, *lines]
    )


if __name__ == "__main__":
    sys.exit(run(main))
