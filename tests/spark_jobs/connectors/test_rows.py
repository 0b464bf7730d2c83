from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from spark_jobs.connectors.rows import Mixed, write_rows

ZONED = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = datetime(2026, 1, 1)  # noqa: DTZ001 - it has no zone
COLUMN = [("a", None, None, None, None, None, None)]


def read(path: Path) -> list[Any]:
    found: list[Any] = pq.read_table(path)["a"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("first", "later"), [(ZONED, PLAIN), (PLAIN, ZONED), (date(2026, 1, 1), PLAIN), (1, 1.0), (1, True), (1, 2**63)]
)
def test_a_later_value_of_another_kind_is_never_bent_into_the_type_of_the_first(
    tmp_path: Path, first: object, later: object
) -> None:
    batches = [[(first,)], [(later,)]]
    with pytest.raises(Mixed) as caught:
        write_rows(batches, COLUMN, tmp_path / "rows", (), {})
    assert caught.value.column == "a"
    assert write_rows(batches, COLUMN, tmp_path / "rows", {"a"}, {}) == 2
    assert [type(value) for value in read(tmp_path / "rows")] == [str, str]


def test_kinds_mixed_from_the_start_are_text(tmp_path: Path) -> None:
    write_rows(
        [[(1,), ("x",), (True,), (None,), (date(2026, 1, 2),), (b"\x00\xff",)]], COLUMN, tmp_path / "rows", (), {}
    )
    assert read(tmp_path / "rows") == ["1", "x", "true", None, "2026-01-02", "00ff"]


def test_no_rows_are_a_file_with_the_columns(tmp_path: Path) -> None:
    assert write_rows([], COLUMN, tmp_path / "rows", (), {}) == 0
    assert pq.read_table(tmp_path / "rows").column_names == ["a"]
