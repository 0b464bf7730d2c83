from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
import shapely.affinity
from pyproj.transformer import TransformerGroup

from quality.places import ward_outlines
from quality.refusal import Refusal
from spark_jobs.layouts.placing import (
    COLUMNS,
    MERIDIANS,
    METRES_A_DEGREE,
    Numbers,
    Wards,
    geodesic_areas,
    geohashes,
    placed,
    to_wgs_84,
    wards_in_force,
)

BEN_THANH = (603_481.588, 1_191_454.611)  # 106.6980 E 10.7725 N, in EPSG:9210


def numbers(*values: float) -> Numbers:
    return np.array(values, dtype=float)


def some(seed: int, low: float, high: float, many: int = 200) -> Numbers:
    return np.random.default_rng(seed).uniform(low, high, many)


def sound(many: int) -> Any:
    return np.ones(many, dtype=bool)


def test_ben_thanh_lies_where_it_is() -> None:
    longitude, latitude = to_wgs_84(numbers(BEN_THANH[0]), numbers(BEN_THANH[1]), 9210)
    assert longitude[0] == pytest.approx(106.6980, abs=1e-8)
    assert latitude[0] == pytest.approx(10.7725, abs=1e-8)


@pytest.mark.parametrize("zone", [9210, 5899])
def test_the_shift_is_that_of_epsg_6960_though_it_is_written_out(zone: int) -> None:
    (known,) = (
        transformer
        for transformer in TransformerGroup(zone, 4326, always_xy=True).transformers
        if "VN-2000 to WGS 84 (2)" in transformer.description
    )
    east, north = some(1, 315_000, 642_000), some(2, 947_000, 1_274_000)
    for found, expected in zip(to_wgs_84(east, north, zone), known.transform(east, north), strict=True):
        assert np.abs(found - expected).max() < 1e-10


def test_a_zone_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(Refusal, match="it is not known where EPSG:3405 lies"):
        to_wgs_84(numbers(1), numbers(1), 3405)


def test_ben_thanh_has_its_geohash() -> None:
    assert geohashes(numbers(106.6980), numbers(10.7725)).tolist() == ["w3gv7cp47ee1"]


def test_geohashes_are_those_of_halving_again_and_again() -> None:
    longitude = np.concatenate([some(3, 106, 108), some(4, -180, 180), numbers(-180, 0, 180, -180)])
    latitude = np.concatenate([some(5, 8, 12), some(6, -90, 90), numbers(-90, 0, 90, 90)])
    expected = [halved(x, y) for x, y in zip(longitude.tolist(), latitude.tolist(), strict=True)]
    assert geohashes(longitude, latitude).tolist() == expected


def halved(longitude: float, latitude: float) -> str:
    """As Wikipedia tells it: each bit halves the longitudes or the latitudes that are left."""
    ranges, bits = [[-180.0, 180.0], [-90.0, 90.0]], 0
    for step in range(60):
        value, span = (longitude, latitude)[step % 2], ranges[step % 2]
        middle = sum(span) / 2
        is_upper = value >= middle
        span[not is_upper] = middle
        bits = bits << 1 | is_upper
    return "".join("0123456789bcdefghjkmnpqrstuvwxyz"[bits >> shift & 31] for shift in range(55, -1, -5))


def polygon(east: float, north: float, radius: float, seed: int) -> shapely.Polygon:
    turns = np.sort(np.arange(9) + some(seed, 0, 0.9, 9)) / 9 * 2 * math.pi
    out = some(seed + 1, 0.4, 1, 9) * radius
    return shapely.Polygon(np.column_stack([east + out * np.cos(turns), north + out * np.sin(turns)]))


def on_the_ellipsoid(shape: shapely.Geometry, zone: int) -> shapely.Geometry:
    """In degrees of VN-2000, its straight sides cut so often that geodesics between the cuts are as good as them."""
    plane = pyproj.Transformer.from_crs(zone, 4756, always_xy=True)
    west, _, east, _ = shapely.bounds(shape).tolist()
    cut = shapely.segmentize(shape, (east - west) / 50)
    turned: shapely.Geometry = shapely.transform(cut, lambda xy: np.column_stack(plane.transform(*xy.T)))
    return turned


def by_geodesics(shape: shapely.Geometry, zone: int) -> float:
    area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(on_the_ellipsoid(shape, zone))
    return abs(float(area))


def on_an_equal_area_plane(shape: shapely.Geometry, zone: int) -> float:
    """For small ones: what pyproj sums up geodesically is some square centimetres off."""
    turned = on_the_ellipsoid(shape, zone)
    west, south, _, _ = shapely.bounds(turned).tolist()
    plane = pyproj.Proj(proj="laea", lat_0=south, lon_0=west, ellps="WGS84")
    return float(shapely.area(shapely.transform(turned, lambda xy: np.column_stack(plane(*xy.T)))))


@pytest.mark.parametrize("zone", sorted(MERIDIANS))
@pytest.mark.parametrize(
    ("radius", "measured"),
    [(3, on_an_equal_area_plane), (100, by_geodesics), (1_000, by_geodesics), (10_000, by_geodesics)],
)
def test_areas_are_right_within_a_millionth(
    zone: int, radius: float, measured: Callable[[shapely.Geometry, int], float]
) -> None:
    """Over the extent of the city in either zone, Côn Đảo too, which lies 185 km west of its meridian."""
    corners = [(315_000, 947_000), (391_000, 973_000), (500_000, 1_150_000), (561_000, 1_274_000), (642_000, 1_146_000)]
    shapes = np.array([polygon(*corner, radius, seed) for seed, corner in enumerate(corners)])
    assert shapely.is_valid(shapes).all()
    found = geodesic_areas(shapes, np.full(len(shapes), 10.8))
    for shape, area in zip(shapes, found, strict=True):
        assert area == pytest.approx(measured(shape, zone), rel=1e-6)


def test_holes_and_parts_count_as_they_should() -> None:
    east, north = BEN_THANH
    square, hole, part = (
        shapely.box(east + start, north, east + start + side, north + side)
        for start, side in ((0, 100), (10, 20), (500, 10))
    )
    apart = square - shapely.affinity.translate(hole, 0, 10) | part
    assert apart.geom_type == "MultiPolygon"
    (area,) = geodesic_areas(np.array([apart]), numbers(10.77))
    assert area == pytest.approx(on_an_equal_area_plane(apart, 9210), rel=1e-6)
    assert area == pytest.approx(10_000 - 400 + 100, rel=1e-4)


def test_every_ward_holds_its_own_middle() -> None:
    features = ward_outlines()
    assert len(features) == 168
    middles = [shapely.point_on_surface(shapely.geometry.shape(feature["geometry"])) for feature in features]
    found = wards_in_force().holding(shapely.get_x(middles), shapely.get_y(middles))
    assert found.tolist() == [feature["id"] for feature in features]


def two_wards() -> Wards:
    """A square kilometre each, side by side: in the south they overlap by 20 m, in the north they gap by 100 m."""
    east, north = METRES_A_DEGREE

    def ward(code: str, *corners: tuple[float, float]) -> dict[str, Any]:
        ring = [[106 + x / east, 10 + y / north] for x, y in (*corners, corners[0])]
        return {"id": code, "geometry": {"type": "Polygon", "coordinates": [ring]}}

    return Wards.of(
        [
            ward("00001", (0, 0), (1_010, 0), (1_010, 500), (950, 500), (950, 1_000), (0, 1_000)),
            ward("00002", (990, 0), (2_000, 0), (2_000, 1_000), (1_050, 1_000), (1_050, 500), (990, 500)),
        ]
    )


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ((500, 250), "00001"),
        ((995, 250), "00001"),  # in both: 15 m inside the one, 5 m inside the other
        ((1_005, 250), "00002"),
        ((1_000, 250), "00001"),  # as deep in either: the first
        ((990, 250), "00001"),  # on an edge
        ((980, 800), "00001"),  # in neither: 30 m from the one, 70 m from the other
        ((1_020, 800), "00002"),
        ((-49, 800), "00001"),
        ((-51, 800), None),
        ((9_000, 9_000), None),
    ],
)
def test_a_point_is_in_the_ward_that_holds_it_most_surely_or_is_near(at: tuple[float, float], code: str | None) -> None:
    longitude, latitude = 106 + at[0] / METRES_A_DEGREE[0], 10 + at[1] / METRES_A_DEGREE[1]
    assert two_wards().holding(numbers(longitude), numbers(latitude)).tolist() == [code]


def test_points_are_answered_in_their_order() -> None:
    x, y = numbers(5_000, 1_005, 500, -10, 995), numbers(5_000, 250, 250, 800, 250)
    found = two_wards().holding(106 + x / METRES_A_DEGREE[0], 10 + y / METRES_A_DEGREE[1])
    assert found.tolist() == [None, "00002", "00001", "00001", "00001"]


def test_the_point_of_a_parcel_lies_inside_it_whatever_its_shape() -> None:
    east, north = BEN_THANH
    ring = shapely.box(east, north, east + 30, north + 30) - shapely.box(east + 3, north + 3, east + 30, north + 27)
    found: dict[str, Any] = {
        name: values[0].as_py() for name, values in placed(np.array([ring]), sound(1), 9210).items()
    }
    outline = shapely.transform(ring, lambda points: np.column_stack(to_wgs_84(points[:, 0], points[:, 1], 9210)))
    assert outline.contains(shapely.Point(found["longitude"], found["latitude"]))
    assert not ring.contains(ring.centroid)
    assert found["located_ward_code"] == "26743"
    assert found["geohash"] == geohashes(numbers(found["longitude"]), numbers(found["latitude"]))[0]


def test_both_zones_give_the_same_place() -> None:
    to_other = pyproj.Transformer.from_crs(9210, 5899, always_xy=True)
    square = shapely.box(*BEN_THANH, BEN_THANH[0] + 50, BEN_THANH[1] + 50)
    there = shapely.transform(square, lambda points: np.column_stack(to_other.transform(*points.T)))
    here, other = (placed(np.array([shape]), sound(1), zone) for shape, zone in ((square, 9210), (there, 5899)))
    for name in ("longitude", "latitude"):
        assert here[name][0].as_py() == pytest.approx(other[name][0].as_py(), abs=2e-8)
    assert here["geodesic_area_m2"][0].as_py() == pytest.approx(other["geodesic_area_m2"][0].as_py(), abs=0.02)


def test_what_is_not_sound_has_no_place_and_the_others_keep_theirs() -> None:
    squares = [shapely.box(*BEN_THANH, BEN_THANH[0] + side, BEN_THANH[1] + side) for side in (10, 20, 30)]
    shapes = np.array([squares[0], None, squares[1], squares[2]], dtype=object)
    found = placed(shapes, np.array([True, False, True, False]), 9210)
    assert list(found) == list(COLUMNS)
    assert found["geodesic_area_m2"].to_pylist() == [99.99, None, 399.97, None]
    for name, values in found.items():
        assert values.type == COLUMNS[name]
        assert values.is_valid().to_pylist() == [True, False, True, False]


@pytest.mark.parametrize("many", [0, 3])
def test_a_batch_without_any_sound_shape_has_columns_all_the_same(many: int) -> None:
    found = placed(np.full(many, None, dtype=object), np.zeros(many, dtype=bool), 5899)
    assert {name: (values.type, values.null_count) for name, values in found.items()} == {
        name: (kind, many) for name, kind in COLUMNS.items()
    }
    assert all(isinstance(values, pa.Array) and len(values) == many for values in found.values())


def test_geohashes_differ_every_tenth_of_a_metre() -> None:
    longitude = np.linspace(106.698, 106.6981, 100)  # steps of a tenth of a metre
    found = geohashes(longitude, np.full(100, 10.7725)).tolist()
    assert all(one != other for one, other in pairwise(found))
    assert {letters[:7] for letters in found} == {"w3gv7cp"}
