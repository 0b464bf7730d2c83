from __future__ import annotations

import csv
import hashlib
import io
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from portal_sync.portal import opened
from portal_sync.rows import Rows


def sent(folder: Path, table: pa.Table) -> str:
    """What is sent of a table, in parts that are small enough to be taken at once."""
    path = folder / "rows.parquet"
    pq.write_table(table, path)
    rows = Rows(partial(opened, path))
    parts = list(rows)
    assert max(map(len, parts)) <= 1 << 17
    assert rows.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
    return b"".join(parts).decode()


def test_nothing_is_null_and_an_empty_text_is_quoted(tmp_path: Path) -> None:
    rows = pa.table({"ten": ["a,b", "", None, "Đống Đa\n“x”"], "so": pa.array([1, None, 0, -1], pa.int32())})
    assert sent(tmp_path, rows) == '"ten","so"\n"a,b",1\n"",\n,0\n"Đống Đa\n“x”",-1\n'


def test_a_time_is_that_of_its_own_clock(tmp_path: Path) -> None:
    moment: Any = pa.array([datetime(2025, 6, 30, 17, tzinfo=UTC), None], pa.timestamp("us", "Asia/Ho_Chi_Minh"))
    text = sent(tmp_path, pa.table({"luc": moment, "ngay": [date(2025, 7, 1), None]}))
    assert text == '"luc","ngay"\n2025-07-01 00:00:00.000000,2025-07-01\n,\n'


def test_of_changes_what_is_done_to_each_row_and_not_what_it_was(tmp_path: Path) -> None:
    kinds = ["delete", "update_preimage", "update_postimage", "insert"]
    text = sent(tmp_path, pa.table({"_change": kinds, "ten": ["a", "b", "b", "c"], "so": [1, 2, 3, 4]}))
    assert text == '"_op","ten","so"\n"delete","a",1\n"upsert","b",3\n"upsert","c",4\n'


def test_of_no_rows_the_names_are_sent(tmp_path: Path) -> None:
    assert sent(tmp_path, pa.table({"ten": pa.array([], pa.string())})) == '"ten"\n'


def test_many_rows_are_sent_in_order_and_each_once(tmp_path: Path) -> None:
    rows = 200_000
    text = sent(tmp_path, pa.table({"so": range(rows), "ten": [f"dòng {number}" for number in range(rows)]}))
    assert [int(row["so"]) for row in csv.DictReader(io.StringIO(text))] == list(range(rows))
