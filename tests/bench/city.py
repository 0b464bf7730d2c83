"""The figures of the city dataset: `.kho/tools/lake/bin/python -m tests.bench.city --folder FOLDER`.

On installations of its own below FOLDER, one for each size, into which all four simulated departments deliver:

1. `build`, `check draft` and `promote` of everything, the first time: seconds, and the engine's peak memory. Growth
   from the smallest size to the largest: exponent = log(seconds / seconds) / log(parcels / parcels).
2. The same after each department's next month, in which about 1 % of its rows change, against the first time: in
   Airflow, too, a department's announcement is what wakes the city. Judged where the city has a million parcels; below,
   both are mostly start-up. The sum of all four is told; a build of all at once takes less.
3. At the smallest size, dbt's run of all models on the warm engine against one task a model, each with an engine of
   its own that starts for it.
4. The first answer of `kho sql`, at the largest size.

A table of limits comes last; exit 1 if one is passed. Everything also stands in FOLDER/city.json. Machines are noisy:
run it on a quiet one, and compare figures of one run. To deliver a whole city takes most of the time:
`tests.bench.intake --city` measures both on one.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.departments import SIZES
from infra.settings import read_settings
from quality.contract import CITY, load_all
from spark_jobs.session import rows_in
from tests.bench.installation import Installation, installation, remove
from tests.bench.limits import Limit, judge
from tests.bench.measured import Measure

MB = 1_000_000
BEFORE, AFTER = "2026-09", "2026-10"  # as in the intake's figures
DEPARTMENTS = ("cadastre", "education", "health", "investment")
STEPS = (("build",), ("check", "draft"), ("promote",))
QUESTION = "select count(*) from city.wards"
ENGINE_BYTES, EXPONENT, CHANGED_RATIO, CHANGED_ROWS = 8_000_000_000, 1.1, 0.25, 1_000_000
WARM_RATIO, ANSWER_SECONDS = 0.25, 3.0


@dataclass
class Results:
    """All figures; by size, or of the smallest one. `changed`: also by what was delivered."""

    parcels: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[Measure]] = field(default_factory=dict)
    changed: dict[str, dict[str, list[Measure]]] = field(default_factory=dict)
    warm_seconds: float = math.nan
    cold_seconds: float = math.nan
    answers: list[Measure] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    def keep(self, folder: Path) -> None:
        """Write what there is."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / "city.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Measure size by size, then judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the installations and city.json")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["demo", "city"], help="the smallest first")
    parser.add_argument("--port-base", type=int, default=31_000)
    given = parser.parse_args()
    given.sizes.sort(key=SIZES.index)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder, tools, results = given.folder.resolve(), read_settings().tools, Results()
    folder.mkdir(parents=True, exist_ok=True)
    if there := [folder / size for size in given.sizes if (folder / size).exists()]:
        sys.exit(f"{there[0]} exists: give a folder without it, or remove it")
    for size in given.sizes:
        with installation(folder / size, tools, given.port_base, "departments", "--size", size) as stack:
            stack.go_to(BEFORE)
            _deliver(stack, DEPARTMENTS)
            results.first[size] = flow(stack, f"size {size}, the first time")
            results.answers = answers(stack)
            results.parcels[size] = rows_in(stack.settings.environment()["KHO_WAREHOUSE"], "city.parcels")
            stack.go_to(AFTER)
            results.changed[size] = {}
            for department in DEPARTMENTS:
                _deliver(stack, [department])
                results.changed[size][department] = flow(stack, f"size {size}, {department} a month later")
            if size == given.sizes[0]:
                results.warm_seconds, results.cold_seconds = warm_and_cold(stack)
        remove(folder / size)
        results.keep(folder)
    results.limits = limits(results)
    results.keep(folder)
    sys.exit(0 if judge(results.limits) else 1)


def _deliver(stack: Installation, departments: Sequence[str]) -> None:
    """All that these departments offer is in raw."""
    tables = [name for name, contract in load_all().items() if contract.schema in departments]
    for verb in ("fetch", "ingest"):
        stack.kho(verb, *tables)


def answers(stack: Installation) -> list[Measure]:
    """An analyst asks once the city is there. The first time, the engine also gets to know all its tables."""
    return [stack.step("sql", QUESTION) for _ in range(3)]


def flow(stack: Installation, what: str) -> list[Measure]:
    """From raw to the city: every step once, told as it ends."""
    done = []
    for words in STEPS:
        step = stack.step(*words)
        done.append(step)
        own = f"{step.cpu_seconds:,.0f} s of processor and {step.together / MB:,.0f} MB"
        engine = f"{step.engine_cpu_seconds:,.0f} s and {step.engine_bytes / MB:,.0f} MB"
        print(f"{what}: {' '.join(words):<12}{step.seconds:>9.1f} s, {own}, engine {engine}", flush=True)
        if step.code:
            print(step.printed[-2000:], flush=True)
    return done


def warm_and_cold(stack: Installation) -> tuple[float, float]:
    """Seconds of all models: by one dbt on the engine as it is; by one dbt for each, an engine starting before it."""
    models = sorted(name.replace(".", "__") for name, contract in load_all().items() if contract.schema == CITY)
    warm = _dbt(stack, models)
    print(f"warm: {len(models)} models, {warm:.0f} s", flush=True)
    cold = 0.0
    for model in models:
        stack.kho("down")
        began = time.monotonic()
        stack.kho("up", "engine")
        cold += time.monotonic() - began + _dbt(stack, [model])
        print(f"cold: {model}, {cold:.0f} s so far", flush=True)
    return warm, cold


def _dbt(stack: Installation, models: list[str]) -> float:
    began = time.monotonic()
    done = stack.module("tests.bench.run_models", str(stack.settings.home / "bench-dbt"), *models)
    if done.code:
        sys.exit(f"dbt ended with {done.code}:\n{done.printed[-2000:]}")
    return time.monotonic() - began


def limits(results: Results) -> list[Limit]:
    """Every limit, judged or told why not."""
    changed = [done for flows in results.changed.values() for done in flows.values()]
    everything = [step for done in [*results.first.values(), *changed] for step in done]
    sizes = list(results.first)
    small, large = sizes[0], sizes[-1]
    seconds = {size: sum(step.seconds for step in results.first[size]) for size in sizes}
    judged = [
        Limit("steps that ended with an error", sum(step.code != 0 for step in [*everything, *results.answers]), 0),
        Limit("MB of the engine", max(step.engine_bytes for step in everything) / MB, ENGINE_BYTES / MB),
        Limit("dbt, warm : cold, one task a model", results.warm_seconds / results.cold_seconds, WARM_RATIO),
        Limit("seconds to the first answer of kho sql", results.answers[-1].seconds, ANSWER_SECONDS),
    ]
    if (growth := results.parcels[large] / results.parcels[small]) > 1:
        exponent = math.log(seconds[large] / seconds[small]) / math.log(growth)
        judged.append(Limit(f"exponent of growth, {growth:.0f}-fold", exponent, EXPONENT))
    for size in sizes:
        few = "" if results.parcels[size] >= CHANGED_ROWS else f"only {results.parcels[size]:,} parcels"
        taken = {what: sum(step.seconds for step in done) for what, done in results.changed[size].items()}
        for what, took in taken.items():
            judged.append(
                Limit(f"size {size}: a month of {what} : the first time", took / seconds[size], CHANGED_RATIO, few)
            )
        together = sum(taken.values()) / seconds[size]
        judged.append(Limit(f"size {size}: all of these : the first time", together, CHANGED_RATIO, "one by one"))
    return judged


if __name__ == "__main__":
    main()
