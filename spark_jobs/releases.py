"""Releases: which versions of the city's tables belong together: `./kho releases [NAME]`.

`promote` makes one when every draft is in the city and something changed. They stand in the Delta table
`city.releases`, a row for each release and table, so that whoever asks by SQL finds them; `select * from city.schools
version as of N` reads a table as it was in a release. What a kept release names, `compact` leaves readable.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from zoneinfo import ZoneInfo

from quality.refusal import Refusal, run
from spark_jobs.environment import Environment, read_environment
from spark_jobs.marks import Mark, fingerprint, one_at_a_time, read_mark, write_mark
from spark_jobs.places import ensure_folder, writing
from spark_jobs.session import connect, delta_table, folder_of, rows_at, version

RELEASES = "city.releases"
HERE = ZoneInfo("Asia/Ho_Chi_Minh")
# A year's figures are compared with those of the year before as they were published then, within a month of its end.
KEPT = timedelta(days=400)


@dataclass(frozen=True)
class Release:
    """`name`: its day, from the second of a day on with a number: 2026-11-25, 2026-11-25.2. By table: version, rows."""

    name: str
    released_at: datetime
    versions: Mapping[str, int]
    rows: Mapping[str, int]


class UnknownRelease(Refusal):
    """There is no release of this name, or none any more."""


def main() -> None:
    """List the releases, or one."""
    parser = argparse.ArgumentParser(prog="kho releases", description=__doc__)
    parser.add_argument("release", nargs="?", metavar="NAME", help="its tables, and the SQL that reads them")
    arguments = parser.parse_args()
    warehouse = read_environment().warehouse
    if arguments.release:
        print_release(find(releases(warehouse), arguments.release))
    else:
        print_releases(releases(warehouse))


def releases(warehouse: str) -> list[Release]:
    """All that are kept, the newest first; read from the table's files, without the engine."""
    log = delta_table(warehouse, RELEASES)
    found: dict[str, list[dict[str, object]]] = {}
    for row in log.to_pyarrow_table().to_pylist() if log else []:
        found.setdefault(row["release"], []).append(row)
    made = [_from_rows(name, rows) for name, rows in found.items()]
    return sorted(made, key=lambda release: _order(release.name), reverse=True)


def versions_of(warehouse: str, name: str) -> Mapping[str, int]:
    """Table (`city.schools`) → Delta version, of one release. Raises UnknownRelease."""
    return find(releases(warehouse), name).versions


def find(known: Sequence[Release], name: str) -> Release:
    """The release of this name."""
    for release in known:
        if release.name == name:
            return release
    raise UnknownRelease(
        f"there is no release {name}",
        where=RELEASES,
        expected=", ".join(release.name for release in known[:5]) or "a release; none has been made yet",
        found=name,
        remedy=f"`./kho releases` lists them; they are kept for {KEPT.days} days",
    )


def kept(known: Sequence[Release], now: datetime, keep: timedelta = KEPT) -> list[Release]:
    """Those that stay: the newest, whatever its age, and all that are younger than `keep`."""
    return [release for release in known if release == known[0] or now - release.released_at < keep]


def make_release(versions: Mapping[str, int], environment: Environment) -> None:
    """Name these versions of the city's tables, in one commit, unless the newest release is of the same ones."""
    warehouse, lake = environment.warehouse, environment.lake
    with one_at_a_time(lake, "release", RELEASES):
        inputs = fingerprint(versions)
        before = version(warehouse, RELEASES)
        if not versions or (before is not None and read_mark(lake, "release", RELEASES) == Mark(inputs, before)):
            return
        known = releases(warehouse)
        if not known or known[0].versions != versions:
            name = next_name([release.name for release in known], datetime.now(HERE).date())
            _write(environment, name, versions, known[0] if known else None)
            print(f"release {name}: {len(versions)} tables; {changed(versions, known[0].versions if known else {})}")
        write_mark(lake, "release", RELEASES, Mark(inputs, version(warehouse, RELEASES)))


def next_name(names: Sequence[str], today: date) -> str:
    """The day, numbered from its second release on. Never before a name there is, also when a clock was set back."""
    day, number = max((_order(name) for name in names), default=("", 0))
    if today.isoformat() > day:
        return today.isoformat()
    return f"{day}.{number + 1}"


def changed(versions: Mapping[str, int], before: Mapping[str, int]) -> str:
    """Which tables are other ones than in the release before."""
    if not before:
        return "the first"
    others = [
        f"{table.removeprefix('city.')} {before.get(table, 'new')} → {versions.get(table, 'gone')}"
        for table in sorted(versions.keys() | before.keys())
        if versions.get(table) != before.get(table)
    ]
    return f"changed: {', '.join(others)}"


def print_releases(known: Sequence[Release]) -> None:
    """A line each: name, when, what changed since the one before."""
    if not known:
        print("no release yet: `./kho promote` makes one when every draft is in the city")
    width = max((len(release.name) for release in known), default=0)
    for release, before in zip_longest(known, known[1:]):
        since = changed(release.versions, before.versions) if before else "the oldest"
        print(f"{release.name:{width}}  {release.released_at.astimezone(HERE):%Y-%m-%d %H:%M}  {since}")


def print_release(release: Release) -> None:
    """A line a table: version, rows, and the SQL that reads it."""
    width = max(map(len, release.versions))
    for table, at in sorted(release.versions.items()):
        print(f"{table:{width}}  {release.rows[table]:>11,} rows  select * from {table} version as of {at}")  # noqa: S608


def _order(name: str) -> tuple[str, int]:
    day, _, number = name.partition(".")
    return day, int(number or 1)


def _from_rows(name: str, rows: Sequence[Mapping[str, object]]) -> Release:
    by_table = {str(row["table_name"]): row for row in rows}
    versions = {table: row["version"] for table, row in sorted(by_table.items())}
    counts = {table: row["row_count"] for table, row in sorted(by_table.items())}
    return Release(name, rows[0]["released_at"], versions, counts)  # type: ignore[arg-type]


def _write(environment: Environment, name: str, versions: Mapping[str, int], before: Release | None) -> None:
    """One row a table. Rows are counted where the version is another one than before."""
    import pyarrow as pa  # noqa: PLC0415
    from deltalake import write_deltalake  # noqa: PLC0415

    from spark_jobs.raw import HISTORY  # noqa: PLC0415

    warehouse = environment.warehouse
    _remembering(environment, versions)
    counts = {
        table: before.rows[table] for table, at in versions.items() if before and before.versions.get(table) == at
    }
    counts |= {table: rows_at(warehouse, table, at) for table, at in versions.items() if table not in counts}
    now = datetime.now(UTC)
    rows = [
        {"release": name, "released_at": now, "table_name": table, "version": at, "row_count": counts[table]}
        for table, at in sorted(versions.items())
    ]
    folder = folder_of(warehouse, RELEASES)
    ensure_folder(folder.parent, is_open=True)
    ensure_folder(folder, is_open=True)
    with writing(folder):
        write_deltalake(str(folder), pa.Table.from_pylist(rows), mode="append", configuration=HISTORY)


def _remembering(environment: Environment, tables: Iterable[str]) -> None:
    """Have the tables that a release will name keep their past."""
    from spark_jobs.raw import forgets, remember  # noqa: PLC0415

    forgetful = [table for table in tables if (log := delta_table(environment.warehouse, table)) and forgets(log)]
    if forgetful:
        with connect(environment.engine) as spark:
            for table in forgetful:
                remember(spark, table)


if __name__ == "__main__":
    sys.exit(run(main))
