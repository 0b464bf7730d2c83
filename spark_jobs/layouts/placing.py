"""Where parcels lie: a point of each in WGS 84, its GeoHash, the ward in force around it, the area on the ellipsoid.

Pure functions over arrays: a city has 4.3 million parcels, and nothing here goes from one to the next in Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self, TypeAlias

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from numpy.typing import NDArray

from quality.places import ward_outlines
from quality.refusal import Refusal

Numbers: TypeAlias = NDArray[np.float64]
Shapes: TypeAlias = NDArray[np.object_]

COLUMNS: dict[str, pa.DataType] = {
    "longitude": pa.float64(),
    "latitude": pa.float64(),
    "geohash": pa.string(),
    "located_ward_code": pa.string(),
    "geodesic_area_m2": pa.float64(),
}
MERIDIANS = {9210: 105.75, 5899: 107.75}  # of the two zones of VN-2000; all else is the same in both
SCALE, FALSE_EASTING = 0.9999, 500_000.0
# EPSG:6960, "VN-2000 to WGS 84 (2)", written out: with EPSG:5194, which is registered beside it and as good (1 m), a
# parcel lies 0.8 m further east and has another GeoHash, and which of the two PROJ prefers is its database's affair.
TO_WGS_84 = (
    "+proj=pipeline +step +inv +proj=tmerc +lat_0=0 +lon_0={meridian} +k=0.9999 +x_0=500000 +y_0=0 +ellps=WGS84 "
    "+step +proj=push +v_3 +step +proj=cart +ellps=WGS84 "
    "+step +proj=helmert +x=-191.90441429 +y=-39.30318279 +z=-111.45032835 +rx=-0.00928836 +ry=0.01975479 "
    "+rz=-0.00427372 +s=0.252906278 +convention=coordinate_frame "
    "+step +inv +proj=cart +ellps=WGS84 +step +proj=pop +v_3 +step +proj=unitconvert +xy_in=rad +xy_out=deg"
)
DECIMALS = 8  # of a degree: a millimetre
EQUATOR_METRES, FLATTENING = 6_378_137.0, 1 / 298.257223563  # of WGS 84's ellipsoid, which is that of VN-2000 too
LETTERS = np.frombuffer(b"0123456789bcdefghjkmnpqrstuvwxyz", dtype=np.uint8)  # GeoHash: without a, i, l and o
LENGTH = 12  # letters of five bits, first of the longitude, then of the latitude, by turns
METRES_A_DEGREE = (109_360.0, 110_610.0)  # at 10.8° N; on Côn Đảo, at 8.7° N, 0.6 % more of the first
NEAR_METRES = 50.0  # outlines were simplified one by one, by 22 m each: the gap between two is narrower than that


@dataclass(frozen=True)
class Wards:
    """Outlines of wards, in metres, and their edges. `codes`: one each, and None at the end, which -1 means."""

    codes: NDArray[np.object_]
    outlines: shapely.STRtree
    edges: Shapes

    @classmethod
    def of(cls, features: Sequence[Mapping[str, Any]]) -> Self:
        """From GeoJSON in WGS 84."""
        shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
        shapes = shapely.transform(shapes, lambda points: np.column_stack(_metres(*points.T)))
        codes = np.array([*(str(feature["id"]) for feature in features), None], dtype=object)
        return cls(codes, shapely.STRtree(shapes), shapely.boundary(shapes))

    def holding(self, longitude: Numbers, latitude: Numbers) -> NDArray[np.object_]:
        """The codes of the wards that hold the points, None for none.

        Of two outlines that overlap, the one whose edge is farther away, for it holds the point more surely (of equals,
        the first). A point in none belongs to the nearest within 50 m.
        """
        points: Shapes = np.asarray(shapely.points(*_metres(longitude, latitude)))
        inside, ward = self.outlines.query(points, predicate="intersects")
        several = np.bincount(inside, minlength=len(points))[inside] > 1
        depth = np.zeros(len(inside))
        depth[several] = shapely.distance(points[inside[several]], self.edges[ward[several]])
        found = np.full(len(points), -1)
        order = np.lexsort((-ward, depth))
        found[inside[order]] = ward[order]  # the deepest comes last, and stays
        lost = np.flatnonzero(found < 0)
        near, ward = self.outlines.query_nearest(points[lost], max_distance=NEAR_METRES, all_matches=False)
        found[lost[near]] = ward
        codes: NDArray[np.object_] = self.codes[found]
        return codes


def placed(outlines: Shapes, sound: NDArray[np.bool_], zone: int) -> dict[str, pa.Array[Any]]:
    """`COLUMNS` of polygons in a zone of VN-2000; null where they are not `sound`, and where there is no ward."""
    shapes = outlines[sound]
    points = shapely.point_on_surface(shapes)
    longitude, latitude = to_wgs_84(shapely.get_x(points), shapely.get_y(points), zone)
    longitude, latitude = np.round(longitude, DECIMALS), np.round(latitude, DECIMALS)
    found = (
        longitude,
        latitude,
        geohashes(longitude, latitude),
        wards_in_force().holding(longitude, latitude),
        np.round(geodesic_areas(shapes, latitude), 2),
    )
    places = pa.array(np.cumsum(sound) - 1, mask=~sound)
    return {
        name: pa.array(values, kind).take(places) for (name, kind), values in zip(COLUMNS.items(), found, strict=True)
    }


def to_wgs_84(east: Numbers, north: Numbers, zone: int) -> tuple[Numbers, Numbers]:
    """Longitudes and latitudes in degrees."""
    longitude, latitude = _transformer(zone).transform(east, north)
    return longitude, latitude


def geohashes(longitude: Numbers, latitude: Numbers) -> NDArray[np.str_]:
    """GeoHashes of twelve letters, as Circular 19/2026/TT-BNNMT wants them to name a parcel: cells of 37 by 19 mm."""
    bits = _every_other(_halvings(longitude, 360.0)) << np.uint64(1) | _every_other(_halvings(latitude, 180.0))
    shifts = np.arange(5 * (LENGTH - 1), -1, -5, dtype=np.uint64)
    letters = LETTERS[bits[:, None] >> shifts & np.uint64(31)]
    words: NDArray[np.str_] = letters.view(f"S{LENGTH}").ravel().astype(np.str_)
    return words


def geodesic_areas(shapes: Shapes, latitude: Numbers) -> Numbers:
    """Square metres on the ellipsoid, of polygons in a zone of VN-2000; within a millionth up to 20 km across.

    Transverse Mercator is conformal: it stretches areas by the square of its scale, which grows with the distance from
    the meridian, k = k0 (1 + u/2 + u²/24), u = (x / k0 R)², R² = M N (the radii of curvature). The shift between data
    matters not at all. `latitude`: about where they lie; a degree is 0.1 millionths of the area at most.
    """
    squared = FLATTENING * (2 - FLATTENING)
    radius = EQUATOR_METRES * np.sqrt(1 - squared) / (1 - squared * np.sin(np.radians(latitude)) ** 2)
    u = ((shapely.get_x(shapely.centroid(shapes)) - FALSE_EASTING) / (SCALE * radius)) ** 2
    areas: Numbers = shapely.area(shapes) / (SCALE * (1 + u / 2 + u**2 / 24)) ** 2
    return areas


@lru_cache
def wards_in_force() -> Wards:
    """The city's 168; read once."""
    return Wards.of(ward_outlines())


@lru_cache
def _transformer(zone: int) -> pyproj.Transformer:
    if zone not in MERIDIANS:
        raise Refusal(
            f"it is not known where EPSG:{zone} lies",
            where="MERIDIANS in spark_jobs/layouts/placing.py",
            expected=", ".join(f"EPSG:{known}" for known in MERIDIANS),
            found=f"EPSG:{zone} in delivery.crs of the contract",
            remedy="add its meridian, or take it out of the contract",
        )
    return pyproj.Transformer.from_pipeline(TO_WGS_84.format(meridian=MERIDIANS[zone]))


def _metres(longitude: Numbers, latitude: Numbers) -> tuple[Numbers, Numbers]:
    """On a plane on which distances of some metres are right within a hundredth, anywhere in the city."""
    return longitude * METRES_A_DEGREE[0], latitude * METRES_A_DEGREE[1]


def _halvings(degrees: Numbers, span: float) -> NDArray[np.uint64]:
    """In which of 2³⁰ equal parts of the globe's width or height a degree lies."""
    parts = 1 << 30
    return np.clip(np.floor((degrees / span + 0.5) * parts), 0, parts - 1).astype(np.uint64)


def _every_other(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Thirty bits set apart so that there is room for another between any two."""
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        bits = (bits | bits << np.uint64(shift)) & np.uint64(mask)
    return bits
