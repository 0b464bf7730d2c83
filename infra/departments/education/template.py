"""The ministry's template C1-HocSinh as wards fill it in: three versions of it, and the headings in any of twelve rows.

Versions differ in the order of the columns, in headings (line breaks, composed or decomposed letters), in how sex is
written (Nam/Nữ or 01/02) and in what a date is (text, a date, or the bare number that Excel keeps for it).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import xlsxwriter

from infra.departments.education import codes
from infra.departments.education.city import City, Ward
from infra.departments.education.pupils import Rows

SIMULATED = "dữ liệu mô phỏng"
SHEET = "Sheet1"
HEADER_ROWS = 12
DATES = ("birth_date", "status_date", "admission_date")
OPTIONS = {"constant_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}

HEADINGS = {
    "school_code": "Mã trường",
    "grade": "Khối",
    "class_code": "Mã lớp",
    "pupil_code": "Mã học sinh",
    "full_name": "Họ tên",
    "birth_date": "Ngày sinh",
    "sex": "Giới tính",
    "status": "Trạng thái HS",
    "status_date": "Ngày nhập\ntrạng thái",
    "ethnicity": "Dân tộc",
    "nationality": "Quốc tịch",
    "disability": "Loại khuyết tật",
    "citizen_id": "Số định danh\ncá nhân",
    "policy_category": "Đối tượng\nchính sách",
    "birth_province": "Tỉnh/Thành phố\n(Theo nơi sinh)",
    "home_ward_code": "Mã xã/phường\n(Theo chỗ ở hiện nay)",
    "home_address": "Chỗ ở hiện nay",
    "contact_phone": "Số điện thoại\nliên hệ",
    "father_name": "Họ tên cha",
    "father_birth_year": "Năm sinh cha",
    "mother_name": "Họ tên mẹ",
    "mother_birth_year": "Năm sinh mẹ",
    "admission_date": "Ngày vào trường",
    "sessions_per_week": "Số buổi học\n/tuần",
    "is_boarding": "Học bán trú",
}


@dataclass(frozen=True)
class Version:
    """One version of the template."""

    name: str
    columns: tuple[str, ...]
    renamed: dict[str, str]
    decomposed: frozenset[str]  # columns whose headings are NFD
    dates: str  # text, date or number
    sexes: tuple[str, ...]

    def heading(self, column: str) -> str:
        """As it stands in the sheet."""
        heading = self.renamed.get(column, HEADINGS[column])
        return unicodedata.normalize("NFD", heading) if column in self.decomposed else heading


def _first(*columns: str) -> tuple[str, ...]:
    """All columns, these before the others."""
    return (*columns, *(column for column in HEADINGS if column not in columns))


VERSIONS = (
    Version("2.0", tuple(HEADINGS), {}, frozenset(), "text", codes.SEXES),
    Version(
        "2.1",
        _first("school_code", "class_code", "grade", "pupil_code", "citizen_id", "full_name", "sex", "birth_date"),
        {"full_name": "Họ và tên", "status": "Trạng thái\nhọc sinh", "citizen_id": "Số định danh cá nhân"},
        frozenset(list(HEADINGS)[::2]),
        "date",
        codes.SEX_CODES,
    ),
    Version(
        "3.0",
        _first("pupil_code", "full_name", "birth_date", "sex", "ethnicity", "status", "status_date", "disability"),
        {"class_code": "Mã\nlớp", "full_name": "HỌ TÊN", "father_name": "Họ tên\ncha", "mother_name": "Họ tên\nmẹ"},
        frozenset(HEADINGS),
        "number",
        codes.SEXES,
    ),
)


@dataclass(frozen=True)
class Place:
    """Whose workbook it is: a ward, whose number chooses version and row of the headings, a school year, and when."""

    ward: Ward
    number: int
    year: int
    written: datetime

    @property
    def version(self) -> Version:
        """The version of the template that the ward uses."""
        return VERSIONS[self.number % len(VERSIONS)]

    @property
    def header_row(self) -> int:
        """Where the headings stand, from 1."""
        return self.number * 5 % HEADER_ROWS + 1


def write_pupils(path: Path, city: City, place: Place, rows: Rows) -> None:
    """One workbook: the pupils on the first sheet, row by row, then the sixteen look-up sheets."""
    book = xlsxwriter.Workbook(str(path), OPTIONS)
    mark(book, f"C1-HocSinh {place.year}-{place.year + 1}, {place.ward.full_name}", place.written)
    sheet = book.add_worksheet(SHEET)
    bold = book.add_format({"bold": True, "text_wrap": True})
    for line, title in enumerate(_titles(place)):
        sheet.write_string(line, 0, title, bold)
    top = place.header_row - 1
    for column, heading in enumerate(["STT", *map(place.version.heading, place.version.columns)]):
        sheet.write_string(top, column, heading, bold)
    day = book.add_format({"num_format": "dd/mm/yyyy"}) if place.version.dates == "date" else None
    formats = [day if column in DATES else None for column in place.version.columns]
    columns = [_as_written(place.version, column, rows[column].tolist()) for column in place.version.columns]
    for line, values in enumerate(zip(*columns, strict=True), 1):
        sheet.write_number(top + line, 0, line)
        for column, (value, shape) in enumerate(zip(values, formats, strict=True), 1):
            if value.__class__ is not str:
                sheet.write_number(top + line, column, value, shape)
            elif value:
                sheet.write_string(top + line, column, value)
    for name, listed in codes.look_ups(city).items():
        _write_look_up(book, name, listed)
    book.close()


def mark(book: xlsxwriter.Workbook, title: str, written: datetime) -> None:
    """Say in the book's properties that it is simulated, and when it was written; else the clock would."""
    book.set_properties({"title": title, "comments": SIMULATED, "created": written.replace(tzinfo=None)})


def _titles(place: Place) -> list[str]:
    """As many lines as there are above the headings; the last is blank if there are three or more."""
    lines = [
        f"DANH SÁCH HỌC SINH NĂM HỌC {place.year}-{place.year + 1} ({SIMULATED})",
        f"{place.ward.full_name}, Thành phố Hồ Chí Minh",
        "Mẫu C1-HocSinh, phiên bản " + place.version.name,
        *(f"Ghi chú {number}: xem trang danh mục trước khi nhập" for number in range(1, HEADER_ROWS)),
    ][: place.header_row - 1]
    return [*lines[:-1], ""] if len(lines) > 2 else lines  # noqa: PLR2004


def _as_written(version: Version, column: str, values: list[object]) -> list[object]:
    if column == "sex":
        return [version.sexes[int(value == 1)] for value in values]
    if column in DATES and version.dates == "text":
        days = _days()
        return [value if isinstance(value, str) else days[value] for value in values]  # type: ignore[index]
    if column == "full_name":  # some were typed on a machine that decomposes letters
        return [unicodedata.normalize("NFD", str(v)) if n % 50 == 0 else v for n, v in enumerate(values, 1)]
    return values


def _write_look_up(book: xlsxwriter.Workbook, name: str, values: list[tuple[str, str]]) -> None:
    sheet = book.add_worksheet(name)
    sheet.write_string(0, 0, f"Danh mục {name} ({SIMULATED})")
    sheet.write_string(1, 0, "Mã")
    sheet.write_string(1, 1, "Tên trường dữ liệu")
    for line, (code, value) in enumerate(values, 2):
        sheet.write_string(line, 0, code)
        sheet.write_string(line, 1, value)


@lru_cache
def _days() -> dict[int, str]:
    """Excel's numbers of the days from 2000 to 2029, as dd/mm/yyyy."""
    start = date(2000, 1, 1)
    return {36526 + number: f"{start + timedelta(number):%d/%m/%Y}" for number in range(30 * 365)}
