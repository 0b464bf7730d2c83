"""Each kind of file, read by a reader of its own."""

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from quality.contract import Column, Contract, Text
from spark_jobs import workbook
from spark_jobs.export import write_files
from spark_jobs.formats import cell, schema

KINDS = {
    "code": "string",
    "count": "int",
    "amount": "bigint",
    "longitude": "double",
    "latitude": "double",
    "is_open": "boolean",
    "day": "date",
    "at": "timestamp",
}
ROWS: list[tuple[Any, ...]] = [
    ("00779", 3, 10**15 + 1, 106.7, 10.77, True, date(2017, 1, 31), datetime(2017, 1, 31, 17, 30, tzinfo=UTC)),
    ("=1+1", None, -5, None, None, None, date(1899, 12, 31), None),
]


@pytest.fixture
def places(clinics: Contract) -> Contract:
    """A table whose rows have a position."""
    columns = {
        name: Column(name, kind, "none", Text(f"Tên {name}", f"Name of {name}"), Text("Ý nghĩa", "Meaning"))
        for name, kind in KINDS.items()
    }
    assert clinics.portal
    portal = dataclasses.replace(clinics.portal, columns=tuple(KINDS), point=("longitude", "latitude"))
    return dataclasses.replace(clinics, columns=columns, portal=portal)


def written(contract: Contract, folder: Path, rows: list[tuple[Any, ...]] = ROWS) -> tuple[dict[str, Path], Any]:
    """The files by kind, and what was left out."""
    values = dict(zip(KINDS, map(list, zip(*rows, strict=True)), strict=True))
    batch = pa.RecordBatch.from_pydict(values, schema=schema(KINDS))
    _, files, left_out = write_files([batch], contract, KINDS, folder)
    return {kind.name: path for kind, path in files}, left_out


def test_a_spreadsheet_keeps_texts_runs_nothing_and_explains_its_columns(places: Contract, tmp_path: Path) -> None:
    files, left_out = written(places, tmp_path)
    assert left_out == {}
    book = openpyxl.load_workbook(files["XLSX"])
    assert book.sheetnames == ["Dữ liệu", "Từ điển", "Giới thiệu"]
    names, first, second = ([cell.value for cell in row] for row in book["Dữ liệu"].iter_rows())
    assert names == list(KINDS)
    assert first == [
        "00779", 3, str(10**15 + 1), 106.7, 10.77, True, datetime(2017, 1, 31), datetime(2017, 2, 1, 0, 30),  # noqa: DTZ001
    ]  # fmt: skip
    assert second == ["=1+1", None, -5, None, None, None, "1899-12-31", None]
    assert next(cell.data_type for cell in next(book["Dữ liệu"].iter_rows(min_row=3))) == "s"
    dictionary = [[cell.value for cell in row] for row in book["Từ điển"].iter_rows()]
    assert dictionary[1] == ["code", "string", "Tên code", "Ý nghĩa", "Name of code", "Meaning"]
    assert len(dictionary) == 1 + len(KINDS)


def test_the_same_rows_make_the_same_spreadsheet(places: Contract, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    first, second = (written(places, folder)[0]["XLSX"].read_bytes() for folder in folders)
    assert first == second


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [("MOST_ROWS", 1, "a sheet holds 1 rows at most"), ("LONGEST_TEXT", 4, "a cell holds 4 characters at most")],
)
def test_what_a_sheet_cannot_hold_is_not_cut(
    places: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, reason: str
) -> None:
    monkeypatch.setattr(workbook, limit, value)
    files, left_out = written(places, tmp_path)
    assert left_out == {"XLSX": reason}
    assert "XLSX" not in files
    assert not list(tmp_path.glob("*.xlsx"))


def test_json_lines_hold_every_value_on_its_row(places: Contract, tmp_path: Path) -> None:
    lines = [
        json.loads(line) for line in written(places, tmp_path)[0]["JSONL"].read_text(encoding="utf-8").splitlines()
    ]
    assert [line["code"] for line in lines] == ["00779", "=1+1"]
    assert lines[0]["amount"] == 10**15 + 1
    assert (lines[0]["day"], lines[0]["at"], lines[1]["at"]) == ("2017-01-31", "2017-02-01T00:30:00+07:00", None)


@pytest.mark.parametrize("kind", ["GeoJSON", "GeoParquet"])
def test_a_map_has_the_point_of_each_row(places: Contract, tmp_path: Path, kind: str) -> None:
    path = written(places, tmp_path)[0][kind]
    if kind == "GeoJSON":
        meta, table = pyogrio.read_arrow(path)
        assert meta["crs"] == "EPSG:4326"
        points = shapely.from_wkb(table["wkb_geometry"].to_pylist())
    else:
        table = pq.read_table(path)
        geo = json.loads(table.schema.metadata[b"geo"])
        assert (geo["version"], geo["columns"]["geometry"]["encoding"]) == ("1.1.0", "WKB")
        points = shapely.from_wkb(table["geometry"].to_pylist())
    assert table["code"].to_pylist() == ["00779", "=1+1"]
    assert [point and (point.x, point.y) for point in points] == [(106.7, 10.77), None]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (-5, -5),
        (date(2017, 1, 31), "2017-01-31"),
        (datetime(2017, 1, 31, 7, 0, tzinfo=UTC), "2017-01-31T07:00:00+00:00"),
        ("-5", "-5"),
        ("+84", "+84"),
        ("-1.234,5 %", "-1.234,5 %"),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("\t=1", "'\t=1"),
        ("Bà Rịa - Vũng Tàu", "Bà Rịa - Vũng Tàu"),
    ],
)
def test_a_cell_of_the_csv_is_plain_and_runs_nothing(value: object, shown: object) -> None:
    assert cell(value) == shown
