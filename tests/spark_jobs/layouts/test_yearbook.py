from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from quality.contract import Contract
from spark_jobs.layouts import ExtractMismatch, Tally, layout_named
from spark_jobs.layouts.yearbook import read
from tests.spark_jobs.books import Book, Cell, in_unicode, sheet, zeros
from tests.spark_jobs.layouts.promises import column, plain, promise


@dataclass(frozen=True)
class Row:
    """One row of a batch."""

    sheet: str
    line: int
    values: dict[str, object]
    cells: dict[str, str]


@dataclass(frozen=True)
class Reading:
    rows: list[Row]
    tally: Tally

    @property
    def skipped(self) -> dict[str, int]:
        return dict(self.tally.skipped)


def promising(*sheets: str) -> Contract:
    names = ("province", "disease", "year", "month", "cases", "deaths")
    return promise(*(column(name) for name in names), layout="yearbook", sheets=sheets)


def reading(path: Path, period: str = "2018", *sheets: str) -> Reading:
    tally = Tally()
    rows = []
    for batch in read(path, promising(*sheets), period, tally):
        columns = plain(batch.columns)
        for index, line in enumerate(batch.lines):
            values = {name: values[index] for name, values in columns.items()}
            rows.append(Row(batch.sheet, line, values, dict(batch.cells)))
    return Reading(sorted(rows, key=lambda row: (row.sheet, row.line, str(row.values["month"]).zfill(2))), tally)


def refusal(path: Path, *sheets: str) -> ExtractMismatch:
    with pytest.raises(ExtractMismatch) as caught:
        reading(path, "2018", *sheets)
    assert str(path) in caught.value.where
    assert "last good version stays" in caught.value.remedy
    return caught.value


def totals(found: Reading, disease: str, measure: str = "cases") -> Counter[object]:
    counted: Counter[object] = Counter()
    for row in found.rows:
        value = row.values[measure]
        if row.values["disease"] == disease and isinstance(value, int):
            counted[row.values["province"]] += value
    return counted


def counting(first: int) -> list[Cell]:
    """24 numbers in a row, so that every month and measure has its own."""
    return list(range(first, first + 24))


@pytest.mark.parametrize("year", [2011, 2012, 2013, 2015, 2017])
def test_every_real_yearbook_has_28_diseases_of_63_provinces_in_12_months(yearbooks: Path, year: int) -> None:
    found = reading(yearbooks / f"Nien giam {year}r.xls", str(year), "SXH", "TCM")
    assert len(found.rows) == 28 * 63 * 12
    assert {len(provinces) for provinces in found.tally.units.values()} == {63}
    assert found.skipped == {}


def test_the_real_figures_of_2017_are_read(yearbooks: Path) -> None:
    found = reading(yearbooks / "Nien giam 2017r.xls", "2017")
    dengue, hand_foot_mouth = totals(found, "SXH"), totals(found, "TCM")
    names = ("TP. H.C.M", "Bình Dương", "Bà Rịa -V.Tàu")
    assert [dengue[name] for name in names] == [33_729, 8_487, 2_816]
    assert [hand_foot_mouth[name] for name in names] == [30_825, 4_720, 2_946]


def test_the_three_blank_cells_of_2011_are_not_reported_rather_than_zero(yearbooks: Path) -> None:
    found = reading(yearbooks / "Nien giam 2011r.xls", "2011")
    blank = [row for row in found.rows if None in row.values.values()]
    assert [(row.sheet, row.line, row.values["province"], row.cells["cases"]) for row in blank] == [
        ("Dai", 32, "Quảng Trị", "X"),
        ("Dai", 40, "Ninh Thuận", "X"),
        ("Dai", 57, "Bình Phước", "X"),
    ]


def test_every_value_knows_its_line_and_column(book: Book) -> None:
    rows = reading(book({"SXH": sheet({"Hà Nội": counting(100)})}), "2018").rows
    assert len(rows) == 12
    assert rows[1].line == 3
    assert rows[1].values == {
        "province": "Hà Nội",
        "disease": "SXH",
        "year": 2018,
        "month": 2,
        "cases": 102,
        "deaths": 103,
    }
    assert rows[1].cells == {"province": "A", "cases": "D", "deaths": "E"}


def test_a_book_in_unicode_reads_the_same(book: Book) -> None:
    grid = sheet({"Bình Dương": counting(1), "Đắk Lắk": counting(2)})
    old = reading(book({"SXH": grid}, "old.xls"), "2018").rows
    new = reading(book({"SXH": grid}, "new.xls", encode=in_unicode), "2018").rows
    assert old == new


def test_another_year_may_have_other_rows_columns_sheets_and_order(book: Book) -> None:
    """Nothing but the headings says where things stand."""
    grid = sheet(
        {"Hà Nội": counting(1), "Cả nước": counting(500), "TP. H.C.M": counting(2)},
        months=[12, *range(1, 12)],
        measures="CM",
        above=[["Bộ Y tế"], ["Bảng 7. Sốt xuất huyết"], []],
        below=[
            ["Tổng cộng", *counting(900)],
            [],
            ["Ghi chú: số liệu sơ bộ"],
            [None, None, None, "Hà Nội, ngày 1 tháng 2"],
        ],
    )
    wide = [["TT", *row, *[None] * (25 - len(row)), "Dân số"] if row else [] for row in grid]
    found = reading(book({"Ghi chú": [["Nguồn: Bộ Y tế"]], "Trống": [], "SXH": wide}), "2021", "SXH")
    assert totals(found, "SXH")["TP. H.C.M"] == sum(range(3, 26, 2))
    december, january = found.rows[11], found.rows[0]
    assert (december.values["deaths"], december.values["cases"]) == (1, 2)
    assert (january.values["deaths"], january.values["cases"]) == (3, 4)
    assert (january.line, january.cells) == (6, {"province": "B", "cases": "F", "deaths": "E"})
    assert found.tally.units == {"SXH": {"Hà Nội", "TP. H.C.M"}}
    assert found.skipped == {
        "blank line": 1,
        "empty sheet": 1,
        "note": 2,
        "sheet without months": 1,
        "subtotal": 2,
    }


@pytest.mark.parametrize(
    "label", ["Tổng cộng", "TỔNG SỐ", "Cộng", "Cả nước", "Toàn quốc", "Miền Bắc", "Khu vực phía Nam"]
)
def test_a_line_that_sums_up_others_is_counted_and_left_out(book: Book, label: str) -> None:
    path = book({"SXH": sheet({"Hà Nội": zeros(), label: zeros()})}, encode=in_unicode)
    found = reading(path)
    assert found.tally.units == {"SXH": {"Hà Nội"}}
    assert found.skipped == {"subtotal": 1}


@pytest.mark.parametrize("name", ["Vũng Tàu", "Tổ Hợp"])
def test_a_name_that_only_resembles_a_sum_is_kept(book: Book, name: str) -> None:
    assert reading(book({"SXH": sheet({name: zeros()})}), "2018").tally.units == {"SXH": {name}}


def test_a_province_that_reports_nothing_on_one_sheet_is_no_note(book: Book) -> None:
    silent = sheet({"Hà Nội": zeros(), "Cà Mau": [None] * 24})
    found = reading(book({"SXH": sheet({"Hà Nội": zeros(), "Cà Mau": zeros()}), "TCM": silent}))
    assert len(found.rows) == 48
    assert {row.values["cases"] for row in found.rows if row.sheet == "TCM" and row.line == 4} == {None}


def test_counts_without_a_province_are_not_passed_over(book: Book) -> None:
    grid = [*sheet({"Hà Nội": zeros()}), [None, *counting(1)]]
    rows = reading(book({"SXH": grid}), "2018").rows
    assert [row.values["province"] for row in rows if row.line == 4] == [None] * 12


def test_text_where_a_number_belongs_stays_text(book: Book) -> None:
    values = counting(1)
    values[4] = "nhiều"
    rows = reading(book({"SXH": sheet({"Hà Nội": values})}), "2018").rows
    assert (rows[2].values["cases"], rows[2].cells["cases"]) == ("nhiều", "F")


def test_a_month_that_is_missing_is_named_with_its_sheet(book: Book) -> None:
    eleven = sheet({"Hà Nội": [0] * 22}, months=[*range(1, 7), *range(8, 13)])
    refused = refusal(book({"SXH": sheet({"Hà Nội": zeros()}), "TCM": eleven}))
    assert "sheet TCM" in refused.where
    assert refused.found == "no Tháng 7 M, Tháng 7 C"


def test_a_measure_that_is_missing_is_named(book: Book) -> None:
    grid = sheet({"Hà Nội": zeros()})
    grid[1][2] = None
    assert refusal(book({"SXH": grid})).found == "no Tháng 1 C"


def test_a_thirteenth_month_is_refused(book: Book) -> None:
    path = book({"SXH": sheet({"Hà Nội": [0] * 26}, months=range(1, 14))})
    assert refusal(path).found == "Tháng 13"


def test_promised_sheets_that_are_missing_are_all_named(book: Book) -> None:
    refused = refusal(book({"SXH": sheet({"Hà Nội": zeros()}), "TCM": []}), "SXH", "TCM", "Soi")
    assert refused.what == "promised sheets missing: TCM, Soi"
    assert refused.found == "SXH"


def test_a_province_that_stands_twice_is_refused_with_both_lines(book: Book) -> None:
    grid = [*sheet({"Hà Nội": zeros()}), ["Cà Mau", *zeros()], ["hà  nội", *zeros()]]
    refused = refusal(book({"SXH": grid}))
    assert "sheet SXH, column A, lines 3 and 5" in refused.where


def test_a_layout_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(Exception, match="yearbook"):
        layout_named("almanac")
