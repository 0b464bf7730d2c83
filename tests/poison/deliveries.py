"""What departments promise here, and the smallest files that keep it, to be poisoned.

The columns are those of the real contracts, fewer of them.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely

from quality.contract import Contract, load_all
from spark_jobs.layouts import delivery_of

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET = "xl/worksheets/sheet1.xml"
BEN_THANH = (603_480.0, 1_191_450.0)  # east, north in EPSG:9210
EPSG_9210 = "urn:ogc:def:crs:EPSG::9210"

HEADINGS = ("Mã trường", "Tên trường", "Cấp học", "Số học sinh", "Diện tích (m²)")
SCHOOL = ("79100001", "Trường Tiểu học Lê Lợi", "Tiểu học", "1.250", "3.200,5")

Members = Mapping[str, bytes | str]


def part_of(table: str, *columns: str, **words: Any) -> Contract:
    """The real contract with these columns only; `words` are other ones of its delivery."""
    contract = _contracts()[table]
    delivery = dataclasses.replace(delivery_of(contract), **words)
    return dataclasses.replace(
        contract, columns={name: contract.columns[name] for name in columns}, key=columns[:1], delivery=delivery
    )


@functools.cache
def _contracts() -> dict[str, Contract]:
    return load_all()


SCHOOLS = part_of("education.schools", "school_code", "school_name", "level", "pupil_count", "area_m2")
SCHOOLS_CSV = part_of("education.schools", *SCHOOLS.columns, layout="delimited", sheets=())
PUPILS_CSV = part_of("education.pupils", "pupil_code", "full_name", "birth_date", layout="delimited", sheets=())
PUPILS = part_of("education.pupils", *PUPILS_CSV.columns)
FACILITIES = part_of("health.facilities", "facility_id", "name", "latitude", "longitude", "ward_code")
PLACED = ("crs_epsg", "longitude", "latitude", "geohash", "located_ward_code", "geodesic_area_m2")
PARCELS = part_of("cadastre.parcels", "parcel_id", "area_m2", "updated_date", "geometry", *PLACED)
PROJECTS = part_of("investment.fdi_projects", "project_code", "project_name", "registered_capital_usd", "updated_at")


def archive(members: Members, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


def book(*rows: str, title: str = "Danh sách trường", more: Members | None = None) -> bytes:
    """An .xlsx of one sheet with these rows of XML. `more`: other members, or the same ones poisoned."""
    return archive(members_of_book("".join(rows), title) | dict(more or {}))


def members_of_book(rows: str, title: str = "Danh sách trường") -> dict[str, bytes | str]:
    """The least that Excel would open."""
    return {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        f'<sheet name="{title}" sheetId="1" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(("s", "worksheet", "worksheets/sheet1.xml")),
        SHEET: f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }


def relations(*found: tuple[str, str, str]) -> str:
    """By id, kind and target."""
    listed = "".join(
        f'<Relationship Id="{number}" Type="{OFFICE}/{kind}" Target="{target}"/>' for number, kind, target in found
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'


def row(line: int, values: Iterable[object], first: str = "A") -> str:
    """A row of XML; text stands in it, anything else is a number or a `Raw` cell's inside."""
    cells = (_cell(f"{chr(ord(first) + index)}{line}", value) for index, value in enumerate(values))
    return f'<row r="{line}">{"".join(cells)}</row>'


class Raw(str):
    """What follows `r="A1"` in a cell, as it is."""

    __slots__ = ()


def _cell(place: str, value: object) -> str:
    if isinstance(value, Raw):
        return f'<c r="{place}"{value}</c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


HEAD = row(1, HEADINGS)


def csv_of(*rows: Sequence[str], headings: Sequence[str] = HEADINGS, end: str = "\n") -> str:
    """Fields parted by semicolons, for decimals have commas."""
    return "".join(";".join(fields) + end for fields in (headings, *rows))


def page(*records: object) -> str:
    """A page of the API."""
    return json.dumps({"page": 1, "pages": 1, "total": len(records), "data": records}, ensure_ascii=False)


FACILITY = {"ma_co_so": "1", "ten": "Trạm y tế", "toa_do": {"vi_do": 10.77, "kinh_do": 106.7}, "ma_xa": "26734"}


def square(east: float, north: float, side: float = 10) -> list[list[float]]:
    return [[east, north], [east + side, north], [east + side, north + side], [east, north + side], [east, north]]


def feature(rings: object, number: int = 1) -> dict[str, object]:
    """A parcel."""
    values = {"THUADATID": f"{number:013d}", "DienTich": 100.5, "CapNhat": "01/07/2026"}
    return {"type": "Feature", "properties": values, "geometry": {"type": "Polygon", "coordinates": rings}}


def sheet_of(*features: object, crs: object = EPSG_9210) -> str:
    """A map sheet as GeoJSON."""
    stated = {"type": "name", "properties": {"name": crs}} if isinstance(crs, str) else crs
    return json.dumps({"type": "FeatureCollection", "crs": stated, "features": features})


def shapefile(crs: str = "EPSG:9210", at: tuple[float, float] = BEN_THANH) -> dict[str, bytes]:
    """The parts of a Shapefile with one parcel, by ending."""
    table = pa.table(
        {
            "THUADATID": ["0000000000001"],
            "DienTich": [100.5],
            "CapNhat": ["01/07/2026"],
            "geometry": pa.array([shapely.Polygon(square(*at)).wkb], pa.binary()),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "x.shp"
        pyogrio.write_arrow(
            table,
            target,
            driver="ESRI Shapefile",
            geometry_name="geometry",
            geometry_type="Polygon",
            crs=crs,
            encoding="UTF-8",
        )
        return {path.suffix: path.read_bytes() for path in Path(folder).iterdir()}


def zipped(parts: Mapping[str, bytes], stem: str = "to-12") -> bytes:
    """Parts of one Shapefile in an archive."""
    return archive({f"{stem}{ending}": content for ending, content in parts.items()})


def projects(rows: int = 1, **columns: Any) -> pa.Table:
    """What a department's database gave: good rows, but for these columns."""
    good: dict[str, Any] = {
        "project_code": pa.repeat("P1", rows),
        "project_name": pa.repeat("Nhà máy", rows),
        "registered_capital_usd": pa.repeat(1.5, rows),
        "updated_at": pa.repeat(datetime(2026, 7, 1, tzinfo=UTC), rows),
    }
    return pa.table(good | columns)


def records(rows: int = 1, **columns: Any) -> bytes:
    """The same as a file, as the sql connector writes it."""
    file = io.BytesIO()
    pq.write_table(projects(rows, **columns), file)
    return file.getvalue()
