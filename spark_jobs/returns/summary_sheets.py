"""The two sheets that stand before the rows of a return: what the delivery is and breaks, and the list of bad cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.worksheet import Worksheet

from spark_jobs.layouts.encoding import tidy
from spark_jobs.returns.marked_workbook import BLANK, Mark, head, lines_of, put

SUMMARY, LIST = "Tóm tắt", "Trả lại"
LISTED = ("Tệp", "Trang tính", "Dòng", "Cột", "Giá trị tìm thấy", "Quy tắc")
COUNTED = ("Cột", "Số dòng", "Quy tắc", "Việc cần làm")
_LINK = Font(color="0563C1", underline="single")
_LINE_HEIGHT = 15  # points


@dataclass(frozen=True)
class Front:
    """What stands on the summary: facts as pairs, and of each column and rule how many rows, the rule, what to do."""

    facts: Sequence[tuple[str, object]]
    rules: Sequence[tuple[str, int, str, str]] = ()


def add_front(book: Workbook, front: Front, marks: Sequence[Mark], *, linked: bool) -> None:
    """Before all other sheets. `linked`: lines of the list lead to their cells, for the book holds them."""
    theirs = {tidy(sheet.title): sheet.title for sheet in book.worksheets}
    for sheet in book.worksheets:
        sheet.sheet_view.tabSelected = False  # sheets that are selected together are edited together
    summary: Worksheet = book.create_sheet(SUMMARY, 0)
    summary.sheet_view.tabSelected = True
    book.active = 0
    _widths(summary, (30, 14, 70, 60))
    for number, (name, value) in enumerate(front.facts, 1):
        put(summary.cell(number, 1), name)
        summary.cell(number, 1).font = Font(bold=True)
        summary.cell(number, 1).alignment = Alignment(vertical="top")
        put(summary.cell(number, 2), value)
        summary.cell(number, 2).alignment = Alignment(wrap_text=True, vertical="top", horizontal="left")
        summary.merge_cells(start_row=number, start_column=2, end_row=number, end_column=4)
        summary.row_dimensions[number].height = _LINE_HEIGHT * lines_of(str(value), 130)
    if front.rules:
        first = len(front.facts) + 2
        head(summary, first, COUNTED)
        for number, rule in enumerate(front.rules, first + 1):
            _line(summary, number, rule)
    if marks:
        _add_list(book.create_sheet(LIST, 1), marks, theirs if linked else {})


def _add_list(listed: Worksheet, marks: Sequence[Mark], sheets: dict[str | None, str]) -> None:
    _widths(listed, (34, 18, 9, 26, 34, 80))
    head(listed, 1, LISTED)
    listed.freeze_panes = "A2"
    for number, mark in enumerate(marks, 2):
        value = BLANK if mark.value is None else mark.value
        _line(listed, number, (mark.file, mark.sheet, mark.line, mark.label, value, mark.rule))
        if mark.cell and (title := sheets.get(tidy(mark.sheet))):
            cell = listed.cell(number, LISTED.index("Dòng") + 1)
            cell.hyperlink = Hyperlink(ref=cell.coordinate, location=f"{quote_sheetname(title)}!{mark.cell}")
            cell.font = _LINK
    listed.auto_filter.ref = f"A1:{get_column_letter(len(LISTED))}{len(marks) + 1}"


def _line(sheet: Worksheet, number: int, values: Sequence[object]) -> None:
    for place, value in enumerate(values, 1):
        cell = sheet.cell(number, place)
        put(cell, value)
        cell.alignment = Alignment(wrap_text=True, vertical="top")


def _widths(sheet: Worksheet, widths: Sequence[int]) -> None:
    for place, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
