"""Upkeep: small files put together, and what nothing needs any more removed: `./kho compact [TABLE …]`.

What is needed: every table as it is now; of the city, every version that a kept release names; of open, every version
that was exported; of both the change feed since then; and whatever a query that still runs may be reading. The rest of
a table's past goes, and releases that are older than they are kept. Files that are many and small become few: no row
changes, so `version` stays as it is, and no step has anything new to do.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from quality.contract import CITY, Contract, load_all
from quality.refusal import run
from quality.rules import literal
from spark_jobs import raw
from spark_jobs.environment import Environment, chosen, for_each, read_environment
from spark_jobs.marks import one_at_a_time
from spark_jobs.places import place
from spark_jobs.releases import KEPT, RELEASES, kept, releases
from spark_jobs.session import connect, delta_table, folder_of, version

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

READ_HOURS = 168  # what a running query may still read, and a killed writer have left; also Delta's own least
MANY = 50  # files more than there need be: a table that is merged into every day is put together every few weeks
MIB = 1 << 20
SETTINGS = {
    # Only what is small is written anew: by default every file below 1 GiB would be, that is all of a table, each time.
    "spark.databricks.delta.optimize.minFileSize": str(16 * MIB),
    "spark.databricks.delta.optimize.maxFileSize": str(128 * MIB),
    # Delta 4.4 else keeps files for as long as the table says, here for ever, and refuses to be told less.
    "spark.databricks.delta.vacuum.retentionWindowIgnore.enabled": "false",
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.databricks.delta.vacuum.logging.enabled": "false",  # else two commits each time, that say nothing of rows
}


@dataclass(frozen=True)
class Upkeep:
    """A table, whose lock to hold, and what of its past is needed: all since `oldest`, None for nothing."""

    table: str
    lock: tuple[str, str]
    oldest: int | None = None
    is_ours: bool = True  # dbt makes its tables anew before there is much to put together, and nothing needs their past


def main() -> None:
    """Look after every table, or those named."""
    parser = argparse.ArgumentParser(prog="kho compact", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="such as city.schools, raw_health.facilities")
    arguments = parser.parse_args()
    environment, contracts = read_environment(), load_all()
    known = forget_releases(environment, datetime.now(UTC), KEPT)
    tables = {one.table: one for one in tables_of(contracts, environment, known)}
    names = chosen(arguments.tables, tables, environment.warehouse)
    compact([tables[name] for name in names], environment)


def forget_releases(environment: Environment, now: datetime, keep: timedelta) -> list[Mapping[str, int]]:
    """Delete the releases that are not kept, before anything that only they need goes; the versions of the others."""
    with one_at_a_time(environment.lake, "release", RELEASES):
        known = releases(environment.warehouse)
        stay = kept(known, now, keep)
        if gone := sorted(release.name for release in known if release not in stay):
            with connect(environment.engine) as spark:
                spark.sql(f"delete from {RELEASES} where release in ({', '.join(map(literal, gone))})")  # noqa: S608
            print(f"compact {RELEASES}: {len(gone)} releases are not kept any longer, up to {gone[-1]}")
    return [release.versions for release in stay]


def tables_of(
    contracts: Mapping[str, Contract], environment: Environment, named: Sequence[Mapping[str, int]]
) -> Iterator[Upkeep]:
    """Every table there is in the lake. `named`: what the kept releases name."""
    built = ("build", "draft")
    for folder in sorted((place(environment.warehouse) / "reference.db").glob("*")):
        yield Upkeep(f"reference.{folder.name}", built, is_ours=False)
    yield Upkeep(RELEASES, ("release", RELEASES))
    for contract in contracts.values():
        if contract.schema != CITY:
            for table in (raw.table_of(contract), raw.rejected_of(contract)):
                yield Upkeep(table, ("ingest", contract.table), version(environment.warehouse, table))
            continue
        yield Upkeep(f"draft.{contract.name}", built, is_ours=False)
        exports = environment.lake / "exports" / contract.name
        needed = {
            contract.table: ("promote", [versions[contract.table] for versions in named if contract.table in versions]),
            f"open.{contract.name}": ("protect", [int(path.name) for path in exports.glob("*") if path.name.isdigit()]),
        }
        for table, (step, versions) in needed.items():
            newest = version(environment.warehouse, table)
            if newest is not None:
                yield Upkeep(table, (step, contract.table), min([newest, *versions]))


def compact(tables: Sequence[Upkeep], environment: Environment) -> None:
    """One table after the other, each while its writer waits."""
    idle = []

    def look_after(one: Upkeep) -> None:
        with one_at_a_time(environment.lake, *one.lock):
            if not _look_after(one, environment):
                idle.append(one.table)

    for_each(tables, look_after)
    print(f"compact: nothing to do in {len(idle)} of {len(tables)} tables")


def hours_needed(times: Mapping[int, int], oldest: int | None, now: int) -> int:
    """How many hours back replaced files are needed. `times`: when each version was made (ms, like `now`).

    What the oldest needed version holds was replaced after it was made, and the changes that it brought were written
    after the version before it. So from that one on, and an hour more, for clocks that are set.
    """
    if oldest is None or not times:
        return READ_HOURS
    since = times.get(oldest - 1, min(times.values()))
    return max(READ_HOURS, math.ceil((now - since) / 3_600_000) + 1)


def spare_files(log: DeltaTable) -> int:
    """How many files fewer would do: each folder's small ones could be one."""
    files = log.get_add_actions(flatten=True)
    small = Counter(
        path.rpartition("/")[0]
        for path, size in zip(files["path"].to_pylist(), files["size_bytes"].to_pylist(), strict=True)
        if size < int(SETTINGS["spark.databricks.delta.optimize.minFileSize"])
    )
    return sum(count - 1 for count in small.values())


def _look_after(one: Upkeep, environment: Environment) -> bool:
    """Whether there was something to do."""
    log = delta_table(environment.warehouse, one.table)
    if log is None:
        return False
    now = time.time_ns() // 1_000_000
    hours = hours_needed({entry["version"]: entry["timestamp"] for entry in log.history()}, one.oldest, now)
    spare = spare_files(log) if one.is_ours else 0
    forgets = one.is_ours and raw.forgets(log)
    folder = folder_of(environment.warehouse, one.table)
    before = _files(folder)
    current = set(log.get_add_actions(flatten=True)["path"].to_pylist())
    is_old = any(made < now / 1000 - hours * 3600 for path, (_, made) in before.items() if path not in current)
    if not (forgets or is_old or spare >= MANY):
        return False
    with connect(environment.engine) as spark, _settings(spark):
        if forgets:
            raw.remember(spark, one.table)
        if spare >= MANY:
            spark.sql(f"optimize {one.table}")
        if is_old:
            spark.sql(f"vacuum {one.table} retain {hours} hours")
    gone = before.keys() - _files(folder).keys()
    if not (forgets or gone or spare >= MANY):
        return False  # what is old is needed still: it was replaced not long enough ago
    together = f"{spare + 1:,} small files put together, " if spare >= MANY else ""
    size = sum(before[path][0] for path in gone) / MIB
    print(
        f"compact {one.table}: {together}{len(gone):,} files removed that nothing needs ({size:,.1f} MiB)", flush=True
    )
    return True


def _files(folder: Path) -> dict[str, tuple[int, float]]:
    """Path below the table's folder → size and time of every file but those of the log and their checksums."""
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if relative.parts[0] != "_delta_log" and not path.name.startswith(".") and path.is_file():
            about = path.stat()
            found[relative.as_posix()] = (about.st_size, about.st_mtime)
    return found


@contextmanager
def _settings(spark: SparkSession) -> Iterator[None]:
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name in SETTINGS:
            spark.conf.unset(name)


if __name__ == "__main__":
    sys.exit(run(main))
