"""An Excel book as sheets of cells: .xls and .xlsx, and one sentence for every way in which a file can fail to be one.

Formulas come as the values that Excel kept. Cells with an Excel error (#DIV/0!) come out blank; for .xlsx they are
told besides, for .xls the reader (calamine) does not tell them apart.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.layouts import AGAIN, ExtractMismatch
from spark_jobs.layouts.package import Errors, damaged, inspect

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

Row = list[object]
Grid = list[Row]
Area = tuple[tuple[int, int], tuple[int, int]]  # first and last cell: row, column

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # .xls, and whatever Excel encrypts
_ZIP = b"PK\x03\x04"  # .xlsx
_SECTOR = 512  # an OLE file consists of whole sectors
_OTHERS = {b"%PDF": "a PDF", b"{\\rt": "an RTF text", b"\x1f\x8b": "a gzip archive", b"PK\x05\x06": "an empty archive"}


@dataclass(frozen=True)
class Sheet:
    """One sheet. All is counted from 0: row 0 is line 1, column 0 is A. `merged` and `errors`: see the types."""

    name: str
    _cells: CalamineSheet
    errors: Errors

    @property
    def merged(self) -> list[Area]:
        """Cells that are shown as one; the first holds the value."""
        return self._cells.merged_cell_ranges or []

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Rows with their number, from line 1 and column A to the last cell there is; a blank cell is ""."""
        # calamine's iterator begins with line 1, but with the first column that has a value.
        left: Row = [""] * (self._cells.start or (0, 0))[1]
        for number, cells in enumerate(self._cells.iter_rows()):
            yield number, [*left, *cells]


def read_sheets(path: Path) -> Iterator[Sheet]:
    """Every sheet with cells, in the book's order, one at a time."""
    from python_calamine import SheetTypeEnum  # noqa: PLC0415

    content = path.read_bytes()
    _refuse_other_kinds(path, content)
    errors = inspect(path, content) if content.startswith(_ZIP) else {}
    with _told(path, content):
        book = _open(path, content)
        names = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    for name in names:
        with _told(path, content):
            cells = book.get_sheet_by_name(name)
        yield Sheet(name, cells, errors.get(name, {}))


def read_grids(path: Path) -> dict[str, Grid]:
    """Every sheet by its name, in order; row and column 0 are line 1 and column A. An empty sheet is an empty grid."""
    grids: dict[str, Grid] = {}
    for sheet in read_sheets(path):
        grids[sheet.name] = [row for _, row in sheet.rows()]
    return grids


def letters(column: int) -> str:
    """The name Excel gives to a column: 0 is A, 26 is AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


@contextmanager
def _told(path: Path, content: bytes) -> Iterator[None]:
    """What calamine raises, in our words."""
    from python_calamine import CalamineError, PasswordError, ZipError  # noqa: PLC0415

    try:
        yield
    except PasswordError as error:
        raise _protected(path) from error
    except BaseException as error:
        # A book that contradicts itself can make calamine panic, which is no Exception and has no class to import.
        if not isinstance(error, (CalamineError, ZipError)) and type(error).__name__ != "PanicException":
            raise
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise _protected(path) from error
        raise damaged(path, content, error) from error


def _open(path: Path, content: bytes) -> CalamineWorkbook:
    """By what is in it, whatever it is called; by its name where that fails, for the reader then says why."""
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415

    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(content))
    except CalamineError:
        return CalamineWorkbook.from_path(str(path))


def _refuse_other_kinds(path: Path, content: bytes) -> None:
    expected = "an Excel book (.xls or .xlsx)"
    if not content:
        raise ExtractMismatch("the file is empty", where=str(path), expected=expected, found="0 bytes", remedy=AGAIN)
    kind = {_OLE[:4]: ".xls", _ZIP: ".xlsx"}.get(content[:4])
    if kind is None or (kind == ".xls" and content[:8] != _OLE[: len(content[:8])]):
        raise ExtractMismatch(
            "the file is no Excel book",
            where=str(path),
            expected=expected,
            found=_what_it_seems(content),
            remedy="ask the department to save it as .xls or .xlsx and to deliver that; the last good version stays",
        )
    if kind == ".xls" and len(content) % _SECTOR:
        raise ExtractMismatch(
            "the Excel file is cut short",
            where=str(path),
            expected=f"whole sectors of {_SECTOR} bytes",
            found=f"{len(content):,} bytes, the last sector has {len(content) % _SECTOR}",
            remedy=AGAIN,
        )


def _what_it_seems(content: bytes) -> str:
    start = content[:200].lstrip(b"\xef\xbb\xbf \r\n\t")
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            return name
    if re.match(rb"<(!doctype )?html", start, re.IGNORECASE):
        return "a web page (HTML)"
    shown = content[:40].decode("utf-8", "replace")
    return f"text beginning with {shown!r}" if all(c.isprintable() or c.isspace() for c in shown) else "unknown bytes"


def _protected(path: Path) -> ExtractMismatch:
    return ExtractMismatch(
        "the Excel file is protected by a password",
        where=str(path),
        expected="a book that opens without one",
        found="an encrypted book",
        remedy="ask the department for the file without a password; the last good version stays",
    )
