"""Workbooks that go back: what is marked, what stays as it was, and that no value becomes a formula."""

from __future__ import annotations

import datetime as dt
import stat
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
import xlwt
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Font

from spark_jobs.returns import marked_workbook
from spark_jobs.returns.marked_workbook import BadRow, Mark, add_rows, copy_of, empty, is_workbook, mark_cells, save
from spark_jobs.returns.summary_sheets import Front, add_front
from tests.spark_jobs.books import in_tcvn3

RED = "00FFC7CE"


NAIVE = dt.datetime.fromisoformat  # cells of Excel have no zone


def mark(cell: str, value: str | None = "?", sheet: str = "Học sinh", column: str = "sex") -> Mark:
    line = int("".join(filter(str.isdigit, cell)) or 0)
    return Mark("ho so.xlsx", sheet, line, column, "Giới tính", cell, value, "phải là một trong: Nam, Nữ")


@pytest.fixture
def pupils(tmp_path: Path) -> Path:
    """A department's own book: two sheets, formats, a formula, a text that looks like one, merged cells, a comment."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Học sinh"
    sheet.append(["Họ tên", "Giới tính", "Ngày sinh"])
    sheet.append(["Trần Thị Bình", "Nữ", dt.date(2015, 9, 5)])
    sheet.append(["Lê Văn Châu", "nu", None])
    sheet["A1"].font = Font(bold=True, name="Arial")
    sheet["C2"].number_format = "dd/mm/yyyy"
    sheet["D2"] = "=1+1"
    sheet["E2"] = "=1+1"
    sheet["E2"].data_type = "s"
    sheet["B3"].comment = Comment("của trường", "trường")
    sheet["A5"] = "chung"
    sheet.merge_cells("A5:A7")
    sheet.column_dimensions["A"].width = 33
    book.create_sheet("Danh mục").append(["Nam", "Nữ"])
    path = tmp_path / "ho so.xlsx"
    book.save(path)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[openpyxl.Workbook], openpyxl.Workbook]:
    """What Excel would see of a book."""

    def saved(book: openpyxl.Workbook) -> openpyxl.Workbook:
        path = tmp_path / "saved.xlsx"
        save(book, path)
        return openpyxl.load_workbook(path)

    return saved


Saved = Callable[[openpyxl.Workbook], openpyxl.Workbook]


def fill_of(cell: Cell | MergedCell) -> str:
    return str(cell.fill.start_color.rgb) if cell.fill.fill_type else ""


def test_a_copy_keeps_every_sheet_value_and_format_and_marks_the_bad_cells(pupils: Path, saved: Saved) -> None:
    book = copy_of(pupils)
    assert book
    mark_cells(book, [mark("B3", "nu")])
    back = saved(book)
    assert back.sheetnames == ["Học sinh", "Danh mục"]
    sheet = back["Học sinh"]
    assert [cell.value for cell in sheet[2]] == ["Trần Thị Bình", "Nữ", NAIVE("2015-09-05"), "=1+1", "=1+1"]
    assert [cell.data_type for cell in sheet[2]] == ["s", "s", "d", "f", "s"]
    assert sheet["A1"].font.b
    assert sheet["C2"].number_format == "dd/mm/yyyy"
    assert sheet.column_dimensions["A"].width == 33
    assert {cell.coordinate for row in sheet for cell in row if fill_of(cell)} == {"B3"}
    assert fill_of(sheet["B3"]) == RED
    assert sheet["B3"].comment
    assert sheet["B3"].comment.text == "của trường\nGiới tính: phải là một trong: Nam, Nữ. Tìm thấy: nu"
    assert sheet.sheet_properties.tabColor
    assert not back["Danh mục"].sheet_properties.tabColor


def test_a_cell_that_breaks_two_rules_says_both(pupils: Path, saved: Saved) -> None:
    book = copy_of(pupils)
    assert book
    mark_cells(book, [mark("B9", None), mark("B9", None)])
    comment = saved(book)["Học sinh"]["B9"].comment
    assert comment
    assert comment.text.count("Tìm thấy: (ô trống)") == 2


def test_of_merged_cells_the_one_with_the_value_is_marked(pupils: Path, saved: Saved) -> None:
    book = copy_of(pupils)
    assert book
    mark_cells(book, [mark("A6", "chung")])
    sheet = saved(book)["Học sinh"]
    assert fill_of(sheet["A5"]) == RED
    assert sheet["A5"].comment


def test_a_masked_value_is_shown_to_its_owner(pupils: Path) -> None:
    book = copy_of(pupils)
    assert book
    known = mark_cells(book, [mark("A3", "***"), mark("C3", "***"), mark("B2", "Nữ")])
    assert [found.value for found in known] == ["Lê Văn Châu", None, "Nữ"]


@pytest.mark.parametrize("where", [mark("", "SXH"), mark("B3", "x", sheet="Không có")])
def test_a_mark_without_a_cell_in_the_book_is_only_listed(pupils: Path, saved: Saved, where: Mark) -> None:
    book = copy_of(pupils)
    assert book
    add_front(book, Front([("Kỳ", "2025-2026")]), mark_cells(book, [where]), linked=True)
    back = saved(book)
    assert not any(fill_of(cell) for row in back["Học sinh"] for cell in row)
    assert back["Trả lại"]["E2"].value == where.value
    assert back["Trả lại"]["C2"].hyperlink is None


def test_the_summary_stands_first_and_the_list_leads_to_the_cells(pupils: Path, saved: Saved) -> None:
    book = copy_of(pupils)
    assert book
    rules = [("Giới tính", 1, "phải là một trong: Nam, Nữ", "Chọn một giá trị")]
    add_front(
        book, Front([("Kỳ", "2025-2026"), ("Số dòng", 7)], rules), mark_cells(book, [mark("B3", "nu")]), linked=True
    )
    back = saved(book)
    assert back.sheetnames == ["Tóm tắt", "Trả lại", "Học sinh", "Danh mục"]
    assert back.active is back.worksheets[0]
    assert [sheet.title for sheet in back.worksheets if sheet.sheet_view.tabSelected] == ["Tóm tắt"]
    summary = back["Tóm tắt"]
    assert [[cell.value for cell in row[:4]] for row in summary] == [
        ["Kỳ", "2025-2026", None, None],
        ["Số dòng", 7, None, None],
        [None] * 4,
        ["Cột", "Số dòng", "Quy tắc", "Việc cần làm"],
        ["Giới tính", 1, "phải là một trong: Nam, Nữ", "Chọn một giá trị"],
    ]
    listed = back["Trả lại"]
    assert [cell.value for cell in listed[2]] == [
        "ho so.xlsx",
        "Học sinh",
        3,
        "Giới tính",
        "nu",
        "phải là một trong: Nam, Nữ",
    ]
    assert listed["C2"].hyperlink.location == "'Học sinh'!B3"


def test_a_sheet_of_theirs_that_is_called_like_ours_stays(pupils: Path, saved: Saved) -> None:
    book = copy_of(pupils)
    assert book
    book["Danh mục"].title = "Tóm tắt"
    add_front(book, Front([("Kỳ", "1")]), [], linked=True)
    back = saved(book)
    assert [back.worksheets[0]["A1"].value, back["Tóm tắt"]["A1"].value] == ["Kỳ", "Nam"]


@pytest.mark.parametrize(
    "value",
    ["=1+1", '=HYPERLINK("http://example.org","x")', "+84 28", "-1+1", "@SUM(A1)", "#N/A", "001", "1e5", "true"],
)
def test_a_text_stays_text_whatever_it_looks_like(saved: Saved, value: str) -> None:
    book = empty()
    bad = Mark("a.csv", "", 2, "name", "=Tên", "Tên", value, "=1+1")
    add_rows(book, "a", {"name": "=Tên"}, [BadRow("a.csv", "", 2, {"name": value})], [bad])
    add_front(book, Front([("=1+1", value)], [(value, 1, value, value)]), [bad], linked=False)
    back = saved(book)
    texts = [back["a"]["D1"], back["a"]["D2"], back["Tóm tắt"]["B1"], back["Tóm tắt"]["A4"], back["Trả lại"]["E2"]]
    assert [cell.value for cell in texts] == ["=Tên", value, value, value, value]
    cells = [cell for sheet in back for row in sheet for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert value[0] not in "=+-@" or back["a"]["D2"].quotePrefix


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7),
        (1.5, 1.5),
        (True, True),
        (None, None),
        (2**60, "1152921504606846976"),
        (float("nan"), "nan"),
        (Decimal("0.10"), "0.10"),
        (NAIVE("2026-07-31 08:00"), NAIVE("2026-07-31 08:00")),
        (dt.datetime(2026, 7, 31, 8, 0, tzinfo=dt.UTC), "2026-07-31 08:00:00+00:00"),
        (dt.date(1215, 6, 15), "1215-06-15"),
        ("a\x00b\x0bc", "a\ufffdb\ufffdc"),
    ],
)
def test_a_value_that_excel_cannot_hold_exactly_is_text(saved: Saved, value: object, found: object) -> None:
    book = empty()
    add_rows(book, "a", {"name": "Tên"}, [BadRow("a.csv", "", 2, {"name": value})], [])
    assert saved(book)["a"]["D2"].value == found


def test_bad_rows_stand_under_their_own_headings_with_their_places(saved: Saved) -> None:
    book = empty()
    headings = {"name": "ho_ten", "sex": "gioi_tinh"}
    rows = [
        BadRow("1/a.csv", "", 5, {"name": "Lê Văn Châu", "sex": "nu"}),
        BadRow("1/a.csv", "", 9, {"name": None, "sex": "Nam"}),
    ]
    marks = [
        Mark("1/a.csv", "", 5, "sex", "Giới tính", "gioi_tinh", "***", "sai"),
        Mark("1/a.csv", "", 9, "name", "Họ tên", "ho_ten", None, "trống"),
        Mark("1/a.csv", "", 9, "gone", "Cột khác", "", "x", "lạ"),
    ]
    assert [m.value for m in add_rows(book, "1/a: [x]?", headings, rows, marks)] == ["nu", None, "x"]
    (sheet,) = saved(book).worksheets
    assert sheet.title == "1 a   x"
    assert [[cell.value for cell in row] for row in sheet] == [
        ["Tệp", "Trang tính", "Dòng", "ho_ten", "gioi_tinh"],
        ["1/a.csv", None, 5, "Lê Văn Châu", "nu"],
        ["1/a.csv", None, 9, None, "Nam"],
    ]
    assert {c.coordinate: c.comment.text for row in sheet for c in row if c.comment} == {
        "E2": "Giới tính: sai. Tìm thấy: nu",
        "D3": "Họ tên: trống. Tìm thấy: (ô trống)",
        "C3": "Cột khác: lạ. Tìm thấy: x",
    }


def test_files_whose_names_begin_alike_have_sheets_of_their_own(saved: Saved) -> None:
    book = empty()
    for name in ("to ban do phuong Ben Nghe so 0001", "to ban do phuong Ben Nghe so 0002", "'", ""):
        add_rows(book, name, {}, [], [])
    titles = saved(book).sheetnames
    assert titles == ["to ban do phuong Ben Nghe so", "to ban do phuong Ben Nghe so1", "Trang", "Trang1"]


def test_an_old_book_comes_back_in_unicode_as_xlsx(tmp_path: Path, saved: Saved) -> None:
    old = xlwt.Workbook()
    sheet = old.add_sheet("SXH")
    for place, text in enumerate(("Tỉnh/T.phố", "Tháng mười", "Bình Phước", "Quảng Trị", "Đắk Lắk")):
        sheet.write(1, place, in_tcvn3(text))
    sheet.write(2, 3, 12)
    sheet.write(2, 4, "=1+1")
    path = tmp_path / "nien giam.xls"
    old.save(str(path))
    assert is_workbook(path)
    book = copy_of(path)
    assert book
    mark_cells(book, [mark("D3", "12", sheet="SXH")])
    back = saved(book)["SXH"]
    assert [cell.value for cell in back[2]] == ["Tỉnh/T.phố", "Tháng mười", "Bình Phước", "Quảng Trị", "Đắk Lắk"]
    assert [back["D3"].value, back["E3"].value, back["E3"].data_type] == [12, "=1+1", "s"]
    assert fill_of(back["D3"]) == RED


def test_a_book_that_openpyxl_cannot_open_comes_as_values(pupils: Path, saved: Saved, tmp_path: Path) -> None:
    broken = tmp_path / "broken.xlsx"
    with zipfile.ZipFile(pupils) as whole, zipfile.ZipFile(broken, "w") as written:
        for name in whole.namelist():
            content = whole.read(name)
            written.writestr(name, content.replace(b"<fonts", b"<foes>") if name == "xl/styles.xml" else content)
    book = copy_of(broken)
    assert book
    assert saved(book)["Học sinh"]["A2"].value == "Trần Thị Bình"


@pytest.mark.parametrize("limit", ["ROWS_AT_MOST", "CELLS_AT_MOST"])
def test_a_book_that_is_too_large_is_not_copied(pupils: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(marked_workbook, limit, 4)
    assert copy_of(pupils) is None


def test_a_zipped_shapefile_and_a_text_are_no_workbooks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("to.shp", b"")
    assert not is_workbook(tmp_path / "a.csv")
    assert not is_workbook(tmp_path / "a.zip")


def test_a_saved_book_is_closed_to_others(tmp_path: Path) -> None:
    book = empty()
    add_front(book, Front([("Kỳ", "1")]), [], linked=False)
    save(book, tmp_path / "a.xlsx")
    assert stat.S_IMODE((tmp_path / "a.xlsx").stat().st_mode) == 0o600
