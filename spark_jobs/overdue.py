"""Which deliveries are overdue: `./kho overdue [health …]`. One line a table; fails when a delivery is overdue.

A table's next delivery is expected when `every` has gone by since the last one, and overdue `due_days` later. When the
last one was is told by its period's first day, so that a correction of the past does not pass for a new delivery; where
periods are no dates, by the moment it was fetched. Without `due_days` nothing is ever overdue.
"""

from __future__ import annotations

import argparse
import re
import sys
from calendar import monthrange
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from quality.contract import Contract, Delivery, load_all
from quality.refusal import Refusal, run
from spark_jobs.environment import setting
from spark_jobs.extracts import Extract, extracts_of
from spark_jobs.places import place

CITY = ZoneInfo("Asia/Ho_Chi_Minh")
SCHOOL_YEAR_BEGINS = 8  # August: pupils are counted in the school year that opens on 5 September
DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


class DeliveriesOverdue(Refusal):
    """Departments have not delivered in time."""


@dataclass(frozen=True)
class Overdue:
    """A delivery that has not come. `last`: the newest period or day; `expected_by`: None where there never was one."""

    table: str
    owner: str
    last: str
    expected_by: date | None

    def __str__(self) -> str:
        """For people."""
        if self.expected_by is None:
            return f"{self.table}: never delivered; {self.owner} is to deliver it"
        return f"{self.table}: last {self.last}, the next was expected by {self.expected_by} from {self.owner}"


def main() -> None:
    """Read the contracts and what was fetched."""
    parser = argparse.ArgumentParser(prog="kho overdue", description=__doc__)
    parser.add_argument("departments", nargs="*", metavar="department", help="all that deliver if none")
    contracts = [contract for contract in load_all().values() if contract.delivery]
    departments = _chosen(parser.parse_args().departments, {contract.schema for contract in contracts})
    lake, today = place(setting("KHO_LAKE")), datetime.now(CITY).date()
    found = []
    for contract in sorted(contracts, key=lambda contract: contract.table):
        if contract.schema in departments:
            late = overdue(contract, extracts_of(lake, contract.table), today)
            print(f"overdue {late}" if late else f"overdue {contract.table}: no")
            found += [late] if late else []
    if found:
        count = f"{len(found)} deliveries are" if len(found) > 1 else "a delivery is"
        raise DeliveriesOverdue(
            "\n".join([f"{count} overdue", *(f"  {late}" for late in found)]),
            remedy="ask the department; when it has delivered, the next run takes it",
        )


def _chosen(named: Sequence[str], known: Collection[str]) -> Collection[str]:
    if unknown := sorted(set(named) - set(known)):
        raise Refusal(f"there is no department {unknown[0]}", expected=", ".join(sorted(known)), found=unknown[0])
    return set(named) or known


def overdue(contract: Contract, extracts: Mapping[str, Sequence[Extract]], today: date) -> Overdue | None:
    """What is overdue of a table today, from its extracts by period."""
    delivery = contract.delivery
    if delivery is None or delivery.due_days is None or delivery.every == "never":
        return None
    if not any(extracts.values()):
        return Overdue(contract.table, contract.owner, "", None)
    begun = {begins: period for period in extracts if (begins := first_day(period))}
    if delivery.mode == "period" and begun:
        day = max(begun)
        last = begun[day]
    else:
        day = max(_fetched_on(extract) for versions in extracts.values() for extract in versions)
        last = day.isoformat()
    expected_by = _next(day, delivery) + timedelta(days=delivery.due_days)
    return Overdue(contract.table, contract.owner, last, expected_by) if today > expected_by else None


def first_day(period: str) -> date | None:
    """Of a period: 2026, 2026-10, 2026-W40 or the school year 2025-2026; None if it is none of these."""
    match = re.fullmatch(r"([0-9]{4})(?:-(?:W([0-9]{2})|([0-9]{2})|([0-9]{4})))?", period)
    if not match:
        return None
    year, week, month, next_year = match.groups()
    try:
        if week:
            return date.fromisocalendar(int(year), int(week), 1)
        if next_year:
            return date(int(year), SCHOOL_YEAR_BEGINS, 1) if int(next_year) == int(year) + 1 else None
        return date(int(year), int(month or 1), 1)
    except ValueError:  # a week 54, a month 13
        return None


def _fetched_on(extract: Extract) -> date:
    return datetime.fromisoformat(extract.fetched_at).astimezone(CITY).date()


def _next(day: date, delivery: Delivery) -> date:
    """When the one after it is to come; for what comes irregularly, the day itself."""
    months = day.year * 12 + day.month - 1 + MONTHS.get(delivery.every, 0)
    year, month = divmod(months, 12)
    same_day = min(day.day, monthrange(year, month + 1)[1])  # a month after 31 January: its last day
    return date(year, month + 1, same_day) + timedelta(days=DAYS.get(delivery.every, 0))


if __name__ == "__main__":
    sys.exit(run(main))
