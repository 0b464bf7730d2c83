"""Parquet files and databases that hold what no type can, or more than there is."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.poison.bench import Bench
from tests.poison.deliveries import PROJECTS, projects, records


def billion() -> bytes:
    """A million rows of one value, of which the list of contents says that they come a thousand times."""
    content = records(1_000_000)
    contents = pq.ParquetFile(io.BytesIO(content)).metadata
    for _ in range(10):
        contents.append_row_groups(contents)
    end = io.BytesIO()
    contents.write_metadata_file(end)
    length = int.from_bytes(content[-8:-4], "little")
    return content[: -8 - length] + end.getvalue()[4:]


def test_a_value_repeated_a_billion_times_is_refused(bench: Bench) -> None:
    path = bench.file(billion(), "rows.parquet")
    assert path.stat().st_size < 2_000_000
    refusal = bench.refused(PROJECTS, path)
    assert refusal.what == "the file holds too many records"
    assert "1,024,000,000" in refusal.found


def test_a_text_that_unfolds_to_a_gigabyte_is_refused(bench: Bench) -> None:
    path = bench.folder / "rows.parquet"
    name = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int8()), pa.array(["x" * 20_000_000]))
    table = projects(100, project_name=name)
    pq.write_table(table, path, dictionary_pagesize_limit=1 << 30, store_schema=False)
    assert path.stat().st_size < 2_000_000
    assert bench.refused(PROJECTS, path).what == "the file cannot be read with what any honest file needs"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(b"", "the file is empty", id="0 bytes"),
        pytest.param(records()[:-1], "the file is cut off", id="one byte short"),
        pytest.param(records()[:100], "the file is cut off", id="cut"),
        pytest.param(records()[:200] + records()[-8:], "the file is damaged", id="a hole"),
        pytest.param(b"PARE" + records()[4:-4] + b"PARE", "the file is no Parquet file", id="encrypted"),
        pytest.param(b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1", "the file is damaged", id="a footer of 2 GB"),
        pytest.param(b"PAR1" + bytes(100) + b"\x08\x00\x00\x00PAR1", "the file is damaged", id="an empty footer"),
        pytest.param(b"id;name\n1;x\n", "the file is no Parquet file", id="CSV"),
    ],
)
def test_what_is_no_whole_parquet_file_is_refused(bench: Bench, content: bytes, what: str) -> None:
    assert bench.refused(PROJECTS, bench.file(content, "rows.parquet")).what == what


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pa.array([float("nan")]), id="NaN"),
        pytest.param(pa.array([float("inf")]), id="infinite"),
        pytest.param(pa.array(["NaN"]), id="NaN as text"),
        pytest.param(pa.array(["1e5"]), id="an exponent"),
        pytest.param(pa.array([True]), id="true"),
        pytest.param(pa.array([b"\x00\x01"]), id="bytes"),
        pytest.param(pa.array(["1,5"]), id="a comma"),
    ],
)
def test_a_number_that_is_none_is_rejected(bench: Bench, value: object) -> None:
    path = bench.file(records(registered_capital_usd=value), "rows.parquet")
    assert bench.rejected(PROJECTS, path).keys() == {1}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pa.array([2**62], pa.timestamp("us", "UTC")), id="290,000 years on"),
        pytest.param(pa.array([-(2**62)], pa.timestamp("us")), id="and back"),
        pytest.param(pa.array([2**50], pa.timestamp("s")), id="in seconds"),
        pytest.param(pa.array([2**31 - 1], pa.date32()), id="the last day"),
        pytest.param(pa.array([86_400_000 * 10**9], pa.date64()), id="in milliseconds"),
        pytest.param(pa.array([1], pa.timestamp("ns")), id="a nanosecond"),
        pytest.param(pa.array([1], pa.duration("s")), id="a duration"),
        pytest.param(pa.array([1], pa.time64("us")), id="a time of day"),
        pytest.param(pa.array(["2026-02-31T00:00:00"]), id="31/02"),
        pytest.param(pa.array([5]), id="a number"),
    ],
)
def test_a_time_that_no_calendar_has_never_crashes_and_never_looks_like_one(bench: Bench, value: object) -> None:
    rows = bench.read(PROJECTS, bench.file(records(updated_at=value), "rows.parquet"))
    assert rows.faults.keys() == {1} or rows["updated_at"][0].startswith("1970-01-01")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pa.array([2**63 + 1], pa.uint64()), id="unsigned"),
        pytest.param(pa.array([10**37], pa.decimal128(38, 0)), id="38 digits"),
        pytest.param(pa.array([10**70], pa.decimal256(76, 0)), id="71 digits"),
    ],
)
def test_a_number_beyond_64_bits_keeps_its_digits(bench: Bench, value: pa.Array[Any]) -> None:
    rows = bench.accepted(PROJECTS, bench.file(records(registered_capital_usd=value), "rows.parquet"))
    assert rows["registered_capital_usd"] == [str(value[0].as_py())]


def test_5000_columns_are_refused(bench: Bench) -> None:
    columns: dict[str, Any] = {f"c{number}": [1] for number in range(5000)}
    path = bench.file(records(1, **columns), "rows.parquet")
    assert bench.refused(PROJECTS, path).what == "there are too many columns"


def test_two_columns_of_one_name_are_refused(bench: Bench) -> None:
    path = bench.folder / "rows.parquet"
    pq.write_table(projects().append_column("project_code", pa.array(["P2"])), path)
    assert bench.refused(PROJECTS, path).what == "a promised column stands twice"


def test_a_column_of_records_is_refused(bench: Bench) -> None:
    path = bench.file(records(project_name=[{"a": [1]}]), "rows.parquet")
    assert "lists or records" in bench.refused(PROJECTS, path).what
