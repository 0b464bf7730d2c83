"""Where on earth a map sheet lies: the coordinate system it states, and whether its coordinates can be of that system.

Two zones of VN-2000 meet in the city. A sheet that states the wrong one is 219 km off and looks like any other, so
what a sheet states is compared with where the city lies in that system.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import CRSError

from spark_jobs.layouts import ExtractMismatch

Points = NDArray[np.float64]
TOLERANCE = 1e-9
MOSTLY = 0.5  # of a sheet's features: below, the sheet is misplaced; above, single features are

_REMEDY = (
    "ask the department in which system the sheet was drawn, and for a file that states it; the last good version stays"
)


@dataclass(frozen=True)
class Box:
    """Part of the city in one coordinate system, in metres."""

    place: str
    east: tuple[float, float]
    north: tuple[float, float]

    def holds(self, east: Points, north: Points) -> NDArray[np.bool_]:
        """Which points lie inside."""
        return (self.east[0] <= east) & (east <= self.east[1]) & (self.north[0] <= north) & (north <= self.north[1])

    def __str__(self) -> str:
        """In kilometres."""
        (west, east), (south, north) = self.east, self.north
        return (
            f"E {west / 1000:,.0f}-{east / 1000:,.0f} km, N {south / 1000:,.0f}-{north / 1000:,.0f} km ({self.place})"
        )


# Extents of the wards in force, by former province, and 2 km around: parcels reach over outlines that were simplified.
CITY = {
    9210: (
        Box("former Hồ Chí Minh City", (564_000, 642_000), (1_146_000, 1_236_000)),
        Box("former Bình Dương", (561_000, 635_000), (1_200_000, 1_274_000)),
    ),
    5899: (
        Box("former Bà Rịa - Vũng Tàu", (415_000, 482_000), (1_139_000, 1_197_000)),
        Box("Côn Đảo", (315_000, 391_000), (947_000, 973_000)),
    ),
}
DEGREES = Box("", (102.0, 110.0), (8.0, 24.0))  # Viet Nam's longitudes and latitudes


def zone_of(stated: str, accepted: Collection[int], where: str) -> int:
    """The EPSG code, of those accepted, that a text (EPSG:…, WKT, ESRI's WKT) means by its numbers."""
    expected = " or ".join(f"EPSG:{code} ({_known(code).name})" for code in sorted(accepted))
    if not stated:
        raise ExtractMismatch(
            "the sheet states no coordinate system", where=where, expected=expected, found="none", remedy=_REMEDY
        )
    try:
        crs = _plain(pyproj.CRS.from_user_input(stated))
    except CRSError:
        found = f"{stated[:120]!r}, which is no coordinate system that can be told"
    else:
        for code in accepted:
            if _same(crs, _known(code)):
                return code
        authority = crs.to_authority(min_confidence=70)
        found = f"{':'.join(authority)} ({crs.name})" if authority else _described(crs)
    raise ExtractMismatch(
        "the sheet states another coordinate system", where=where, expected=expected, found=found, remedy=_REMEDY
    )


def misplaced(east: Points, north: Points, code: int, where: str) -> NDArray[np.bool_]:
    """Which features (by a point of each; NaN for none) lie outside the city; raises when most of them do."""
    boxes = CITY.get(code, ())
    known = np.isfinite(east) & np.isfinite(north)
    if not boxes or not known.any():
        return np.zeros(len(east), dtype=bool)
    outside = known & ~_in_any(boxes, east, north)
    if outside.sum() <= MOSTLY * known.sum():
        return outside
    middle = float(np.median(east[known])), float(np.median(north[known]))
    raise ExtractMismatch(
        f"the coordinates cannot be of EPSG:{code}, which the sheet states",
        where=where,
        expected=expected_in(code),
        found=f"{outside.sum():,} of {known.sum():,} features outside; in the middle x {middle[0]:,.3f}, "
        f"y {middle[1]:,.3f}: {_probably(east[known], north[known], code)}",
        remedy=_REMEDY,
    )


def expected_in(code: int) -> str:
    """Where the city lies in that system."""
    return " or ".join(map(str, CITY[code]))


def _probably(east: Points, north: Points, code: int) -> str:
    """What most of the points speak for."""

    def most(inside: NDArray[np.bool_]) -> bool:
        return bool(inside.mean() > MOSTLY)

    if most(_in_any(CITY[code], north, east)):
        return "x and y are probably swapped (Vietnamese surveyors write X for north)"
    for other, boxes in CITY.items():
        if most(_in_any(boxes, east, north) | _in_any(boxes, north, east)):
            swapped = "" if most(_in_any(boxes, east, north)) else ", with x and y swapped"
            return f"they are probably of EPSG:{other} ({_known(other).name}){swapped}"
    if most(DEGREES.holds(east, north)) or most(DEGREES.holds(north, east)):
        swapped = "" if most(DEGREES.holds(east, north)) else ", latitude first"
        return f"they are probably degrees (WGS 84){swapped}, not metres"
    south, top = min(box.north[0] for box in CITY[code]), max(box.north[1] for box in CITY[code])
    if most((south <= north) & (north <= top)):
        return "the northing fits, the easting does not: probably another meridian (UTM 48N, or a national zone)"
    return "nothing known fits them"


def _in_any(boxes: tuple[Box, ...], east: Points, north: Points) -> NDArray[np.bool_]:
    inside = boxes[0].holds(east, north)
    for box in boxes[1:]:
        inside |= box.holds(east, north)
    return inside


def _known(code: int) -> pyproj.CRS:
    return pyproj.CRS.from_epsg(code)


def _plain(crs: pyproj.CRS) -> pyproj.CRS:
    """Without a height and without TOWGS84 around it."""
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    return crs.source_crs if crs.is_bound and crs.source_crs else crs


def _same(stated: pyproj.CRS, known: pyproj.CRS) -> bool:
    """By what a projection is made of: names and authorities differ between programs, the numbers do not."""
    return stated.is_projected and _is_vn_2000(stated) and _numbers(stated) == _numbers(known)


def _numbers(crs: pyproj.CRS) -> tuple[str, dict[str, float], float, float]:
    projection = crs.coordinate_operation
    if projection is None or crs.ellipsoid is None:
        return "", {}, 0.0, 0.0
    values = {param.name: _rounded(float(param.value) * param.unit_conversion_factor) for param in projection.params}
    metre = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 0.0
    shape = crs.ellipsoid.semi_major_metre + crs.ellipsoid.inverse_flattening
    return projection.method_name, values, _rounded(metre), round(shape, 3)


def _rounded(value: float) -> float:
    return 0.0 if math.isclose(value, 0, abs_tol=TOLERANCE) else float(f"{value:.9g}")


def _is_vn_2000(crs: pyproj.CRS) -> bool:
    """Its datum says so ("D_Vietnam_2000", "VN-2000"), or nothing; one that says WGS 84 is 226 m off."""
    geodetic = crs.geodetic_crs
    datum = (geodetic.datum.name if geodetic and geodetic.datum else "").lower()
    letters = "".join(character for character in datum if character.isalnum())
    return (
        not letters
        or letters.startswith(("unknown", "notspecified", "undefined"))
        or ("2000" in letters and ("vietnam" in letters or "vn" in letters))
    )


def _described(crs: pyproj.CRS) -> str:
    """A system that no authority names: the numbers that tell it from others."""
    _, values, _, _ = _numbers(crs)
    datum = crs.geodetic_crs.datum.name if crs.geodetic_crs and crs.geodetic_crs.datum else "none"
    longitude = values.get("Longitude of natural origin")
    meridian = f", meridian {math.degrees(longitude):g}°" if longitude is not None else ""
    return f"{crs.name!r}, datum {datum}{meridian}"
