"""Workbooks for those who correct a delivery: a copy of their own with the bad cells marked, or the bad rows alone.

Values are written as text or numbers, never as formulas; formulas of a workbook of theirs stay what they are.
"""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from math import isfinite
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from spark_jobs.judging import MASK
from spark_jobs.layouts import ExtractMismatch
from spark_jobs.layouts.encoding import decode_cells, tidy
from spark_jobs.layouts.excel import Grid, read_grids

ROWS_AT_MOST = 60_000
CELLS_AT_MOST = 1_500_000  # 60,000 rows of 25 columns took 860 MB and, on a busy machine, 50 s
OF_ROWS = ("Tệp", "Trang tính", "Dòng")
AUTHOR = "Kho Mở"
BLANK = "(ô trống)"

_BAD = PatternFill("solid", start_color="FFC7CE")
_HEAD = PatternFill("solid", start_color="D9E1F2")
_RED = "FFC00000"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_TITLE_AT_MOST = 28  # Excel takes 31; some are for a number that makes it unique
_EXACT = 2**53
_FIRST_YEAR = 1900  # Excel has no dates before
_ROWS, _CELLS = (b"<row ", b"<x:row "), (b"<c ", b"<x:c ")
_FOREIGN = (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, zipfile.BadZipFile, ParseError)


@dataclass(frozen=True)
class Mark:
    """A cell that breaks a rule, in words. `cell` is "D17", or "" where a workbook has no cell for it."""

    file: str
    sheet: str
    line: int
    column: str
    label: str
    cell: str
    value: str | None
    rule: str


@dataclass(frozen=True)
class BadRow:
    """A row with a bad cell. `values` by column, as found."""

    file: str
    sheet: str
    line: int
    values: Mapping[str, object]


def is_workbook(path: Path) -> bool:
    """Whether a delivered file is an Excel book, whatever it is called."""
    with path.open("rb") as file:
        if file.read(len(_OLE)) == _OLE:
            return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("workbook.xml") for name in archive.namelist())


def copy_of(path: Path) -> Workbook | None:
    """A delivered Excel book, to be marked: with all its formats if it is an .xlsx. None if it is too large for that.

    What openpyxl cannot open although it was read before, and any .xls, comes as values alone.
    """
    if zipfile.is_zipfile(path):
        if _is_too_large(path):
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of extensions that a copy will lack; the delivery has them
                return load_workbook(path)
        except (*_FOREIGN, InvalidFileException):
            pass
    return _values_of(path)


def empty() -> Workbook:
    """A book without sheets."""
    book = Workbook()
    book.remove(book.worksheets[0])
    return book


def mark_cells(book: Workbook, marks: Sequence[Mark]) -> list[Mark]:
    """Fill the cells that are bad and say in a comment why. The marks come back with the values that were masked."""
    sheets = {tidy(sheet.title): sheet for sheet in book.worksheets}
    said: dict[tuple[str, str], list[Mark]] = {}
    known = []
    for mark in marks:
        sheet = sheets.get(tidy(mark.sheet))
        cell = _cell(sheet, mark.cell) if sheet is not None and mark.cell else None
        known.append(_unmasked(mark, cell.value if cell is not None else None))
        if sheet is not None and cell is not None:
            said.setdefault((sheet.title, cell.coordinate), []).append(known[-1])
    for (title, coordinate), some in said.items():
        book[title].sheet_properties.tabColor = _RED
        _mark(book[title][coordinate], some)
    return known


def add_rows(
    book: Workbook, title: str, headings: Mapping[str, str], rows: Iterable[BadRow], marks: Sequence[Mark]
) -> list[Mark]:
    """A sheet of bad rows with where each stands, under their own headings (by column); the bad cells are marked.

    The marks come back with the values that were masked.
    """
    sheet: Worksheet = book.create_sheet(_title(title))
    head(sheet, 1, [*OF_ROWS, *headings.values()])
    sheet.freeze_panes = "D2"
    by_row: dict[tuple[str, str, int], list[Mark]] = {}
    for mark in marks:
        by_row.setdefault((mark.file, mark.sheet, mark.line), []).append(mark)
    places = {column: number for number, column in enumerate(headings, len(OF_ROWS) + 1)}
    known: dict[Mark, Mark] = {}
    for number, row in enumerate(rows, 2):
        for place, value in enumerate((row.file, row.sheet, row.line, *map(row.values.get, headings)), 1):
            put(sheet.cell(number, place), value)
        own: dict[int, list[Mark]] = {}
        for mark in by_row.get((row.file, row.sheet, row.line), []):
            known[mark] = _unmasked(mark, row.values.get(mark.column))
            own.setdefault(places.get(mark.column, len(OF_ROWS)), []).append(known[mark])
        for place, some in own.items():
            _mark(sheet.cell(number, place), some)
    return [known.get(mark, mark) for mark in marks]


def put(cell: Any, value: object) -> None:
    """A value as what it is; anything that Excel might take for a formula, an error or another number is text."""
    if value is None:
        return
    if _is_number_of_excel(value) or _is_time_of_excel(value):
        cell.value = value
    else:
        shown = f"({len(value):,} byte)" if isinstance(value, bytes) else str(value)
        cell.value = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", shown)
        cell.data_type = "s"  # openpyxl takes "=1+1" for a formula and "#N/A" for an error
        cell.quotePrefix = shown.startswith(("=", "+", "-", "@"))  # nor does it become one when the cell is edited


def head(sheet: Worksheet, number: int, texts: Sequence[str]) -> None:
    """A line of headings."""
    for place, text in enumerate(texts, 1):
        cell = sheet.cell(number, place)
        put(cell, text)
        cell.font, cell.fill = Font(bold=True), _HEAD
        cell.alignment = Alignment(wrap_text=True, vertical="center")


def lines_of(text: str, width: int) -> int:
    """How many lines a text takes where one holds `width` characters."""
    return sum(1 + len(line) // width for line in text.split("\n"))


def save(book: Workbook, path: Path) -> None:
    """Readable for its owner alone: it may hold personal data."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        book.save(file)


def _unmasked(mark: Mark, value: object) -> Mark:
    """The file goes back to those whose data these are."""
    return replace(mark, value=None if value is None else str(value)) if mark.value == MASK else mark


def _mark(cell: Any, marks: Sequence[Mark]) -> None:
    lines = [cell.comment.text] if cell.comment else []
    lines += [f"{m.label}: {m.rule}. Tìm thấy: {BLANK if m.value is None else m.value}" for m in marks]
    text = "\n".join(lines)
    cell.fill = _BAD
    cell.comment = Comment(text, AUTHOR, height=24 + 18 * lines_of(text, 48), width=340)


def _cell(sheet: Worksheet, coordinate: str) -> Cell | None:
    """The cell; of merged ones the first, which holds the value."""
    cell = sheet[coordinate]
    if isinstance(cell, MergedCell):
        area = next((area for area in sheet.merged_cells.ranges if coordinate in area), None)
        cell = sheet.cell(area.min_row, area.min_col) if area else None
    return cell if isinstance(cell, Cell) else None


def _is_number_of_excel(value: object) -> bool:
    """Whole numbers beyond lose digits in a cell."""
    return (isinstance(value, int) and abs(value) <= _EXACT) or (isinstance(value, float) and isfinite(value))


def _is_time_of_excel(value: object) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is None and value.year >= _FIRST_YEAR
    return isinstance(value, (time, timedelta)) or (isinstance(value, date) and value.year >= _FIRST_YEAR)


def _is_too_large(path: Path) -> bool:
    rows = cells = 0
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if "worksheets/" not in name or not name.endswith(".xml"):
                continue
            with archive.open(name) as member:
                rest = b""
                while piece := member.read(1 << 20):
                    joined = rest + piece
                    cut = joined.rfind(b"<")  # a tag is not cut in two
                    rows += sum(joined.count(tag, 0, cut) for tag in _ROWS)
                    cells += sum(joined.count(tag, 0, cut) for tag in _CELLS)
                    rest = joined[cut:]
    return rows > ROWS_AT_MOST or cells > CELLS_AT_MOST


def _values_of(path: Path) -> Workbook | None:
    """A new book with the sheets' values, in Unicode if the old one was not."""
    grids = read_grids(path)
    if sum(map(len, grids.values())) > ROWS_AT_MOST:
        return None
    book = empty()
    for name, grid in grids.items():
        sheet: Worksheet = book.create_sheet(_title(name))
        decode = _decoder(grid)
        for number, row in enumerate(grid, 1):
            for place, value in enumerate(row, 1):
                if value != "":
                    put(sheet.cell(number, place), decode(value) if isinstance(value, str) else value)
    return book


def _decoder(grid: Grid) -> Callable[[str], str]:
    try:
        return decode_cells(cell for row in grid for cell in row if isinstance(cell, str))
    except ExtractMismatch:  # words alone do not tell; a person does
        return str


def _title(text: str) -> str:
    """A title that Excel takes; openpyxl makes it unique."""
    return re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", text).strip(" '")[:_TITLE_AT_MOST] or "Trang"
