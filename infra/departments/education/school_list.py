"""The list of schools as a workbook for people: titles, headings in two lines, sums of each level, signatures."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xlsxwriter

from infra.departments.education.calendar import moment
from infra.departments.education.city import LEVELS, SEED, SIZES, TEACHERS, City, School, new_school
from infra.departments.education.template import OPTIONS, SIMULATED, mark
from infra.departments.names import people, phones

SHEET = "Danh sách trường"
OPENS = 3  # the period in which one school is new
CHANGED = 0.01  # of the schools, from one period to the next
BAD = 0.002  # rows too many, a share of the schools: preschools without a code yet; at test size none, 1 % is tolerated
PRIVATE = ("Công lập", "Tư thục")
# Heading, and the heading above it that it shares with its neighbours.
HEADINGS = (
    ("STT", ""),
    ("Mã trường", ""),
    ("Tên trường", ""),
    ("Cấp học", ""),
    ("Loại hình", ""),
    ("Mã phường/xã", "Địa bàn"),
    ("Tên phường/xã", "Địa bàn"),
    ("Địa chỉ", "Địa bàn"),
    ("Họ tên hiệu trưởng", "Hiệu trưởng"),
    ("Điện thoại hiệu trưởng", "Hiệu trưởng"),
    ("Số lớp", "Quy mô"),
    ("Số học sinh", "Quy mô"),
    ("Số giáo viên", "Quy mô"),
    ("Diện tích\n(m²)", ""),
    ("Năm thành lập", ""),
)
HEADER_ROW = 4  # from 0; two lines, after the titles and a blank one
FIRST_ROW = 6
SUMS = (10, 11, 12)  # columns: classes, pupils, teachers


def schools_as_of(city: City, period: int) -> list[School]:
    """The schools as of a period: from one to the next a hundredth gets another head, or a few square metres more."""
    schools = list(city.schools)
    for each in range(2, period + 1):
        rng = np.random.default_rng([SEED, 8, SIZES.index(city.size), each])
        count = max(1, round(CHANGED * len(schools)))
        places = rng.choice(len(city.schools), count, replace=False).tolist()
        for place, principal, phone in zip(places, people(rng, count), phones(rng, count), strict=True):
            grown = schools[place].area_m2 + 12.5
            schools[place] = replace(schools[place], principal=principal, phone=phone, area_m2=grown)
    if period >= OPENS:
        schools.append(new_school(city))
    return sorted(schools, key=lambda school: school.code)


def write_schools(path: Path, city: City, period: int) -> None:
    """The workbook of a period."""
    written = moment(city.size, period)
    book = xlsxwriter.Workbook(str(path), {**OPTIONS, "constant_memory": False})
    mark(book, "Danh sách trường", written)
    sheet = book.add_worksheet(SHEET)
    bold = book.add_format({"bold": True, "text_wrap": True, "align": "center"})
    titles = (
        "SỞ GIÁO DỤC VÀ ĐÀO TẠO THÀNH PHỐ HỒ CHÍ MINH",
        "DANH SÁCH TRƯỜNG",
        f"Tháng {written:%m/%Y} ({SIMULATED})",
    )
    for line, title in enumerate(titles):
        sheet.merge_range(line, 0, line, len(HEADINGS) - 1, title, bold)
    _write_headings(sheet, bold)
    line = FIRST_ROW
    schools = schools_as_of(city, period)
    nameless = [replace(school, code="", pupils=0) for school in schools[: round(BAD * len(city.schools))]]
    for level, kind in enumerate(LEVELS):
        rows = [_row(city, school) for school in [*schools, *nameless] if school.level == level]
        for number, row in enumerate(rows, 1):
            sheet.write_number(line, 0, number)
            sheet.write_row(line, 1, row)
            line += 1
        sheet.write_string(line, 0, f"Tổng cộng {kind.name}", bold)
        for column in SUMS:
            sheet.write_number(line, column, sum(row[column - 1] for row in rows), bold)
        line += 1
    sheet.write_string(line + 1, 2, "Người lập biểu", bold)
    sheet.write_string(line + 1, 10, "KT. GIÁM ĐỐC", bold)
    sheet.write_string(line + 2, 10, "PHÓ GIÁM ĐỐC", bold)
    book.close()


def _write_headings(sheet: xlsxwriter.worksheet.Worksheet, bold: xlsxwriter.format.Format) -> None:
    """Two lines: what has no heading above it fills both, what shares one stands below it."""
    above = [name for _, name in HEADINGS]
    for column, (heading, shared) in enumerate(HEADINGS):
        if not shared:
            sheet.merge_range(HEADER_ROW, column, HEADER_ROW + 1, column, heading, bold)
            continue
        if above.index(shared) == column:
            sheet.merge_range(HEADER_ROW, column, HEADER_ROW, column + above.count(shared) - 1, shared, bold)
        sheet.write_string(HEADER_ROW + 1, column, heading, bold)


def _row(city: City, school: School) -> list[Any]:
    """A school as it is written; every third area is a text, as an older list had it."""
    ward = city.wards[school.ward]
    area = f"{school.area_m2:,.1f}".translate(str.maketrans(",.", ".,"))
    return [
        school.code,
        school.name,
        LEVELS[school.level].name,
        PRIVATE[school.is_private],
        ward.code,
        ward.full_name,
        school.address,
        school.principal,
        school.phone,
        school.classes,
        school.pupils,
        math.ceil(school.pupils * TEACHERS),
        area if school.founded_year % 3 == 0 else school.area_m2,
        school.founded_year,
    ]
