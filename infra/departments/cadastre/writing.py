"""Map sheets as the department's software writes them: GeoJSON, or a zipped Shapefile with TCVN3 or UTF-8 text.

Both are put together as text and arrays of fixed shape, a sheet at a time: the city has 4.3 million parcels.
"""

from __future__ import annotations

import io
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pyproj

from infra.departments.cadastre.parcels import Corners, Parcels, Sheet, areas

MARK = "dữ liệu mô phỏng"
UNKNOWN_WARD = "99999"

# Upper half of TCVN 5712:1993 as TCVN3 fonts use it. Capitals with a tone have no code: fonts draw small letters so.
_TCVN3 = {
    0xA1: "ĂÂÊÔƠƯĐăâêôơưđ",
    0xB5: "àảãáạ",
    0xBB: "ằẳẵắ",
    0xC6: "ặầẩẫấậ",
    0xCC: "è",
    0xCE: "ẻẽéẹềểễếệìỉ",
    0xDC: "ĩíịò",
    0xE1: "ỏõóọồổỗốộờởỡớợù",
    0xF1: "ủũúụừửữứựỳỷỹýỵ",
}
_CODES = {letter: first + step for first, letters in _TCVN3.items() for step, letter in enumerate(letters)}
_TO_TCVN3 = str.maketrans({letter.upper(): code for letter, code in _CODES.items()} | _CODES)

_FEATURE = (
    '{"type":"Feature","properties":{"THUADATID":"%s","OBJECTID":%d,"MaXa":"%s","SoThuTuThua":%s,"SoHieuToBanDo":"%s",'
    '"DiaChi":"%s","DienTich":%s,"DTPhapLy":%s,"KyHieuMucDichSuDung":"%s","TenChu":%s,"SoGCN":%s,"DangTranhChap":%s,'
    '"ThuaGocID":%s,"CapNhat":"%s","GhiChu":"' + MARK + '"},"geometry":{"type":"Polygon","coordinates":'
    "[[[%.2f,%.2f],[%.2f,%.2f],[%.2f,%.2f],[%.2f,%.2f],[%.2f,%.2f]]]}}"
)
# Name, type, width, decimals; names are cut at ten characters, as the format demands.
_FIELDS = (
    ("THUADATID", "C", 16, 0),
    ("OBJECTID", "N", 9, 0),
    ("MaXa", "C", 5, 0),
    ("SoThuTuThu", "N", 6, 0),
    ("SoHieuToBa", "C", 8, 0),
    ("DiaChi", "C", 80, 0),
    ("DienTich", "N", 12, 1),
    ("DTPhapLy", "N", 12, 1),
    ("KyHieuMucD", "C", 12, 0),
    ("TenChu", "C", 50, 0),
    ("SoGCN", "C", 12, 0),
    ("DangTranhC", "L", 1, 0),
    ("ThuaGocID", "C", 16, 0),
    ("CapNhat", "D", 8, 0),
    ("GhiChu", "C", 24, 0),
)
_RECORD = " " + "".join(f"%{width}.{width}s" if kind == "N" else f"%-{width}.{width}s" for _, kind, width, _ in _FIELDS)
_SHAPE = np.dtype(
    [
        ("number", ">i4"),
        ("words", ">i4"),
        ("kind", "<i4"),
        ("box", "<f8", 4),
        ("parts", "<i4"),
        ("points", "<i4"),
        ("part", "<i4"),
        ("ring", "<f8", (5, 2)),
    ]
)
_POLYGON = 5
_HEADER_WORDS = 50


def geojson(sheet: Sheet, parcels: Parcels) -> bytes:
    """The sheet as a FeatureCollection that states its coordinate system; numbers are numbers, dates dd/mm/yyyy."""
    many = len(parcels.number)
    corners, area, legal = _measured(parcels)
    surveyed: list[str] = [f"{value:.1f}" for value in area]
    numbers, codes, dates, ids = _with_bad(parcels, "%d/%m/%Y", "31/02/2026", "null")
    for index, kind in parcels.bad.items():
        if kind == "area in words":
            surveyed[index] = f'"khoảng {area[index]:.0f} m²"'
    ring = np.concatenate([corners, corners[:, :1]], axis=1).reshape(many, 10).tolist()
    rows = zip(
        ids,
        range(1, many + 1),
        codes,
        numbers,
        [str(sheet.former_number)] * many,
        parcels.address,
        surveyed,
        ["null" if value is None else f"{value:.1f}" for value in legal],
        parcels.use,
        *(
            ["null" if text is None else f'"{text}"' for text in texts]
            for texts in (parcels.owner, parcels.certificate)
        ),
        ["true" if disputed else "false" for disputed in parcels.disputed],
        ["null" if text is None else f'"{text}"' for text in parcels.parent],
        dates,
        strict=True,
    )
    crs = f'{{"type":"name","properties":{{"name":"urn:ogc:def:crs:EPSG::{sheet.ward.epsg}"}}}}'
    head = f'{{"type":"FeatureCollection","name":"{sheet.ward.slug}","nguon":"{MARK}","crs":{crs},"features":[\n'
    features = ",\n".join([_FEATURE % (*row, *points) for row, points in zip(rows, ring, strict=True)])
    return (head + features + "\n]}\n").encode()


def shapefile(sheet: Sheet, parcels: Parcels, name: str, *, tcvn3: bool, at: datetime) -> bytes:
    """The sheet as a .zip of .shp, .shx, .dbf and .prj (and .cpg for UTF-8), all dated `at`."""
    encode: Callable[[str], str] = to_tcvn3 if tcvn3 else _utf8
    corners, area, legal = _measured(parcels)
    shapes, index = _shapes(corners)
    projection = pyproj.CRS.from_epsg(sheet.ward.epsg).to_wkt("WKT1_ESRI")
    parts = {
        ".shp": shapes,
        ".shx": index,
        ".dbf": _table(sheet, parcels, area.tolist(), legal, encode, at),
        ".prj": projection.encode(),
        **({} if tcvn3 else {".cpg": b"UTF-8"}),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for ending, content in parts.items():
            member = zipfile.ZipInfo(name + ending, at.timetuple()[:6])
            member.external_attr = 0o644 << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED, 1)
    return packed.getvalue()


def to_tcvn3(text: str) -> str:
    """TCVN3 as Latin-1 code points; a capital with a tone becomes a small letter."""
    return unicodedata.normalize("NFC", text).translate(_TO_TCVN3)


def _utf8(text: str) -> str:
    return text.encode().decode("latin-1")


def _measured(parcels: Parcels) -> tuple[Corners, Any, list[float | None]]:
    """Corners, with some crossed, surveyed areas, and legal areas where there is one."""
    area = areas(parcels.corners)
    legal = [None if share is None else share * size for share, size in zip(parcels.legal_share, area, strict=True)]
    corners = parcels.corners.copy()
    for index, kind in parcels.bad.items():
        if kind == "crossing":
            corners[index, [1, 2]] = corners[index, [2, 1]]
    return corners, area, legal


def _with_bad(
    parcels: Parcels, form: str, no_day: str, nothing: str
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Numbers, ward codes, dates and ids as text, with what is bad in them."""
    numbers, codes, ids = [str(number) for number in parcels.number], list(parcels.ward_code), list(parcels.parcel_id)
    dates = [day.strftime(form) for day in parcels.updated]
    for index, kind in parcels.bad.items():
        if kind == "no number":
            numbers[index] = nothing
        elif kind == "unknown ward":
            codes[index] = UNKNOWN_WARD
        elif kind == "31 February":
            dates[index] = no_day
        elif kind == "twice":
            ids[index] = ids[index - 1]
    return numbers, codes, dates, ids


def _shapes(corners: Corners) -> tuple[bytes, bytes]:
    """The .shp and the .shx. Outer rings run clockwise."""
    many = len(corners)
    records = np.zeros(many, dtype=_SHAPE)
    words = (_SHAPE.itemsize - 8) // 2
    records["number"], records["words"], records["kind"] = np.arange(1, many + 1), words, _POLYGON
    records["box"] = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    records["parts"], records["points"] = 1, 5
    records["ring"] = corners[:, [0, 3, 2, 1, 0]]
    index = np.empty((many, 2), dtype=">i4")
    index[:, 0] = _HEADER_WORDS + np.arange(many) * (words + 4)
    index[:, 1] = words
    box = np.concatenate([corners.min(axis=(0, 1)), corners.max(axis=(0, 1)), np.zeros(4)]).astype("<f8").tobytes()

    def head(size: int) -> bytes:
        first = np.array([9994, 0, 0, 0, 0, 0, _HEADER_WORDS + size // 2], dtype=">i4").tobytes()
        return first + np.array([1000, _POLYGON], dtype="<i4").tobytes() + box

    return head(records.nbytes) + records.tobytes(), head(index.nbytes) + index.tobytes()


def _table(
    sheet: Sheet,
    parcels: Parcels,
    area: list[float],
    legal: list[float | None],
    encode: Callable[[str], str],
    at: datetime,
) -> bytes:
    """The .dbf. What stands in a field of numbers cannot be words: an area in words overflowed its field instead."""
    many = len(parcels.number)
    numbers, codes, dates, ids = _with_bad(parcels, "%Y%m%d", "20260231", "")
    surveyed = [f"{value:.1f}" for value in area]
    for index, kind in parcels.bad.items():
        if kind == "area in words":
            surveyed[index] = "*" * 12

    def texts(values: Iterable[str | None]) -> list[str]:
        return ["" if value is None else encode(value) for value in values]

    rows = zip(
        ids,
        map(str, range(1, many + 1)),
        codes,
        numbers,
        [str(sheet.former_number)] * many,
        texts(parcels.address),
        surveyed,
        ["" if value is None else f"{value:.1f}" for value in legal],
        parcels.use,
        texts(parcels.owner),
        texts(parcels.certificate),
        ["T" if disputed else "F" for disputed in parcels.disputed],
        texts(parcels.parent),
        dates,
        texts([MARK] * many),
        strict=True,
    )
    width = 1 + sum(size for _, _, size, _ in _FIELDS)
    start = 32 + 32 * len(_FIELDS) + 1
    day = bytes([3, at.year - 1900, at.month, at.day])
    head = day + many.to_bytes(4, "little") + start.to_bytes(2, "little") + width.to_bytes(2, "little") + bytes(20)
    fields = b"".join(
        name.encode().ljust(11, b"\0") + kind.encode() + bytes(4) + bytes([size, decimals]) + bytes(14)
        for name, kind, size, decimals in _FIELDS
    )
    return head + fields + b"\r" + "".join([_RECORD % row for row in rows]).encode("latin-1") + b"\x1a"
