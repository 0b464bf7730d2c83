"""The yearbooks of infectious diseases: one book a year, one sheet a disease, a row a province, two columns a month.

"Tháng 1" … "Tháng 12" stand over "M" (mắc, cases) and "C" (chết, deaths), "Tỉnh/T.phố" over the provinces. Where on
the sheet that is, in which order, in TCVN3 or Unicode, and what else stands around it, differs: it is found, not
assumed. A blank cell is None, "not reported": of the 211,680 cells of the five books at hand three are blank (2011,
sheet Dai, cases of December in Quảng Trị, Ninh Thuận and Bình Phước), while all others write their zeros.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from quality.contract import Contract
from spark_jobs.layouts import AGAIN, Batch, ExtractMismatch, Tally, delivery_of
from spark_jobs.layouts.excel import Grid, letters, read_grids
from spark_jobs.layouts.headings import fold
from spark_jobs.layouts.tcvn3 import from_tcvn3, from_unicode

MONTHS = range(1, 13)
MEASURES = ("cases", "deaths")
HEADER_WITHIN = 15  # lines

_MONTH = re.compile(r"thang\s*0?(\d{1,2})")
_PROVINCE = re.compile(r"(tinh|dia phuong|don vi)\b.*|(t\.?|thanh) ?pho")
_MEASURE = {"m": "cases", "mac": "cases", "so mac": "cases", "c": "deaths", "chet": "deaths", "so chet": "deaths"}
# "vung tau" is a town, the others sum up provinces.
_SUBTOTAL = re.compile(r"(tong|cong|ca nuoc|toan quoc|mien|khu vuc|kv|vung(?! tau))\b.*")


@dataclass(frozen=True)
class Header:
    """Where things stand on a sheet, counted from 0. `cells`: column of (month, measure)."""

    below: int
    province: int
    cells: Mapping[tuple[int, str], int]


@dataclass(frozen=True)
class _Line:
    number: int
    label: str
    values: dict[tuple[int, str], object]


def read(path: Path, contract: Contract, period: str, tally: Tally) -> Iterator[Batch]:
    """Rows of province, disease (the sheet's name), year, month, cases, deaths; a batch is one month of a sheet.

    The contract's sheets must be in the book; more may be. `period` is the year: the sheets themselves do not say it.
    Nothing is yielded before the whole book is found to be right.

    Skipped, and counted: empty sheets, sheets without any month heading that nobody promised, blank lines, lines
    that sum up others, and notes (a line without a number whose label reports nothing on any other sheet).
    """
    found: dict[str, tuple[Header, list[_Line]]] = {}
    for name, grid in read_grids(path).items():
        header, decoded = _find_header(grid)
        if header is None or not decoded:
            tally.skipped["empty sheet" if not _texts(grid) else "sheet without months"] += 1
            continue
        sheet = from_unicode(name).strip()
        _refuse_missing_months(path, sheet, header)
        found[sheet] = (header, list(_lines(decoded, header, tally.skipped)))
    _refuse_missing_sheets(path, delivery_of(contract).sheets, found)
    reporting = {line.label for _, lines in found.values() for line in lines if _has_number(line)}
    for sheet, (header, lines) in found.items():
        notes = [line for line in lines if not _has_number(line) and line.label not in reporting]
        if notes:
            tally.skipped["note"] += len(notes)
            lines[:] = [line for line in lines if line not in notes]
        _refuse_duplicates(path, sheet, header, lines)
    for sheet, (header, lines) in found.items():
        tally.units[sheet] = {line.label for line in lines if _has_number(line)}
        yield from _batches(int(period), sheet, header, lines)


def _find_header(grid: Grid) -> tuple[Header | None, Grid]:
    """The header and the grid in Unicode. The encoding is the one in which more months can be read."""
    best: tuple[Header | None, Grid] = (None, [])
    for decode in (from_unicode, from_tcvn3):
        decoded = [[decode(cell) if isinstance(cell, str) else cell for cell in row] for row in grid]
        header = _header(decoded)
        if header and (best[0] is None or len(header.cells) > len(best[0].cells)):
            best = header, decoded
    return best


def _header(grid: Grid) -> Header | None:
    top = max(range(min(len(grid), HEADER_WITHIN)), key=lambda line: len(_months(grid[line])), default=None)
    if top is None or not _months(grid[top]):
        return None
    below = range(top + 1, min(len(grid), top + 4))  # a blank or a merged line may stand between
    sub = max(below, key=lambda line: sum(fold(cell) in _MEASURE for cell in grid[line]), default=top)
    cells: dict[tuple[int, str], int] = {}
    month: int | None = None
    for column in range(max(len(grid[top]), len(grid[sub]))):
        heading = fold(_cell(grid[top], column))
        if heading:  # merged cells: a heading holds until the next one
            match = _MONTH.fullmatch(heading)
            month = int(match[1]) if match else None
        measure = _MEASURE.get(fold(_cell(grid[sub], column)))
        if month and measure:
            cells.setdefault((month, measure), column)
    return Header(sub + 1, _province_column(grid[: sub + 1], min(cells.values(), default=0)), cells)


def _months(row: list[object]) -> list[int]:
    return [int(match[1]) for cell in row if (match := _MONTH.fullmatch(fold(cell)))]


def _province_column(heading: Grid, first_month: int) -> int:
    """The column headed "Tỉnh/T.phố" or like it, else the last one left of the months."""
    for row in reversed(heading):
        for column, cell in enumerate(row):
            if _PROVINCE.fullmatch(fold(cell)):
                return column
    return max(first_month - 1, 0)


def _lines(grid: Grid, header: Header, skipped: Counter[str]) -> Iterator[_Line]:
    first = min(header.cells.values())
    for number in range(header.below, len(grid)):
        row = grid[number]
        values = {key: _number(_cell(row, column)) for key, column in header.cells.items()}
        label = " ".join(str(_cell(row, header.province) or "").split())
        left = [fold(cell) for cell in row[:first] if isinstance(cell, str)]
        if any(_SUBTOTAL.fullmatch(text) for text in left):
            skipped["subtotal"] += 1
        elif label or any(value is not None for value in values.values()):
            yield _Line(number + 1, label, values)
        else:
            skipped["blank line"] += 1


def _batches(year: int, sheet: str, header: Header, lines: list[_Line]) -> Iterator[Batch]:
    """One a month, for each month has columns of its own."""
    for month in MONTHS:
        yield Batch(
            sheet,
            [line.number for line in lines],
            {
                "province": [line.label or None for line in lines],
                "disease": [sheet] * len(lines),
                "year": [year] * len(lines),
                "month": [month] * len(lines),
                **{measure: [line.values[month, measure] for line in lines] for measure in MEASURES},
            },
            {
                "province": letters(header.province),
                **{measure: letters(header.cells[month, measure]) for measure in MEASURES},
            },
        )


def _number(cell: object) -> object:
    """Counts come as floats; text stays text, for the contract's rules to name it."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, str):
        return cell.strip() or None
    return cell


def _has_number(line: _Line) -> bool:
    return any(isinstance(value, (int, float)) for value in line.values.values())


def _cell(row: list[object], column: int) -> object:
    return row[column] if column < len(row) else ""


def _texts(grid: Grid) -> list[object]:
    return [cell for row in grid for cell in row if cell != ""]


def _refuse_missing_months(path: Path, sheet: str, header: Header) -> None:
    missing = [key for key in ((month, measure) for month in MONTHS for measure in MEASURES) if key not in header.cells]
    strange = sorted({month for month, _ in header.cells if month not in MONTHS})
    if missing or strange:
        names = {"cases": "M", "deaths": "C"}
        gone = ", ".join(f"Tháng {month} {names[measure]}" for month, measure in missing)
        raise ExtractMismatch(
            "a month column is missing" if missing else "there is a month that no year has",
            where=f"{path}, sheet {sheet}, heading in lines 1 to {header.below}",
            expected="Tháng 1 to Tháng 12, each over M (cases) and C (deaths)",
            found=f"no {gone}" if gone else f"Tháng {', '.join(map(str, strange))}",
            remedy=AGAIN,
        )


def _refuse_missing_sheets(path: Path, promised: Collection[str], found: Collection[str]) -> None:
    if missing := [sheet for sheet in promised if sheet not in found]:
        raise ExtractMismatch(
            f"promised sheet{'s' if len(missing) > 1 else ''} missing: {', '.join(missing)}",
            where=str(path),
            expected=f"sheets with data: {', '.join(promised)}",
            found=", ".join(sorted(found)) or "no sheet with months",
            remedy="ask the department for the complete book, or change delivery.sheets of the contract if this is "
            "no longer promised; the last good version stays",
        )


def _refuse_duplicates(path: Path, sheet: str, header: Header, lines: list[_Line]) -> None:
    first: dict[str, _Line] = {}
    for line in lines:
        other = first.setdefault(fold(line.label), line)
        if other is not line and line.label:
            raise ExtractMismatch(
                "a province stands twice",
                where=f"{path}, sheet {sheet}, column {letters(header.province)}, "
                f"lines {other.number} and {line.number}",
                expected="one line a province",
                found=line.label,
                remedy="ask the department which of the two holds; the last good version stays",
            )
