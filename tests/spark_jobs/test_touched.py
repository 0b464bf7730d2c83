"""Which rows may be others than in an earlier version is known only of a table whose feed tells it."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from spark_jobs.places import remove_folder
from spark_jobs.session import Earlier, folder_of
from spark_jobs.touched import FEED, replaced, touched

# Of deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TABLE = "draft.parcels"


def write(warehouse: Path, part: str, ids: list[int], feed: str = "true") -> None:
    """In place of a part of the table, as dbt replaces it."""
    replacing = pa.table({"part": [part] * len(ids), "id": pa.array(ids, pa.int64())})
    folder, configuration = folder_of(str(warehouse), TABLE), {FEED: feed}
    replaced = f"part = '{part}'"
    write_deltalake(str(folder), replacing, mode="overwrite", predicate=replaced, configuration=configuration)


def rows(warehouse: Path, since: Earlier, at: int) -> list[tuple[str, int]] | None:
    found = touched(str(warehouse), TABLE, ["id"], ["part", "id"], since, at)
    return None if found is None else sorted(tuple(row.values()) for row in found.to_pylist())


def now() -> int:
    return time.time_ns() // 1_000_000


def test_rows_that_came_or_came_again_are_told_with_all_that_have_their_keys(tmp_path: Path) -> None:
    write(tmp_path, "a", list(range(100)))
    write(tmp_path, "b", [100, 101])
    since = Earlier(1, now())
    write(tmp_path, "b", [99, 101, 102])
    write(tmp_path, "c", [103])
    assert rows(tmp_path, since, 3) == [("a", 99), ("b", 99), ("b", 101), ("b", 102), ("c", 103)]
    assert rows(tmp_path, since, 2) == [("a", 99), ("b", 99), ("b", 101), ("b", 102)]
    assert rows(tmp_path, Earlier(2, now()), 3) == [("c", 103)]


def test_many_rows_are_not_told_one_by_one(tmp_path: Path) -> None:
    write(tmp_path, "a", list(range(100)))
    since = Earlier(0, now())
    write(tmp_path, "b", list(range(100, 130)))
    assert rows(tmp_path, since, 1) is None


def test_a_table_without_a_feed_tells_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a", list(range(100)), feed="false")
    since = Earlier(0, now())
    write(tmp_path, "b", [100], feed="false")
    assert rows(tmp_path, since, 1) is None


def test_a_table_that_was_made_anew_tells_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a", list(range(100)))
    since = Earlier(0, now())
    remove_folder(folder_of(str(tmp_path), TABLE))
    time.sleep(0.002)
    write(tmp_path, "a", list(range(100)))
    write(tmp_path, "b", [100])
    assert rows(tmp_path, since, 1) is None
    assert rows(tmp_path, Earlier(1, now()), 1) is None, "nor does a version of itself"


def test_a_feed_that_upkeep_removed_tells_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a", list(range(100)))
    write(tmp_path, "b", [100, 101])
    since = Earlier(1, now())
    write(tmp_path, "b", [101, 102])
    feed = folder_of(str(tmp_path), TABLE) / "_change_data"
    assert feed.is_dir()
    remove_folder(feed)
    assert rows(tmp_path, since, 2) is None


def test_what_left_and_what_came_is_told_of_one_commit(tmp_path: Path) -> None:
    write(tmp_path, "a", list(range(100)))
    write(tmp_path, "b", [100, 101])
    since = Earlier(1, now())
    write(tmp_path, "b", [101, 102])
    sides = replaced(str(tmp_path), TABLE, ["id", "part"], since, 2, tmp_path / "sides")
    assert sides is not None
    left, came = (pa.table(side.to_pyarrow_table()).sort_by("id").to_pylist() for side in sides)
    assert left == [{"id": 100, "part": "b"}, {"id": 101, "part": "b"}]
    assert came == [{"id": 101, "part": "b"}, {"id": 102, "part": "b"}]
    write(tmp_path, "c", [103])
    assert replaced(str(tmp_path), TABLE, ["id"], since, 3, tmp_path / "others") is None
