"""A version of an open table as a workbook: the rows, what the columns mean, and what the table is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from quality.digest import ZONE

if TYPE_CHECKING:
    import pyarrow as pa

    from quality.contract import Contract

MOST_ROWS, LONGEST_TEXT = 1_048_575, 32_767  # of a sheet, without the headings; of a cell
_EXACT_BELOW = 10**15  # a spreadsheet keeps 15 digits of a number
_FIRST_YEAR = 1900  # of its calendar
_MIDNIGHT_1980 = datetime(1980, 1, 1)  # noqa: DTZ001 - what the archive's members say too: no clock in the bytes
_WIDTH = 16


class Xlsx:
    """Texts are written as texts: a code keeps its zeros, and nothing is run as a formula.

    What a sheet cannot hold (`left_out` says it) is not cut: then there is no workbook.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], contract: Contract) -> None:
        """The sheet of rows, with its headings."""
        self.left_out = ""
        self._path, self._contract, self._columns = path, contract, columns
        self._book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)})
        self._book.set_properties({"title": contract.title.vi, "created": _MIDNIGHT_1980})
        self._bold = self._book.add_format({"bold": True})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._wrapped = self._book.add_format({"text_wrap": True, "valign": "top"})
        self._sheet = self._book.add_worksheet("Dữ liệu")
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(columns) - 1, _WIDTH)
        self._sheet.write_row(0, 0, list(columns), self._bold)
        self._next = 1

    def add(self, _table: pa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """The next rows."""
        if not self.left_out and self._next + len(rows) - 1 > MOST_ROWS:
            self.left_out = f"a sheet holds {MOST_ROWS:,} rows at most"
        if self.left_out:
            return
        for row in rows:
            for column, value in enumerate(row):
                if value is not None:
                    self._write(self._next, column, value)
            self._next += 1

    def _write(self, row: int, column: int, value: Any) -> None:
        sheet = self._sheet
        if isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                self.left_out = f"a cell holds {LONGEST_TEXT:,} characters at most"
            sheet.write_string(row, column, value[:LONGEST_TEXT])
        elif isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, date):
            if value.year < _FIRST_YEAR:
                sheet.write_string(row, column, value.isoformat())
            elif isinstance(value, datetime):
                sheet.write_datetime(row, column, value.astimezone(ZONE).replace(tzinfo=None), self._moment)
            else:
                sheet.write_datetime(row, column, value, self._day)
        elif isinstance(value, int) and abs(value) >= _EXACT_BELOW:
            sheet.write_string(row, column, str(value))
        else:
            sheet.write_number(row, column, value)

    def close(self) -> None:
        """The sheets that explain, and the file."""
        if not self.left_out:
            self._sheet.autofilter(0, 0, self._next - 1, len(self._columns) - 1)
        self._explain_columns()
        self._explain_table()
        try:
            self._book.close()
        except FileCreateError as error:  # what the disk said
            raise error.args[0] from error
        if self.left_out:
            self._path.unlink()

    def _explain_columns(self) -> None:
        headings = ("Cột / Column", "Kiểu / Type", "Tên", "Ý nghĩa", "Name", "Meaning")
        described = [(name, kind, self._contract.columns[name]) for name, kind in self._columns.items()]
        self._text_sheet(
            "Từ điển",
            [headings]
            + [
                (name, kind, column.label.vi, column.description.vi, column.label.en, column.description.en)
                for name, kind, column in described
            ],
            widths=(22, 12, 28, 60, 28, 60),
        )

    def _explain_table(self) -> None:
        contract, portal = self._contract, self._contract.portal
        told = [
            ("Bảng / Table", contract.table, contract.table),
            ("Tên / Title", contract.title.vi, contract.title.en),
            ("Nội dung / Contents", contract.description.vi, contract.description.en),
            ("Khóa / Key", ", ".join(contract.key), ", ".join(contract.key)),
        ]
        if portal:
            told += [
                ("Nguồn / Source", portal.source.title.vi, portal.source.title.en),
                ("Địa chỉ nguồn / Address", portal.source.url, portal.source.url),
                ("Giấy phép / Licence", portal.licence, portal.licence),
                *(("Lưu ý / Caution", caution.vi, caution.en) for caution in portal.cautions),
            ]
        self._text_sheet("Giới thiệu", [("", "Tiếng Việt", "English"), *told], widths=(28, 80, 80))

    def _text_sheet(self, name: str, lines: Sequence[tuple[str, ...]], widths: Sequence[int]) -> None:
        sheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        for row, line in enumerate(lines):
            for column, text in enumerate(line):
                sheet.write_string(row, column, text, self._wrapped if row else self._bold)
