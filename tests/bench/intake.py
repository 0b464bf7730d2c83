"""The figures of the intake, measured in one run: `.kho/tools/lake/bin/python -m tests.bench.intake --folder FOLDER`.

On installations of its own below FOLDER, one for each size, with all four simulated departments:

1. Every table is fetched and ingested for the first time, each step a process of its own. Memory is resident memory;
   that of the engine's JVM stands apart. Growth from the smallest size to the largest, of tables that grow at least
   twentyfold: exponent = log(seconds / seconds) / log(rows / rows), as measured and with the fixed start-up deducted
   from both. Start-up of a fetch: that of the same table with nothing new, at the smallest size. Start-up of an ingest:
   the shortest first ingest of any table at the smallest size, for it, unlike one with nothing new, starts readers
   and makes tables. The limit is for the one with start-up deducted, which is never the smaller one; for the other
   where at the smallest size start-up is more than half, for then a tenth of a second decides.
2. A CSV file of a million rows into Delta (`csv_to_delta.py`) against Spark's CSV into Parquet, by turns.
3. From one month to the next, where 1 % of the rows change: fetch and ingest of that against the whole, which is the
   first fetch of the same table (of pupils: of the school year) and the faster of its first ingest and a later `ingest
   --again`, for that one also replaces rows and looks for losses. Judged where the whole has a million rows; below,
   both are mostly start-up.
4. Great Expectations' share of fetch, ingest and `check raw` of all tables. Judged at size city.

With `--city`, `build`, `check draft` and `promote` of both months are measured on the same installations.

A table of limits comes last; exit 1 if one is passed. Everything also stands in FOLDER/intake.json, what is finished
at any time. Machines are noisy: run it on a quiet one, and compare figures of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra.departments import SIZES
from infra.settings import read_settings
from quality.contract import load_all
from spark_jobs.check import LAYERS
from spark_jobs.intake import intake_of
from spark_jobs.session import rows_in
from tests.bench import city, csv_to_delta
from tests.bench.installation import Installation, installation, remove
from tests.bench.limits import (
    Change,
    Limit,
    Taken,
    csv_limit,
    growth_limits,
    judge,
    share_limit,
    shrink_limit,
    step_limits,
)
from tests.bench.measured import Measure

MB = 1_000_000
BEFORE, AFTER = "2026-09", "2026-10"  # August has a new school year and lacks a map sheet: no month like others
CHANGED = ("cadastre.parcels", "education.pupils", "investment.fdi_projects")
SCHOOL_YEAR = ("--period", "2026-2027")  # the one that changes in that month
HEADING = ("table", "rows", "fetch s", "cpu s", "MB", "ingest s", "cpu s", "engine cpu s", "MB", "one MB", "engine MB")


@dataclass
class Results:
    """All figures, by size and table."""

    machine: dict[str, object] = field(default_factory=dict)
    taken: dict[str, dict[str, Taken]] = field(default_factory=dict)
    changes: dict[str, dict[str, Change]] = field(default_factory=dict)
    checks: dict[str, Measure] = field(default_factory=dict)
    csv: dict[str, Any] = field(default_factory=dict)
    others: list[Measure] = field(default_factory=list)  # for errors and memory only
    limits: list[Limit] = field(default_factory=list)

    def keep(self, folder: Path) -> None:
        """Write what there is."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / "intake.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Measure size by size, then judge."""
    given = _arguments()
    # A shell that starts us in the background has us ignore Ctrl-C; and whoever ends us wants no services left.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tools = read_settings().tools
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if there := [folder / size for size in given.sizes if (folder / size).exists()]:
        sys.exit(f"{there[0]} exists: give a folder without it, or remove it")
    results = Results()
    built = city.Results() if given.city else None
    results.machine = {"processors": os.cpu_count(), "load at the start": os.getloadavg()[0]}
    for size in given.sizes:
        with installation(folder / size, tools, given.port_base, "departments", "--size", size) as stack:
            _measure_size(stack, size, results, folder)
            if size == given.sizes[0]:
                _measure_csv(stack, given.csv_rows, results, folder)
            _measure_changes(stack, size, results, folder, built)
            if built and size == given.sizes[0]:
                built.warm_seconds, built.cold_seconds = city.warm_and_cold(stack)
                built.keep(folder)
        remove(folder / size)
    results.limits = _limits(results)
    results.keep(folder)
    if built:
        built.limits = city.limits(built)
        built.keep(folder)
    sys.exit(0 if judge([*results.limits, *(built.limits if built else [])]) else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the installations and intake.json")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["demo", "city"], help="the smallest first")
    parser.add_argument("--csv-rows", type=int, default=1_000_000)
    parser.add_argument("--port-base", type=int, default=31_000)
    parser.add_argument("--city", action="store_true", help="build the city of both months, as `tests.bench.city` does")
    given = parser.parse_args()
    given.sizes.sort(key=SIZES.index)
    return given


def _measure_size(stack: Installation, size: str, results: Results, folder: Path) -> None:
    """Every table for the first time, then the gate."""
    tables = sorted(name for name, contract in load_all().items() if contract.delivery)
    _say(f"\nsize {size}: MB are of all processes of a step, `one MB` of the largest of them")
    _row(HEADING)
    taken = results.taken[size] = {}
    for table in tables:
        fetch, ingest = (_step(stack, verb, table) for verb in ("fetch", "ingest"))
        rows = intake_of(str(stack.settings.lake / "warehouse"), table).read
        idle_fetch, idle_ingest = (_step(stack, verb, table) for verb in ("fetch", "ingest"))
        taken[table] = Taken(rows, fetch, ingest, idle_fetch, idle_ingest)
        _row((table, f"{rows:,}", *_figures(fetch), *_figures(ingest, with_engine=True)))
        results.keep(folder)
    if "raw" in LAYERS:
        check = results.checks[size] = _step(stack, "check", "raw")
        _say(f"check raw of {len(tables)} tables: {check.seconds:.1f} s, engine cpu {check.engine_cpu_seconds:.1f} s")
    else:
        _say("check raw: there is no such layer yet, so its share is not measured")
    results.keep(folder)


def _measure_csv(stack: Installation, rows: int, results: Results, folder: Path) -> None:
    place = folder / "csv"
    done = stack.module(csv_to_delta.__name__, str(place), str(rows))
    results.others.append(done)
    if done.code:
        results.csv = {"error": done.printed[-2000:]}
        _say(f"CSV to Delta ended with {done.code}:\n{done.printed[-2000:]}")
        return
    result = place / csv_to_delta.RESULT
    results.csv = json.loads(result.read_text(encoding="utf-8"))
    result.unlink()
    place.rmdir()
    for name in ("delta_seconds", "parquet_seconds"):
        _say(f"CSV of {rows:,} rows, {name}: {', '.join(f'{seconds:.2f}' for seconds in results.csv[name])}")
    results.keep(folder)


def _measure_changes(
    stack: Installation, size: str, results: Results, folder: Path, built: city.Results | None
) -> None:
    """The month in which little changes, and beside it the whole."""
    _say(f"\nsize {size}: {BEFORE} to {AFTER}")
    _row(("table", "rows", "fetch s", "ingest s", "whole fetch s", "whole ingest s", "--again s", "ratio"))
    stack.go_to(BEFORE)
    caught_up = {table: (_step(stack, "fetch", table), _step(stack, "ingest", table)) for table in CHANGED}
    results.others += [step for both in caught_up.values() for step in both]
    if built:
        built.first[size] = city.flow(stack, f"size {size}, the first time")
        built.answers = city.answers(stack)
        built.parcels[size] = rows_in(stack.settings.environment()["KHO_WAREHOUSE"], "city.parcels")
        built.keep(folder)
    stack.go_to(AFTER)
    changes = results.changes[size] = {}
    taken: dict[str, tuple[Measure, Measure]] = {}
    for table in CHANGED:
        taken[table] = _step(stack, "fetch", table), _step(stack, "ingest", table)
        if built:
            flow = city.flow(stack, f"size {size}, {table} a month later")
            built.changed.setdefault(size, {})[table] = flow
            built.keep(folder)
    for table in CHANGED:
        first = results.taken[size][table]
        is_pupils = table == "education.pupils"
        whole_fetch, whole_ingest = caught_up[table] if is_pupils else (first.fetch, first.ingest)
        fetch, ingest = taken[table]
        again = _step(stack, "ingest", table, "--again", *(SCHOOL_YEAR if is_pupils else ()))
        change = changes[table] = Change(first.rows, fetch, ingest, whole_fetch, whole_ingest, again)
        figures = [f"{part.seconds:.1f}" for part in (fetch, ingest, whole_fetch, whole_ingest, again)]
        _row((table, f"{change.rows:,}", *figures, f"{shrink_limit(table, change).found:.2f}"))
        results.keep(folder)


def _limits(results: Results) -> list[Limit]:
    """Every limit, judged or told why not."""
    tables: list[Taken | Change] = [table for found in results.taken.values() for table in found.values()]
    tables += [table for found in results.changes.values() for table in found.values()]
    steps = [step for table in tables for step in vars(table).values() if isinstance(step, Measure)]
    return [
        *step_limits([*steps, *results.checks.values(), *results.others]),
        *growth_limits(list(results.taken.values())),
        csv_limit(results.csv),
        *(
            shrink_limit(table, change, size)
            for size, found in results.changes.items()
            for table, change in found.items()
        ),
        *(share_limit(size, results.checks.get(size), found) for size, found in results.taken.items()),
    ]


def _step(stack: Installation, *words: str) -> Measure:
    """One step; an error is told at once, and goes on the list."""
    done = stack.step(*words)
    if done.code:
        _say(f"./kho {' '.join(words)} ended with {done.code}:\n{done.printed[-2000:]}")
    return done


def _figures(measure: Measure, *, with_engine: bool = False) -> tuple[str, ...]:
    seconds = (f"{measure.seconds:.1f}", f"{measure.cpu_seconds:.1f}")
    together = f"{measure.together / MB:,.0f}"
    if not with_engine:
        return (*seconds, together)
    engine = f"{measure.engine_cpu_seconds:.1f}"
    return (*seconds, engine, together, f"{measure.largest / MB:,.0f}", f"{measure.engine_bytes / MB:,.0f}")


def _row(cells: tuple[str, ...]) -> None:
    _say(f"{cells[0]:<28}" + "".join(f"{cell:>{max(12, len(cell) + 2)}}" for cell in cells[1:]))


def _say(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
