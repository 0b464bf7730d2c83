from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter
import xlwt

from quality.contract import Contract
from spark_jobs.layouts import ExtractMismatch
from spark_jobs.layouts import workbook as tested
from spark_jobs.layouts.vni import TABLE as VNI
from spark_jobs.layouts.workbook import read
from tests.spark_jobs.books import in_tcvn3
from tests.spark_jobs.layouts.promises import PUPILS, Reading, column, plain, promise, reading

Cell = str | float | bool | date | None
Grid = Sequence[Sequence[Cell]]
HEADINGS: list[Cell] = ["Mã học sinh", "Họ tên", "Ngày sinh", "Điểm"]
AN: list[Cell] = ["01", "Trần Bình An", "05/09/2015", 8.5]
BE: list[Cell] = ["02", "Lê Thị Bé", "31/12/2014", None]

PRICES = promise(
    column("street", "string", "Tên đường"),
    column("home_1", "bigint", "Đất ở / VT1"),
    column("home_2", "bigint", "Đất ở / VT2"),
    column("trade_1", "bigint", "TMDV / VT1"),
    column("note", "string", "Ghi chú", required=False),
)


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    """Writes sheets into an .xlsx and returns its path. `merged`: areas of the first sheet, such as "A1:C1"."""

    def write(sheets: Mapping[str, Grid], merged: Mapping[str, str] | None = None) -> Path:
        path = tmp_path / "lop 3a.xlsx"
        with xlsxwriter.Workbook(path) as workbook:
            day = workbook.add_format({"num_format": "dd/mm/yyyy"})
            for title, grid in sheets.items():
                page = workbook.add_worksheet(title)
                for area, text in (merged or {}).items():
                    page.merge_range(area, text)
                merged = None
                for line, row in enumerate(grid):
                    for place, value in enumerate(row):
                        if isinstance(value, date):
                            page.write_datetime(line, place, value, day)
                        elif isinstance(value, str):
                            page.write_string(line, place, value)
                        elif value is not None:
                            page.write(line, place, value)
        return path

    return write


def refusal(path: Path, contract: Contract) -> ExtractMismatch:
    with pytest.raises(ExtractMismatch) as caught:
        reading(read, path, contract)
    assert str(path) in caught.value.where
    assert "last good version stays" in caught.value.remedy
    return caught.value


def test_rows_are_read_with_their_lines_and_letters(book: Callable[..., Path]) -> None:
    (batch,) = reading(read, book({"Sheet1": [HEADINGS, AN, BE]}), PUPILS).batches
    assert batch.sheet == "Sheet1"
    assert batch.lines == [2, 3]
    assert batch.cells == {"code": "A", "name": "B", "born": "C", "mark": "D"}
    assert plain(batch.columns) == {
        "code": ["01", "02"],
        "name": ["Trần Bình An", "Lê Thị Bé"],
        "born": ["05/09/2015", "31/12/2014"],
        "mark": [8.5, None],
    }


def test_a_heading_is_found_below_titles_in_any_order_and_writing(book: Callable[..., Path]) -> None:
    headings = ["STT", "ngày  sinh", unicodedata.normalize("NFD", "Mã\nhọc sinh"), "Điểm", "HỌ VÀ TÊN"]
    grid = [
        ["SỞ GIÁO DỤC VÀ ĐÀO TẠO"],
        [],
        ["DANH SÁCH HỌC SINH (dữ liệu mô phỏng)"],
        *[[]] * 8,
        headings,
        [1, "05/09/2015", "01", 8, "Trần Bình An"],
    ]
    found = reading(read, book({"Sheet1": grid}), PUPILS)
    assert found.lines == [13]
    assert found.column("name") == ["Trần Bình An"]
    assert found.batches[0].cells == {"born": "B", "code": "C", "mark": "D", "name": "E"}
    assert found.batches[0].unexpected == {}
    assert found.skipped == {"title line": 2}
    assert found.tally.warnings == []


def test_a_heading_below_line_25_is_not_found(book: Callable[..., Path]) -> None:
    refused = refusal(book({"Sheet1": [*[["x"]] * 25, HEADINGS, AN]}), PUPILS)
    assert refused.what == "no sheet has the promised headings in its first 25 lines"
    assert refused.found == "sheets Sheet1"


def test_two_heading_lines_with_merged_cells_are_joined(book: Callable[..., Path]) -> None:
    merged = {"A2:A3": "STT", "B2:B3": "Tên đường", "C2:D2": "Đất ở", "F2:F3": "Ghi chú"}
    grid = [
        ["BẢNG GIÁ ĐẤT"],
        [None, None, None, None, "TMDV"],
        [None, None, "VT1", "VT2", "VT1"],
        [1, "Lê Lợi", 687_200, 343_600, 412_300, "mới"],
    ]
    found = reading(read, book({"Giá": grid}, merged), PRICES)
    assert found.lines == [4]
    assert {name: found.column(name) for name in PRICES.columns} == {
        "street": ["Lê Lợi"],
        "home_1": [687_200],
        "home_2": [343_600],
        "trade_1": [412_300],
        "note": ["mới"],
    }
    assert found.skipped == {"title line": 1}


def test_two_heading_lines_without_merged_cells_are_joined(book: Callable[..., Path]) -> None:
    grid = [
        ["Tên đường", "Đất ở", None, "TMDV", "Ghi chú"],
        [None, "VT1", "VT2", "VT1", None],
        ["Lê Lợi", 4, 3, 2, None],
    ]
    found = reading(read, book({"Giá": grid}), PRICES)
    assert [found.column(name) for name in ("street", "home_1", "home_2", "trade_1")] == [["Lê Lợi"], [4], [3], [2]]


def test_either_of_two_heading_lines_may_be_what_is_promised(book: Callable[..., Path]) -> None:
    wanted = promise(
        column("street", "string", "Tên đường"), column("area", "double", "Diện tích"), column("start", "string", "Từ")
    )
    grid = [["Tên đường", "Diện tích", "Đoạn"], [None, "(m2)", "Từ"], ["Lê Lợi", 12.5, "Trọn đường"]]
    found = reading(read, book({"Giá": grid}), wanted)
    assert (found.column("area"), found.column("start"), found.lines) == ([12.5], ["Trọn đường"], [3])


@pytest.mark.parametrize(
    ("below", "kind"),
    [
        (["(1)", "(2)", "(3)", "(4)"], "line of column numbers"),
        ([1, 2, 3, 4], "line of column numbers"),
        (["A", "B", 1, "2=1x3"], "line of column numbers"),
        (["(mã)", "(họ tên)", "(ngày)", "(0-10)"], "line of units"),
    ],
)
def test_a_line_of_numbers_or_units_under_the_heading_is_no_data(
    book: Callable[..., Path], below: Sequence[Cell], kind: str
) -> None:
    found = reading(read, book({"Sheet1": [HEADINGS, below, AN]}), PUPILS)
    assert found.lines == [3]
    assert found.skipped == {kind: 1}


def test_look_up_sheets_and_empty_ones_are_counted_and_several_sheets_of_data_are_read(
    book: Callable[..., Path],
) -> None:
    sheets = {
        "Lớp 1": [HEADINGS, AN],
        "DM_DANTOC": [["Mã", "Dân tộc"], ["01", "Kinh"]],
        "Trống": [],
        "Lớp 2": [["Danh sách"], HEADINGS, BE],
    }
    found = reading(read, book(sheets), PUPILS)
    assert [(batch.sheet, list(batch.lines)) for batch in found.batches] == [("Lớp 1", [2]), ("Lớp 2", [3])]
    assert found.skipped == {"look-up sheet": 1, "empty sheet": 1, "title line": 1}
    assert found.tally.units == {"Lớp 1": set(), "Lớp 2": set()}


def test_a_sheet_with_few_of_the_promised_headings_is_warned_of(book: Callable[..., Path]) -> None:
    wanted = promise(*PUPILS.columns.values(), column("ward", "string", "Phường"))
    whole = [[*HEADINGS, "Phường"], [*AN, "Bến Thành"]]
    path = book({"Lớp 1": whole, "Lớp 2": [["Mã học sinh", "Họ tên", "Sinh", "Kết quả"], AN]})
    found = reading(read, path, wanted)
    assert found.tally.warnings == [f"{path}, sheet Lớp 2 was taken for a look-up list: only 2 of 5 promised headings"]


def test_a_promised_sheet_that_is_missing_is_refused(book: Callable[..., Path]) -> None:
    wanted = promise(*PUPILS.columns.values(), sheets=["Khu vực 1", "Khu vực 2"])
    refused = refusal(book({"Khu vực 1": [HEADINGS, AN]}), wanted)
    assert refused.what == "promised sheet missing: Khu vực 2"
    assert refused.found == "sheets Khu vực 1"


def test_a_promised_sheet_without_its_headings_is_refused_rather_than_taken_for_a_look_up_list(
    book: Callable[..., Path],
) -> None:
    wanted = promise(*PUPILS.columns.values(), sheets=["Sheet1"])
    refused = refusal(book({"Sheet1": [["Mã HS", "Tên"], ["01", "An"]]}), wanted)
    assert "missing" in refused.what


def test_a_renamed_column_is_refused_with_both_names(book: Callable[..., Path]) -> None:
    path = book({"Sheet1": [["Danh sách"], ["Ma HS", *HEADINGS[1:]], AN]})
    refused = refusal(path, PUPILS)
    assert refused.what == "a promised column is missing: 'Mã học sinh'"
    assert refused.where == f"{path}, sheet Sheet1, heading in line 2"
    assert "'Ma HS' looks like 'Mã học sinh'" in refused.found


def test_an_added_column_is_kept_apart_and_warned_of(book: Callable[..., Path]) -> None:
    path = book({"Sheet1": [[*HEADINGS, "Số điện thoại"], [*AN, "0900000000"]]})
    found = reading(read, path, PUPILS)
    assert found.batches[0].unexpected == {"Số điện thoại": ["0900000000"]}
    assert found.tally.warnings == [
        f"{path}, sheet Sheet1 has columns that the contract does not know: 'Số điện thoại' (E)"
    ]


def test_values_below_no_heading_are_refused_with_their_cell(book: Callable[..., Path]) -> None:
    refused = refusal(book({"Sheet1": [HEADINGS, AN, [*BE, None, "?"]]}), PUPILS)
    assert refused.what == "a column with values has no heading"
    assert refused.where.endswith("cell F3")


def test_a_column_that_stands_twice_is_refused(book: Callable[..., Path]) -> None:
    assert "stands twice" in refusal(book({"Sheet1": [[*HEADINGS, "Họ và tên"], AN]}), PUPILS).what


def test_what_stands_around_the_data_is_counted_and_left_out(book: Callable[..., Path]) -> None:
    grid: Grid = [
        ["STT", *HEADINGS],
        ["I", "LỚP 3A"],
        [1, *AN],
        [None, "Cộng", None, None, 8.5],
        [],
        ["II. LỚP 3B"],
        [2, *BE],
        [3],
        ["Tổng cộng", None, None, None, 8.5],
        [],
        [None, "Ghi chú: số liệu đến 31/5"],
        [None, None, None, "Thành phố Hồ Chí Minh, ngày 05 tháng 6 năm 2026"],
        [None, "Người lập biểu", None, "KT. HIỆU TRƯỞNG"],
        [None, "(Ký, ghi rõ họ tên)", None, "PHÓ HIỆU TRƯỞNG"],
        [],
        [None, "Trần Văn A", None, "Lê Thị B"],
        [None, "Nơi nhận:"],
        [None, "- Như trên;"],
    ]
    found = reading(read, book({"Sheet1": grid}), PUPILS)
    assert found.lines == [3, 7]
    assert found.skipped == {"group heading": 2, "subtotal": 2, "blank line": 1, "note": 1, "signature": 6}


def test_a_full_row_is_data_whatever_it_says(book: Callable[..., Path]) -> None:
    grid: Grid = [
        HEADINGS,
        ["Cộng", "Tổng cộng", "05/09/2015", 1],
        ["Giám đốc", "Người lập biểu", "ngày 1 tháng 2 năm 2026", None],
    ]
    assert reading(read, book({"Sheet1": grid}), PUPILS).lines == [2, 3]


@pytest.mark.parametrize("name", ["Công", "Tống", "Giám", "Cộng Hòa"])
def test_a_name_that_resembles_a_subtotal_is_kept_also_in_an_incomplete_row(
    book: Callable[..., Path], name: str
) -> None:
    found = reading(read, book({"Sheet1": [HEADINGS, [None, name, "05/09/2015", 4]]}), PUPILS)
    assert found.column("name") == [name]


def test_what_looks_like_a_signature_is_data_when_data_comes_below_it(book: Callable[..., Path]) -> None:
    grid: Grid = [HEADINGS, AN, [None, "Giám đốc", "05/09/2015"], BE, ["Giám đốc"]]
    found = reading(read, book({"Sheet1": grid}), PUPILS)
    assert found.lines == [2, 3, 4]
    assert found.column("name")[1] == "Giám đốc"
    assert found.skipped == {"signature": 1}


def test_a_heading_that_is_repeated_on_every_page_is_no_data(book: Callable[..., Path]) -> None:
    found = reading(read, book({"Sheet1": [HEADINGS, AN, HEADINGS, BE]}), PUPILS)
    assert found.lines == [2, 4]
    assert found.skipped == {"heading repeated": 1}


def test_a_row_with_a_blank_key_is_data(book: Callable[..., Path]) -> None:
    found = reading(read, book({"Sheet1": [HEADINGS, [None, *AN[1:]]]}), PUPILS)
    assert found.column("code") == [None]


def test_native_values_stay_native_and_whole_numbers_are_int(book: Callable[..., Path]) -> None:
    grid: Grid = [
        HEADINGS,
        [12.0, True, date(2015, 9, 5), 8.0],
        [79_012_345_678, "\u00a0Lê\u00a0Thị Bé ", datetime(2015, 9, 5, 7, 30), 0.1],  # noqa: DTZ001  cells have no zone
        [3, unicodedata.normalize("NFD", "Bé"), 42_252, "\u00a0"],
    ]
    found = reading(read, book({"Sheet1": grid}), PUPILS)
    assert found.column("code") == [12, 79_012_345_678, 3]
    assert [type(value) for value in found.column("code")] == [int, int, int]
    assert found.column("name") == [True, "Lê Thị Bé", "Bé"]
    assert found.column("born") == [date(2015, 9, 5), datetime(2015, 9, 5, 7, 30), 42_252]  # noqa: DTZ001
    assert found.column("mark") == [8, 0.1, None]


def test_formulas_come_as_their_last_result_and_links_as_their_text(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        page = workbook.add_worksheet("Sheet1")
        page.write_row(0, 0, HEADINGS)
        page.write_row(1, 0, AN)
        page.write_url(1, 1, "https://example.org/1", string="Trần Bình An")
        page.write_formula(1, 3, "=4+4.5", value=8.5)
    found = reading(read, path, PUPILS)
    assert (found.column("name"), found.column("mark")) == (["Trần Bình An"], [8.5])


def test_a_cell_with_an_error_is_a_fault_and_keeps_its_text(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        page = workbook.add_worksheet("Sheet1")
        page.write_row(0, 0, HEADINGS)
        page.write_row(1, 0, AN)
        page.write_row(2, 0, BE)
        page.write_formula(2, 3, "=1/0", value="#DIV/0!")
        page.write_formula(3, 0, "=NA()", value="#N/A")
    (batch,) = reading(read, path, PUPILS).batches
    assert plain(batch.columns)["mark"] == [8.5, "#DIV/0!", None]
    assert batch.faults == {
        "mark": {1: "a value, not an Excel error"},
        "code": {2: "a value, not an Excel error"},
    }


def test_a_text_merged_over_several_lines_holds_for_each_and_a_number_only_once(book: Callable[..., Path]) -> None:
    grid: Grid = [
        ["Tên đường", "Đất ở / VT1", "Đất ở / VT2", "TMDV / VT1", "Ghi chú"],
        [None, 5, 1, None, None],
        [None, 6, 2, None, None],
        ["Hàm Nghi", 7, 3, 9, None],
    ]
    found = reading(read, book({"Giá": grid}, {"A2:A3": "Lê Lợi", "D2:D3": "8"}), PRICES)
    assert found.column("street") == ["Lê Lợi", "Lê Lợi", "Hàm Nghi"]
    assert found.column("trade_1") == ["8", None, 9]


def test_a_million_empty_rows_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        page = workbook.add_worksheet("Sheet1")
        page.write_row(0, 0, HEADINGS)
        page.write_row(1, 0, AN)
        page.write_row(1_048_575, 0, ["", "\u00a0"], workbook.add_format({"bold": True}))
    found = reading(read, path, PUPILS)
    assert found.lines == [2]
    assert found.skipped == {}


def test_batches_are_of_bounded_size(book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "ROWS", 2)
    found = reading(read, book({"Sheet1": [HEADINGS, *[[str(n), "An", "05/09/2015", n] for n in range(5)]]}), PUPILS)
    assert [list(batch.lines) for batch in found.batches] == [[2, 3], [4, 5], [6]]
    assert found.column("mark") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("encode", [in_tcvn3, lambda text: text.translate({ord(v): k for k, v in VNI.items()})])
def test_an_xls_in_an_old_encoding_is_read(tmp_path: Path, encode: Callable[[str], str]) -> None:
    path = tmp_path / "book.xls"
    workbook = xlwt.Workbook()
    page = workbook.add_sheet("Sheet1")
    grid: Grid = [[str(heading).lower() for heading in HEADINGS], ["01", "trần bình an", "05/09/2015", 8]]
    for line, row in enumerate(grid):
        for place, value in enumerate(row):
            page.write(line, place, encode(value) if isinstance(value, str) else value)
    workbook.save(str(path))
    found = reading(read, path, PUPILS)
    assert (found.column("name"), found.column("mark"), found.lines) == (["trần bình an"], [8], [2])


def test_a_book_without_sheets_of_data_is_refused_with_what_it_has(book: Callable[..., Path]) -> None:
    refused = refusal(book({"Bìa": [["Bìa"]], "Trống": []}), PUPILS)
    assert refused.found == "sheets Bìa, Trống"
    assert "'Mã học sinh'" in refused.expected


def test_everything_read_is_accounted_for(book: Callable[..., Path]) -> None:
    """Every line that is not blank at the end is a row of data, the heading, or counted."""
    grid: Grid = [["Danh sách"], HEADINGS, AN, [], BE, ["Cộng", None, None, 8.5], ["Giám đốc"]]
    found: Reading = reading(read, book({"Sheet1": grid}), PUPILS)
    assert len(found.lines) + sum(found.skipped.values()) + 1 == len(grid)
