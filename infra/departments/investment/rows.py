"""Rows of the simulated Sở Tài chính, and when they were entered or changed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Row = dict[str, object]
Numbers = NDArray[np.float64] | NDArray[np.int64]
Whole = NDArray[np.int64]

DATA = Path(__file__).parent
WARDS = Path(__file__).resolve().parents[3] / "dbt" / "seeds" / "wards.csv"
VIET_NAM = timezone(timedelta(hours=7))
# Three provinces became one on this day, and so did their databases: all that is older was entered at one moment.
MERGED = datetime(2025, 7, 1, tzinfo=VIET_NAM)
BASE = 1  # the first period
FIRST_YEAR, FIRST_MONTH = 2026, 7
ONE_IN = 500  # rows of which one is bad: 0.2 %
# When bad rows were entered. Later ones would come again with the next delivery, which overlaps the one before, and be
# too great a share of it.
BAD_FROM, BAD_UNTIL = datetime(2026, 1, 1, tzinfo=VIET_NAM), datetime(2026, 7, 20, tzinfo=VIET_NAM)
FEW = 100  # rows of which none is bad, for one would be above the contracts' 1 %


def month_of(period: int) -> date:
    """The first day of the month that a period ends with."""
    return date(FIRST_YEAR, FIRST_MONTH + period - 1, 1)


@dataclass
class Table:
    """One table of the schema `dautu`; a row's number counts from 1."""

    name: str
    rows: list[Row] = field(default_factory=list)

    def add(self, entered_at: datetime, **values: object) -> Row:
        """A new row, at its end."""
        row = {"id": len(self.rows) + 1, **values, "updated_at": entered_at}
        self.rows.append(row)
        return row

    def changed_after(self, when: datetime) -> Iterator[Row]:
        """Rows entered or changed later than that."""
        return (row for row in self.rows if moment(row) > when)


def moment(row: Row) -> datetime:
    """When a row was entered or last changed."""
    found = row["updated_at"]
    assert isinstance(found, datetime)  # noqa: S101  for the type: only `Table.add` and `change` set it
    return found


def change(row: Row, period: int, **values: object) -> None:
    """A row gets other values on the last days of the period's month; once a period at most."""
    when = datetime.combine(month_of(period).replace(day=28), time(9), VIET_NAM)
    when += timedelta(seconds=number(row, "id") * 61 % 28_000, microseconds=number(row, "id") % 1_000_000)
    if when > moment(row):  # it was entered or changed before, so that what is new can be told by it
        row.update(values, updated_at=when)


def number(row: Row, column: str) -> int:
    """A whole number of a row."""
    found = row[column]
    assert isinstance(found, int)  # noqa: S101  for the type
    return found


def day(row: Row, column: str) -> date:
    """A date of a row."""
    found = row[column]
    assert isinstance(found, date)  # noqa: S101  for the type
    return found


def entered(event: date, serial: int) -> datetime:
    """When what happened on that day was entered: the same evening, or when the databases became one."""
    same_evening = datetime.combine(event, time(17), VIET_NAM) + timedelta(seconds=serial * 37 % 25_000)
    return max(same_evening, MERGED)


def late(period: int, serial: int) -> datetime:
    """When what had happened months before was entered at last."""
    return datetime.combine(month_of(period).replace(day=20), time(8), VIET_NAM) + timedelta(seconds=serial % 28_000)


def end_of(period: int) -> datetime:
    """The first moment after a period; before the first one, long ago."""
    if period < BASE:
        return datetime(2000, 1, 1, tzinfo=VIET_NAM)
    return datetime.combine(month_of(period + 1), time(), VIET_NAM)


def days_of(rng: np.random.Generator, month: date, count: int) -> list[date]:
    """Days of a month up to the 27th, in order."""
    return [month + timedelta(days=int(offset)) for offset in np.sort(rng.integers(0, 27, count))]


def days_of_years(rng: np.random.Generator, counts: dict[int, int]) -> list[date]:
    """For each year so many days, all in order."""
    return [
        date(year, 1, 1) + timedelta(days=int(offset))
        for year, count in sorted(counts.items())
        for offset in np.sort(rng.integers(0, 365, count))
    ]


def spread(weights: Numbers, total: int) -> Whole:
    """Whole numbers in proportion to `weights` that add up to `total`: the largest remainders get what is left."""
    shares = np.asarray(weights, dtype=np.float64) * (total / np.sum(weights))
    found: Whole = np.floor(shares).astype(np.int64)
    left = total - int(found.sum())
    found[np.argsort(found - shares, kind="stable")[:left]] += 1
    return found


def scaled(at_city_size: float, share: float) -> int:
    """A number of the whole city at a smaller size, at least 1."""
    return max(1, round(at_city_size * share))


def bad_among(rows: int) -> int:
    """How many of so many rows are bad."""
    return -(-rows // ONE_IN) if rows >= FEW else 0


def pick(rng: np.random.Generator, rows: Iterable[Row], count: int) -> list[Row]:
    """Some of the rows, none of them twice, in their order."""
    listed = list(rows)
    return [listed[index] for index in np.sort(rng.permutation(len(listed))[:count])]


@lru_cache
def read_lines(name: str) -> tuple[dict[str, str], ...]:
    """The lines of a CSV file of this department."""
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


@lru_cache
def wards() -> dict[str, tuple[str, float]]:
    """The city's wards: code → name and population."""
    with WARDS.open(encoding="utf-8", newline="") as lines:
        return {line["code"]: (line["name"], float(line["population"])) for line in csv.DictReader(lines)}


def ward_codes(rng: np.random.Generator, count: int) -> list[str]:
    """Wards in proportion to their people."""
    weights = np.array([population for _, population in wards().values()])
    codes = list(wards())
    return [codes[index] for index in rng.choice(len(codes), count, p=weights / weights.sum())]
