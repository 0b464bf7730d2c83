"""Tables of land prices as they are enclosed with a resolution: a sheet a zone, groups of wards, streets by section.

Prices are thousands of dong a square metre. Most cells hold numbers; every third line holds texts ("687.200"), as
tables copied from a document do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np
import xlsxwriter

from infra.departments.cadastre.parcels import SEED, wards
from infra.departments.cadastre.writing import MARK
from infra.departments.names import STREETS

Section = tuple[str, str, str]
Row = tuple[str, str, str, int, int, int]

ROWS = {"test": 60, "demo": 900, "city": 9_000}  # of one table
FIRST_ROW = 7  # below titles and headings, from 0
HEADINGS = ("STT", "Tên đường", "Đoạn từ", "Đoạn đến", "Đất ở", "TMDV", "SXKD")
WIDTHS = (6, 28, 28, 28, 14, 14, 14)
# Of Resolution 87/2025/NQ-HĐND: the dearest land of each zone, and the cheapest; thousand dong a square metre.
ZONES = {"Khu vực 1": ("79", 687_200), "Khu vực 2": ("74", 89_600), "Khu vực 3": ("77", 149_480)}
CHEAPEST = 1_300
LEVELS = {2025: 95, 2026: 100, 2027: 105}  # per cent of the prices of 2026
TRADE, PRODUCTION = 0.6, 0.5  # of the price of land to live on
CORRECTED = 0.02  # lines
BAD = 500  # lines, of which one has no number
WHOLE_STREET = "Trọn đường"


@dataclass(frozen=True)
class Table:
    """The prices of one year. `versions`: the months in which it comes (0: long before), each with other prices."""

    size: str
    year: int
    versions: tuple[int, ...]
    is_draft: bool = False

    def content(self, version: int, at: datetime) -> bytes:
        """The workbook as it came in a month."""
        packed = io.BytesIO()
        with xlsxwriter.Workbook(packed, {"in_memory": True}) as book:
            book.set_properties({"created": at.replace(tzinfo=None), "title": MARK})
            rng = np.random.default_rng([SEED, list(ROWS).index(self.size)])
            sections = iter(_sections(rng))
            for place, (zone, (_, dearest)) in enumerate(ZONES.items()):
                many = ROWS[self.size] * (place + 1) // len(ZONES) - ROWS[self.size] * place // len(ZONES)
                rows = _rows(list(islice(sections, many)), dearest, LEVELS[self.year], rng)
                picks = rng.permutation(many)[: max(1, round(CORRECTED * many))].tolist()
                for row in picks if version != self.versions[0] else ():
                    rows[row] = (*rows[row][:3], *(price * 11 // 10 for price in rows[row][3:]))
                self._write(book, zone, rows)
        return packed.getvalue()

    def _write(self, book: xlsxwriter.Workbook, zone: str, rows: list[Row]) -> None:
        sheet = book.add_worksheet(zone)
        for column, width in enumerate(WIDTHS):
            sheet.set_column(column, column, width)
        draft = " (DỰ THẢO)" if self.is_draft else ""
        sheet.write(0, 0, "ỦY BAN NHÂN DÂN THÀNH PHỐ HỒ CHÍ MINH")
        sheet.merge_range(2, 0, 2, 6, f"BẢNG GIÁ ĐẤT NĂM {self.year}{draft} - {zone.upper()} ({MARK})")
        sheet.write(4, 4, "Đơn vị tính: 1.000 đồng/m²")
        sheet.write_row(FIRST_ROW - 1, 0, HEADINGS)
        groups = [ward.name for ward in wards(self.size) if ward.former_province == ZONES[zone][0]]
        a_group = -(-len(rows) // len(groups))
        line = FIRST_ROW
        for number, (street, start, end, *prices) in enumerate(rows):
            if number % a_group == 0:
                sheet.write(line, 0, _roman(number // a_group + 1))
                sheet.write(line, 1, groups[number // a_group].upper())
                line += 1
            sheet.write_row(line, 0, (number + 1, street, start, end))
            cells: list[str | int] = [_vietnamese(price) for price in prices] if number % 3 == 1 else list(prices)
            if number % BAD == BAD - 1:
                cells[1] = "đang cập nhật"
            sheet.write_row(line, 4, cells)
            line += 1
        sheet.write(line + 1, 1, f"Ghi chú: {MARK}, không dùng để tính nghĩa vụ tài chính.")
        sheet.write(line + 2, 5, "TM. ỦY BAN NHÂN DÂN")
        sheet.write(line + 3, 5, "(Đã ký)")


def price_tables(size: str) -> tuple[Table, ...]:
    """2025, corrected in month 3; 2026; the draft of 2027, in month 4."""
    return (Table(size, 2025, (0, 3)), Table(size, 2026, (0,)), Table(size, 2027, (4,), is_draft=True))


def _sections(rng: np.random.Generator) -> list[Section]:
    """Every section there can be, in some order: from the street seven further to any other, or the whole street."""
    many = len(STREETS)
    found = []
    for pick in rng.permutation(many * (many + 1)).tolist():
        street, end = divmod(pick, many + 1)
        start = (street + 7) % many
        if end == many:
            found.append((STREETS[street], WHOLE_STREET, WHOLE_STREET))
        elif end not in (street, start):
            found.append((STREETS[street], STREETS[start], STREETS[end]))
    return found


def _rows(sections: list[Section], dearest: int, level: int, rng: np.random.Generator) -> list[Row]:
    """Sections with their three prices; the first is the dearest of its zone, the last the cheapest."""
    exponent = rng.random(len(sections)) ** 2
    exponent[0], exponent[-1] = 1, 0
    prices = np.rint(CHEAPEST * (dearest / CHEAPEST) ** exponent / 100).astype(int) * level
    rows = []
    for section, price in zip(sections, prices.tolist(), strict=True):
        trade, production = (max(CHEAPEST, int(price * share)) for share in (TRADE, PRODUCTION))
        rows.append((*section, max(CHEAPEST, price), trade, production))
    return rows


def _vietnamese(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _roman(number: int) -> str:
    signs = {100: "C", 90: "XC", 50: "L", 40: "XL", 10: "X", 9: "IX", 5: "V", 4: "IV", 1: "I"}
    text = ""
    for value, sign in signs.items():
        text, number = text + sign * (number // value), number % value
    return text
