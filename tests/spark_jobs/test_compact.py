"""Upkeep: what is needed reads as before, what nothing needs is gone, and no step has anything new to do."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quality.contract import Contract
from spark_jobs import compact as module
from spark_jobs.compact import READ_HOURS, Upkeep, compact, forget_releases, hours_needed, spare_files, tables_of
from spark_jobs.environment import Environment
from spark_jobs.export import export
from spark_jobs.promote import promote, release
from spark_jobs.protect import protect
from spark_jobs.raw import HISTORY
from spark_jobs.releases import RELEASES, releases
from spark_jobs.session import delta_table, folder_of, version
from tests.spark_jobs.verdicts import check

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

Draft = Callable[..., None]
Ask = Callable[[str], list[tuple[object, ...]]]
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def test_files_are_needed_since_the_version_before_the_oldest_that_is_needed() -> None:
    now = 100 * DAY_MS
    times = {0: now - 90 * DAY_MS, 1: now - 60 * DAY_MS, 2: now - 30 * DAY_MS, 3: now - HOUR_MS}
    assert hours_needed(times, 2, now) == 60 * 24 + 1
    assert hours_needed(times, 0, now) == hours_needed(times, 1, now) == 90 * 24 + 1
    assert hours_needed(times, 3, now) == 30 * 24 + 1
    assert hours_needed({**times, 4: now}, 4, now) == READ_HOURS  # a query may still read the one before
    assert hours_needed(times, None, now) == READ_HOURS
    assert hours_needed({5: now - 10 * DAY_MS, 6: now}, 2, now) == 10 * 24 + 1  # the log begins later: all it knows


def rows_of(count: int, beds: int) -> str:
    """So many clinics, the first three with so many beds, the others with a hundred."""
    return ", ".join(f"({n}, 'Số {n}', {beds if n <= 3 else 100}, {beds // 10})" for n in range(1, count + 1))


def files_of(folder: Path) -> set[str]:
    """All that are there, but for the log and checksums."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if path.parts[0] != "_delta_log" and not path.name.startswith(".")}


def age(folder: Path, days: Sequence[int]) -> None:
    """Make a table old: each version, the files that it brought and the time at which it removed others."""
    times = {"commitInfo": "timestamp", "remove": "deletionTimestamp", "add": "modificationTime"}
    brought = set()
    for commit, back in zip(sorted((folder / "_delta_log").glob("*.json")), days, strict=True):
        lines = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]
        for action, about in [pair for line in lines for pair in line.items()]:
            if action in times:
                about[times[action]] -= back * DAY_MS
            if action in {"add", "cdc"} and about["path"] not in brought:
                brought.add(about["path"])
                make_older(folder / about["path"], back)
        then = commit.stat()
        commit.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        os.utime(commit, (then.st_atime, then.st_mtime))
        make_older(commit, back)
    for checksum in {*folder.rglob(".*.crc"), *(folder / "_delta_log").glob("*.crc")}:
        checksum.unlink()


def make_older(path: Path, days: int) -> None:
    """Its time of modification."""
    then = path.stat().st_mtime - days * 86_400
    os.utime(path, (then, then))


@pytest.fixture
def two_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files, that is: the engine leaves them when it merges."""
    monkeypatch.setattr(module, "MANY", 2)


@pytest.mark.usefixtures("two_are_many")
def test_after_upkeep_releases_and_open_versions_read_as_before_and_the_rest_is_gone(  # noqa: PLR0915 - one long story
    by_engine: bool,  # noqa: FBT001 - a case of two
    draft: Draft,
    clinics: Contract,
    corner: Environment,
    ask: Ask,
    capsys: pytest.CaptureFixture[str],
) -> None:
    contract = dataclasses.replace(clinics, removed_at_most_pct=100)
    contracts, city, opened, drafted = (
        {contract.table: contract},
        contract.table,
        f"open.{contract.name}",
        f"draft.{contract.name}",
    )

    def flow() -> None:
        for step in (promote, protect):
            step([city], contracts, corner)
        check(contract, corner, "open")
        export([city], contracts, corner)
        release(contracts, corner)

    def named() -> list[int]:
        return [found.versions[city] for found in releases(corner.warehouse) if city in found.versions]

    def all_of(table: str, oldest: int) -> list[object]:
        rows = " union all ".join(f"select *, {at} from {table} version as of {at}" for at in range(oldest, 5))
        feed = f"select id, beds, _change_type, _commit_version from table_changes('{table}', {oldest}, 4)"
        return [sorted(ask(query), key=str) for query in (rows, feed)]

    for clinic_count, beds in ((8, 1), (7, 12), (9, 13), (8, 14), (10, 15)):
        draft(rows_of(clinic_count, beds))
        flow()
    assert (version(corner.warehouse, city), version(corner.warehouse, opened)) == (4, 4)
    assert named() == [4, 3, 2, 1, 0]

    days = (900, 850, 800, 300, 1)
    folders = {table: folder_of(corner.warehouse, table) for table in (city, opened, drafted)}
    for folder in folders.values():
        age(folder, days)
    ago = " ".join(f"when {at} then {back}" for at, back in enumerate(days))
    older = f"released_at - make_dt_interval(case version {ago} end)"
    ask(f"update {RELEASES} set released_at = {older} where table_name = '{city}'")
    before = {table: files_of(folder) for table, folder in folders.items()}
    expected = [all_of(city, 3), all_of(opened, 0), ask(f"select * from {city} order by id")]
    capsys.readouterr()

    kept = forget_releases(corner, datetime.now(UTC), timedelta(days=400))
    assert named() == [4, 3]
    ours = [one for one in tables_of(contracts, corner, kept) if one.table in folders]
    assert {one.table: one.oldest for one in ours} == {city: 3, opened: 0, drafted: None}
    compact(ours, corner)
    assert capsys.readouterr().out.count("small files put together") == (2 if by_engine else 0)

    assert [all_of(city, 3), all_of(opened, 0), ask(f"select * from {city} order by id")] == expected
    gone = {table: before[table] - files_of(folder) for table, folder in folders.items()}
    assert gone[opened] == set()
    feed = "_change_data/cdc" if by_engine else "_change_data/part"
    assert {path.partition("-")[0] for path in gone[city]} == {"part", feed}
    assert len(gone[drafted]) >= 3
    with pytest.raises(Exception, match="FILE_NOT_EXIST"):
        ask(f"select sum(beds) from {city} version as of 0")

    # Nothing is new to any step, and nothing is left to do.
    for table in (city, opened):
        log = delta_table(corner.warehouse, table)
        assert log
        assert log.history(1)[0]["operation"] == ("OPTIMIZE" if by_engine else "MERGE")
        assert spare_files(log) < (1 if by_engine else module.MANY)
        assert version(corner.warehouse, table) == 4
    flow()
    said = capsys.readouterr().out
    assert said.count("nothing new") == 2
    assert "version 4 stands already" in said
    assert "release" not in said
    compact(ours, corner)
    assert "nothing to do in 3 of 3 tables" in capsys.readouterr().out

    # The next change goes on from there.
    draft(rows_of(12, 20))
    flow()
    newest = 6 if by_engine else 5
    assert version(corner.warehouse, city) == newest
    assert named() == [newest, 4, 3]
    assert all_of(city, 3) == expected[0]


def test_a_table_made_before_its_past_was_kept_is_told_to_keep_it(
    corner: Environment, ask: Ask, clinics: Contract
) -> None:
    ask("create schema if not exists city")
    ask(f"create table {clinics.table} using delta as select 1 as id")
    compact([Upkeep(clinics.table, ("promote", clinics.table), 0)], corner)
    log = delta_table(corner.warehouse, clinics.table)
    assert log
    assert HISTORY.items() <= log.metadata().configuration.items()
    assert version(corner.warehouse, clinics.table) == 0


def test_a_table_that_is_not_there_is_nothing_to_do(corner: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    compact(
        [Upkeep("city.nothing", ("promote", "city.nothing"))], dataclasses.replace(corner, engine="sc://127.0.0.1:1")
    )
    assert capsys.readouterr().out == "compact: nothing to do in 1 of 1 tables\n"
