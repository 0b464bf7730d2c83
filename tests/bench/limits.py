"""What is judged of the intake's figures, and by what: pure, so that a run can be judged anew from its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.measured import Measure

LARGEST_PROCESS = 1_500_000_000  # bytes
EXPONENT, GROWS = 1.1, 20
CSV_RATIO, CSV_ROWS = 1.3, 1_000_000
CHANGED_RATIO, CHANGED_ROWS = 0.3, 1_000_000
GATE_SHARE, GATE_SIZE = 0.25, "city"


@dataclass(frozen=True)
class Limit:
    """`found` may be at most `limit`, or must be `at_least` that.

    `not_judged`: why it is only told; empty when it is judged.
    """

    what: str
    found: float
    limit: float
    not_judged: str = ""
    at_least: bool = False

    @property
    def is_kept(self) -> bool:
        """NaN, which stands for what could not be measured, keeps no limit."""
        kept = self.found >= self.limit if self.at_least else self.found <= self.limit
        return bool(self.not_judged) or kept


@dataclass
class Taken:
    """One table's first delivery: both steps, and both again with nothing new."""

    rows: int
    fetch: Measure
    ingest: Measure
    idle_fetch: Measure
    idle_ingest: Measure


@dataclass
class Change:
    """One table's month: what changed, and the whole of it. `rows` is the whole."""

    rows: int
    fetch: Measure
    ingest: Measure
    whole_fetch: Measure
    whole_ingest: Measure
    again: Measure


def step_limits(steps: Sequence[Measure]) -> list[Limit]:
    """No error, and no process too large."""
    largest = max(steps, key=lambda step: step.largest)
    return [
        Limit("steps that ended with an error", sum(step.code != 0 for step in steps), 0),
        Limit(f"MB of the largest process ({_short(largest)})", largest.largest / 1e6, LARGEST_PROCESS / 1e6),
    ]


def growth_limits(sizes: Sequence[Mapping[str, Taken]]) -> list[Limit]:
    """How time grows from the smallest size to the largest, of every step of every table that grows much."""
    small, large = sizes[0], sizes[-1]
    shortest = min(taken.ingest.seconds for taken in small.values())
    found = []
    for table in sorted(small):
        few, many = small[table], large[table]
        if not few.rows or many.rows / few.rows < GROWS:
            continue
        for verb, start_up in (("fetch", few.idle_fetch.seconds), ("ingest", shortest)):
            seconds = [getattr(taken, verb).seconds for taken in (few, many)]
            as_measured, deducted = (
                _exponent([s - less for s in seconds], many.rows / few.rows) for less in (0.0, start_up)
            )
            what = f"{verb} {table}: exponent of growth {many.rows / few.rows:.0f}-fold"
            is_mostly_start_up = seconds[0] < 2 * start_up
            reasons = ("", "too little is left of the smallest size") if is_mostly_start_up else ("see the next", "")
            found.append(Limit(f"{what}, as measured", as_measured, EXPONENT, reasons[0]))
            found.append(Limit(f"{what}, start-up of {start_up:.1f} s deducted", deducted, EXPONENT, reasons[1]))
    return found or [Limit("exponent of growth", math.nan, EXPONENT, f"no table grew {GROWS}-fold")]


def csv_limit(found: Mapping[str, Any]) -> Limit:
    """Of the medians."""
    what = "CSV to Delta : Spark's CSV to Parquet, medians"
    if "delta_seconds" not in found:
        return Limit(what, math.nan, CSV_RATIO)
    ratio = median(found["delta_seconds"]) / median(found["parquet_seconds"])
    return Limit(what, ratio, CSV_RATIO, "" if found["rows"] >= CSV_ROWS else f"only {found['rows']:,} rows")


def shrink_limit(table: str, change: Change, size: str = "") -> Limit:
    """What little changed costs, as a share of the whole."""
    whole = change.whole_fetch.seconds + min(change.whole_ingest.seconds, change.again.seconds)
    ratio = (change.fetch.seconds + change.ingest.seconds) / whole
    reason = "" if change.rows >= CHANGED_ROWS else f"only {change.rows:,} rows, mostly start-up"
    return Limit(f"{table}, size {size}: a month's changes : the whole", ratio, CHANGED_RATIO, reason)


def share_limit(size: str, check: Measure | None, taken: Mapping[str, Taken]) -> Limit:
    """What the gate takes of its stage."""
    what = f"size {size}: check raw : fetch, ingest and check raw"
    if check is None:
        return Limit(what, math.nan, GATE_SHARE, "there is no layer raw yet")
    others = sum(each.fetch.seconds + each.ingest.seconds for each in taken.values())
    reason = "" if size == GATE_SIZE else f"judged at size {GATE_SIZE}"
    return Limit(what, check.seconds / (others + check.seconds), GATE_SHARE, reason)


def judge(limits: Sequence[Limit]) -> bool:
    """Print the table; whether every limit is kept."""
    width = max(len(limit.what) for limit in limits)
    print(f"\n{'':<{width}}{'measured':>12}{'allowed':>14}", flush=True)
    for limit in limits:
        passed = "NOT MEASURED" if math.isnan(limit.found) else "PASSED THE LIMIT"
        told = f"({limit.not_judged})" if limit.not_judged else "" if limit.is_kept else passed
        sign = "≥" if limit.at_least else "≤"
        print(
            f"{limit.what:<{width}}{limit.found:>12,.2f}{f'{sign} {limit.limit:,.2f}':>14}  {told}".rstrip(), flush=True
        )
    return all(limit.is_kept for limit in limits)


def _exponent(seconds: Sequence[float], growth: float) -> float:
    """NaN where start-up was all there was at the smallest size."""
    return math.log(seconds[1] / seconds[0]) / math.log(growth) if min(seconds) > 0 else math.nan


def _short(step: Measure) -> str:
    return " ".join(step.command.split()[-3:]).partition("kho ")[2] or step.command
