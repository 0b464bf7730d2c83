"""The simulated Department of Agriculture and Environment: map sheets of parcels, and tables of land prices.

    ban-do/<ward>/DC<sheet>_TL<scale>.geojson    two wards of three; EPSG:9210, in former Bà Rịa - Vũng Tàu EPSG:5899
    ban-do/<ward>/DC<sheet>_TL<scale>.zip        the third: a Shapefile, its text TCVN3, in every fourth of them UTF-8
    gia-dat/<year>/Bang gia dat <year>.xlsx

Months 1 to 4 are 2026-07 to 2026-10. Every month a twentieth of the sheets comes anew, a fifth of their parcels
changed: split, used otherwise, of another owner. In month 2 one sheet (`missing_sheet`) is not there; it comes late, in
month 3, which also brings a correction of the prices of 2025. In month 4 the draft prices of 2027 come. All else keeps
its bytes and its time. One parcel of 400 is bad: a polygon that crosses itself, a ward nobody knows, no number,
31 February, an identifier twice, an area in words (in a Shapefile: too wide for its field).

Sheets say the ward code of their parcels as it was before 2025-07-01 (55 %), as it is since (35 %), or either; the
number of a sheet inside is the former ward's, so it repeats within a ward. File names count within the ward.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from infra.departments.cadastre.parcels import Sheet, changed, parcels_of, sheets, wards
from infra.departments.cadastre.prices import price_tables
from infra.departments.cadastre.writing import geojson, shapefile

MISSING_IN, LATE_IN = 2, 3  # months
SHAPEFILES_EVERY, UTF8_EVERY = 3, 4  # wards; of those with Shapefiles
_TIMES = (
    datetime(2025, 12, 31, 17, tzinfo=UTC),  # before the first month
    datetime(2026, 7, 31, 11, tzinfo=UTC),
    datetime(2026, 8, 31, 11, tzinfo=UTC),
    datetime(2026, 9, 30, 11, tzinfo=UTC),
    datetime(2026, 10, 31, 11, tzinfo=UTC),
)


def deliver(size: str, period: int, folder: Path) -> None:
    """Lay out what the department offers as of a month, or bring it up to that; what is right already stays untouched.

    A file is complete and dated before it gets its name, so one that has its name and date is the right one.
    """
    missing = missing_sheet(size)
    for ward in wards(size):
        wanted = {}
        for sheet in (sheet for sheet in sheets(size) if sheet.ward is ward):
            path, version = folder / name_of(sheet), _version(size, sheet, period)
            if sheet == missing and period == MISSING_IN:
                path.unlink(missing_ok=True)
            elif not _is_from(path, _TIMES[version]):
                wanted[sheet.place] = version
        for sheet, parcels in parcels_of(size, ward, wanted) if wanted else ():
            name, at = name_of(sheet), _TIMES[wanted[sheet.place]]
            is_map, tcvn3 = name.endswith(".geojson"), bool(ward.place // SHAPEFILES_EVERY % UTF8_EVERY)
            stem = Path(name).stem
            content = geojson(sheet, parcels) if is_map else shapefile(sheet, parcels, stem, tcvn3=tcvn3, at=at)
            _lay(folder / name, content, at)
    for table in price_tables(size):
        path = folder / "gia-dat" / str(table.year) / f"Bang gia dat {table.year}.xlsx"
        versions = [version for version in table.versions if version <= period]
        if not versions:
            path.unlink(missing_ok=True)
        elif not _is_from(path, _TIMES[versions[-1]]):
            _lay(path, table.content(versions[-1], _TIMES[versions[-1]]), _TIMES[versions[-1]])


def name_of(sheet: Sheet) -> str:
    """Its path below the department's folder."""
    ending = "zip" if sheet.ward.place % SHAPEFILES_EVERY == SHAPEFILES_EVERY - 1 else "geojson"
    return f"ban-do/{sheet.ward.slug}/DC{sheet.number}_TL{sheet.scale}.{ending}"


def missing_sheet(size: str) -> Sheet:
    """The sheet that is not there in month 2; it changed in month 3."""
    return sheets(size)[min(changed(size, LATE_IN))]


def _version(size: str, sheet: Sheet, period: int) -> int:
    """The month from which a sheet is."""
    return max(month for month in range(1, period + 1) if month == 1 or sheet.place in changed(size, month))


def _is_from(path: Path, at: datetime) -> bool:
    return path.is_file() and path.stat().st_mtime == at.timestamp()


def _lay(path: Path, content: bytes, at: datetime) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    os.utime(new, (at.timestamp(), at.timestamp()))
    new.replace(path)
