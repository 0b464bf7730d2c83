from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quality.contract import Column, Contract, Delivery, Text
from spark_jobs.layouts import Batch, ExtractMismatch, Tally
from spark_jobs.layouts.records import read

WORDS = Text("chữ", "words")


def contract(columns: Mapping[str, str], **headings: str) -> Contract:
    return Contract(
        table="investment.plans",
        path=Path("plans.yml"),
        title=WORDS,
        description=WORDS,
        grain="one row per plan",
        owner="so-tai-chinh",
        key=("code",),
        at_least=1,
        columns={
            name: Column(name, kind, "none", WORDS, WORDS, heading=(headings[name],) if name in headings else ())
            for name, kind in columns.items()
        },
        portal=None,
        delivery=Delivery("sql", "records", "changes", "month", 1, query="select 1", watermark="updated_at"),
        sha256="",
    )


def parquet(folder: Path, columns: Mapping[str, pa.Array[Any]]) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(pa.table(dict(columns)), path, compression="zstd", write_page_checksum=True)
    return path


def only_batch(path: Path, wanted: Contract, tally: Tally | None = None) -> Batch:
    (batch,) = read(path, wanted, "all", tally or Tally())
    return batch


def plain(batch: Batch, column: str) -> list[object]:
    values = batch.columns[column]
    return values.to_pylist() if isinstance(values, pa.Array) else list(values)


def test_values_keep_their_types_and_decimals_all_their_digits(tmp_path: Path) -> None:
    day, moment = date(2026, 1, 31), datetime(2026, 7, 31, 17, 0, 0, 7, UTC)
    path = parquet(
        tmp_path,
        {
            "code": pa.array(["0000123", None]),
            "usd": pa.array([Decimal("12345678901234567890.12"), None], pa.decimal128(38, 2)),
            "mvnd": pa.array([73_812_000, -1]),
            "day": pa.array([day, None], pa.date32()),
            "updated_at": pa.array([moment, moment], pa.timestamp("us", tz="UTC")),
            "is_open": pa.array([True, None]),
        },
    )
    kinds = {"code": "string", "usd": "double", "mvnd": "bigint", "day": "date", "updated_at": "timestamp"}
    batch = only_batch(path, contract(kinds | {"is_open": "boolean"}))
    assert plain(batch, "code") == ["0000123", None]
    assert plain(batch, "usd") == [Decimal("12345678901234567890.12"), None]
    assert plain(batch, "mvnd") == [73_812_000, -1]
    assert plain(batch, "day") == [day, None]
    assert plain(batch, "updated_at") == [moment, moment]
    assert plain(batch, "is_open") == [True, None]
    assert (batch.sheet, list(batch.lines), batch.faults, batch.unexpected) == ("", [1, 2], {}, {})


def test_text_is_composed_and_without_outer_blanks_and_blank_is_none(tmp_path: Path) -> None:
    decomposed = "Ho\u0302\u0300 Chi\u0301 Minh"
    path = parquet(tmp_path, {"code": pa.array([decomposed, "\u00a0 x y \n", "", " \u00a0"])})
    assert plain(only_batch(path, contract({"code": "string"})), "code") == ["Hồ Chí Minh", "x y", None, None]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_text_of_every_arrow_type_is_text(tmp_path: Path, kind: pa.DataType) -> None:
    path = parquet(tmp_path, {"code": pa.array(["a", None, " b "], pa.string()).cast(kind)})
    assert plain(only_batch(path, contract({"code": "string"})), "code") == ["a", None, "b"]


def test_a_nul_in_a_text_is_a_fault_of_that_record(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"code": pa.array(["fine", "b\0d", None])})
    assert only_batch(path, contract({"code": "string"})).faults == {"code": {1: "text without NUL"}}


def test_what_is_no_finite_number_is_a_fault_whether_it_is_a_float_or_a_text(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        {
            "usd": pa.array([1.5, math.nan, math.inf, None]),
            "mvnd": pa.array(["1.50", "NaN", "-Infinity", None]),
            "code": pa.array(["NaN", "Inf", "x", None]),  # a name may be anything
        },
    )
    batch = only_batch(path, contract({"usd": "double", "mvnd": "double", "code": "string"}))
    expected = {1: "a finite number", 2: "a finite number"}
    assert batch.faults == {"usd": expected, "mvnd": expected}


def test_records_are_counted_on_through_batches_of_at_most_50_000(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"code": pa.array([str(number) for number in range(1, 120_002)])})
    batches = list(read(path, contract({"code": "string"}), "all", Tally()))
    assert max(len(batch.lines) for batch in batches) <= 50_000
    found = [(line, value) for batch in batches for line, value in zip(batch.lines, plain(batch, "code"), strict=True)]
    assert found == [(number, str(number)) for number in range(1, 120_002)]


def test_columns_are_found_by_their_headings_in_any_order(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"SO_TIEN": pa.array([5]), "ma_duan": pa.array(["7"])})
    batch = only_batch(path, contract({"code": "string", "mvnd": "bigint"}, code="ma_duan", mvnd="so_tien"))
    assert (plain(batch, "code"), plain(batch, "mvnd")) == (["7"], [5])
    assert batch.cells == {"code": "ma_duan", "mvnd": "SO_TIEN"}


def test_a_column_nobody_promised_is_kept_and_told(tmp_path: Path) -> None:
    tally = Tally()
    path = parquet(tmp_path, {"code": pa.array(["7"]), "ghi_chu": pa.array([" mới "])})
    batch = only_batch(path, contract({"code": "string"}), tally)
    assert {heading: list(values) for heading, values in batch.unexpected.items()} == {"ghi_chu": [pa.scalar("mới")]}
    assert tally.warnings == ["rows.parquet has columns that the contract does not know, kept apart: 'ghi_chu'"]


def test_an_absent_column_is_refused_with_both_sides_and_the_likely_renaming(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"code": pa.array(["7"]), "fiscal_yr": pa.array([2025])})
    with pytest.raises(ExtractMismatch) as refusal:
        only_batch(path, contract({"code": "string", "fiscal_year": "int"}))
    assert "'fiscal_year'" in refusal.value.expected
    assert "'fiscal_yr' looks like 'fiscal_year'" in refusal.value.found


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"code": pa.array([["7"]])})
    with pytest.raises(ExtractMismatch, match="lists or records") as refusal:
        only_batch(path, contract({"code": "string"}))
    assert refusal.value.found.startswith("code: list<")


def test_no_records_are_no_batches(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"code": pa.array([], pa.string())})
    assert [len(batch.lines) for batch in read(path, contract({"code": "string"}), "all", Tally())] == []


@pytest.mark.parametrize(
    ("content", "what", "found"),
    [
        (b"", "the file is empty", "0 bytes"),
        (b"ma;ten\n1;Hai\n", "the file is no Parquet file", "13 bytes that begin with b'ma;t'"),
        (b"PK\x03\x04 a workbook", "the file is no Parquet file", "15 bytes that begin with b'PK\\x03\\x04'"),
        (b"PAR1" + b"x" * 96, "the file is cut off", "100 bytes without the end of a Parquet file"),
        (b"PAR1" + b"x" * 92 + b"PAR1", "the file is damaged", "Parquet file size is 100 bytes"),
    ],
)
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes, what: str, found: str) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(content)
    with pytest.raises(ExtractMismatch) as refusal:
        only_batch(path, contract({"code": "string"}))
    assert refusal.value.what == what
    assert refusal.value.found.startswith(found)
    assert refusal.value.where == str(path)


def test_a_file_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"code": pa.array([str(number) for number in range(10_000)])})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ExtractMismatch, match="cut off"):
        only_batch(path, contract({"code": "string"}))


def test_a_file_with_changed_bytes_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"code": pa.array([f"{number * 7919:08d}" for number in range(10_000)])})
    content = bytearray(path.read_bytes())
    for index in range(200, 400):
        content[index] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ExtractMismatch, match="damaged"):
        list(read(path, contract({"code": "string"}), "all", Tally()))


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, *pa.array([b"\xff\xfe"], pa.binary()).buffers()[1:]])
    path = parquet(tmp_path, {"code": broken})
    with pytest.raises(ExtractMismatch, match="damaged"):
        only_batch(path, contract({"code": "string"}))
