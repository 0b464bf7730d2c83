"""Map sheets that lie elsewhere, cross themselves, or harm who draws them."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import shapely

from spark_jobs.layouts import ExtractMismatch
from tests.poison.bench import Bench
from tests.poison.deliveries import BEN_THANH, EPSG_9210, PARCELS, feature, shapefile, sheet_of, square, zipped
from tests.poison.servers import Asked

BA_RIA = (440_000.0, 1_165_000.0)  # in EPSG:5899
DEGREES = (106.7, 10.77)
EAST, NORTH = BEN_THANH


@pytest.mark.parametrize(
    ("at", "told"),
    [
        pytest.param(DEGREES, "degrees (WGS 84), not metres", id="WGS84"),
        pytest.param(DEGREES[::-1], "degrees (WGS 84), latitude first", id="WGS84 latitude first"),
        pytest.param(BEN_THANH[::-1], "x and y are probably swapped", id="swapped axes"),
        pytest.param(BA_RIA, "probably of EPSG:5899", id="the other zone"),
        pytest.param((684_000.0, NORTH), "probably another meridian", id="UTM"),
        pytest.param((0.0, 0.0), "nothing known fits them", id="nowhere"),
        pytest.param((1e308, 1e308), "nothing known fits them", id="1e308"),
    ],
)
def test_a_sheet_that_lies_elsewhere_than_it_states_is_refused(
    bench: Bench, at: tuple[float, float], told: str
) -> None:
    ring = [[at[0] * (1 + east / 1e6), at[1] * (1 + north / 1e6)] for east, north in square(0, 0, 1)]
    refusal = bench.refused(PARCELS, bench.file(sheet_of(feature([ring])), "DC1_TL500.geojson"))
    assert refusal.what == "the coordinates cannot be of EPSG:9210, which the sheet states"
    assert told in refusal.found


@pytest.mark.parametrize(
    ("crs", "what"),
    [
        pytest.param("urn:ogc:def:crs:OGC:1.3:CRS84", "the sheet states another coordinate system", id="CRS84"),
        pytest.param("EPSG:32648", "the sheet states another coordinate system", id="UTM 48N"),
        pytest.param("EPSG:3405", "the sheet states another coordinate system", id="VN-2000 of another zone"),
        pytest.param("x" * 1_000_000, "the sheet states no coordinate system", id="a megabyte"),
        pytest.param("EPSG:0", "the sheet states another coordinate system", id="EPSG:0"),
        pytest.param(None, "the sheet states no coordinate system", id="none"),
        pytest.param(
            "+proj=pipeline +step +init=/etc/passwd:x", "the sheet states another coordinate system", id="a pipeline"
        ),
    ],
)
def test_a_sheet_in_another_system_is_refused(bench: Bench, crs: object, what: str) -> None:
    content = sheet_of(feature([square(*BEN_THANH)]), crs=crs)
    assert bench.refused(PARCELS, bench.file(content, "DC1_TL500.geojson")).what == what


def test_a_system_that_is_to_be_fetched_is_not_fetched(bench: Bench) -> None:
    with Asked() as asked:
        href = f"http://127.0.0.1:{asked.port}/crs"
        link = {"type": "link", "properties": {"name": EPSG_9210, "href": href}}
        content = sheet_of(feature([square(*BEN_THANH)]), crs=link)
        assert bench.accepted(PARCELS, bench.file(content, "DC1_TL500.geojson"))["crs_epsg"] == ["9210"]
    assert asked.paths == []


def crossing() -> list[list[float]]:
    return [[EAST, NORTH], [EAST + 9, NORTH + 9], [EAST + 9, NORTH], [EAST, NORTH + 9], [EAST, NORTH]]


GOOD = feature([square(*BEN_THANH)])
CLOSED = "rings of at least four points, the last one the first"


@pytest.mark.parametrize(
    ("rings", "expected"),
    [
        pytest.param([crossing()], "a polygon that does not cross itself", id="crossing itself"),
        pytest.param(
            [square(*BEN_THANH), square(EAST + 500, NORTH)],
            "a polygon that does not cross itself (Hole lies outside shell",
            id="a hole outside",
        ),
        pytest.param([square(*BEN_THANH)[:-1]], CLOSED, id="not closed"),
        pytest.param([[[EAST, NORTH]]], CLOSED, id="a point"),
        pytest.param([], "a shape that is not empty", id="empty"),
        pytest.param(
            [[[EAST, NORTH], [1e308, NORTH], [1e308, 1e308], [EAST, NORTH]]],
            "a shape in EPSG:9210 inside",
            id="to 1e308",
        ),
        pytest.param(
            [[[EAST, NORTH], [float("nan"), NORTH], [EAST, NORTH + 9], [EAST, NORTH]]],
            "coordinates that are numbers",
            id="NaN",
        ),
        pytest.param([square(*BA_RIA)], "a shape in EPSG:9210 inside", id="elsewhere"),
    ],
)
def test_a_shape_that_is_none_is_rejected_and_the_others_stay(bench: Bench, rings: object, expected: str) -> None:
    path = bench.file(sheet_of(GOOD, feature(rings, 2), feature([square(*BEN_THANH)], 3)), "DC1_TL500.geojson")
    rows = bench.read(PARCELS, path)
    assert rows.faults.keys() == {2}
    assert expected in rows.faults[2]["geometry"]
    assert rows["parcel_id"] == ["0000000000001", "0000000000002", "0000000000003"]


def corners(count: int) -> str:
    """A sheet of one parcel with very many corners, which go round the same way again and again."""
    angles = np.linspace(0, 2 * np.pi, 50_000, endpoint=False)
    ring = ",".join(f"[{EAST + 500 * np.cos(angle):.3f},{NORTH + 500 * np.sin(angle):.3f}]" for angle in angles)
    start = f"[{EAST + 500:.3f},{NORTH:.3f}]"
    return sheet_of(feature("RINGS")).replace('"RINGS"', f"[[{f'{ring},' * (count // 50_000)}{start}]]")


def test_a_parcel_of_50_000_corners_is_read(bench: Bench) -> None:
    rows = bench.accepted(PARCELS, bench.file(corners(50_000), "DC1_TL500.geojson"))
    assert len(rows["geometry"][0]) > 16 * 50_000


def test_a_parcel_of_5_million_corners_is_refused(bench: Bench) -> None:
    refusal = bench.refused(PARCELS, bench.file(corners(5_000_000), "DC1_TL500.geojson"))
    assert refusal.what in {
        "the map sheet is damaged or cut short",
        "the file cannot be read with what any honest file needs",
    }


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(sheet_of(GOOD)[:-1], id="without its last brace"),
        pytest.param(sheet_of(GOOD)[: len(sheet_of(GOOD)) // 2], id="half"),
        pytest.param(sheet_of(feature("NESTED")).replace('"NESTED"', "[" * 100_000 + "]" * 100_000), id="deep"),
        pytest.param(
            sheet_of(GOOD).replace(
                '"geometry"', '"geometry": ' + '{"type":"GeometryCollection","geometries":[' * 5_000 + ', "x"'
            ),
            id="deep collections",
        ),
        pytest.param(sheet_of({"type": "Feature", "properties": None, "geometry": None}), id="without fields"),
        pytest.param(sheet_of(), id="without features"),
        pytest.param(json.dumps(GOOD), id="one feature"),
        pytest.param("", id="0 bytes"),
        pytest.param("<kml><Document/></kml>", id="KML"),
        pytest.param(
            "<OGRVRTDataSource><OGRVRTLayer><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
            id="a program for GDAL",
        ),
        pytest.param("PK", id="2 bytes"),
    ],
)
def test_what_is_no_map_sheet_is_refused(bench: Bench, content: str) -> None:
    assert bench.refused(PARCELS, bench.file(content, "DC1_TL500.geojson"))


def test_a_shape_of_no_known_kind_is_blank_and_told(bench: Bench) -> None:
    path = bench.file(sheet_of(GOOD).replace("Polygon", "Polygons"), "DC1_TL500.geojson")
    rows = bench.accepted(PARCELS, path)
    assert rows["geometry"] == [None]
    assert PARCELS.columns["geometry"].required
    assert "Unsupported geometry type" in "".join(rows.reading.warnings)


def test_a_shapefile_elsewhere_than_its_prj_says_is_refused(bench: Bench) -> None:
    refusal = bench.refused(PARCELS, bench.file(zipped(shapefile(at=BEN_THANH[::-1])), "DC1_TL500.zip"))
    assert "swapped" in refusal.found


@pytest.mark.parametrize(
    ("ending", "at", "value"),
    [
        (".shp", 24, struct.pack(">i", 2**31 - 1)),  # the file's length
        (".shp", 104, struct.pack(">i", 2**31 - 1)),  # the record's
        (".shp", 144, struct.pack("<i", 2**31 - 1)),  # how many parts its shape has
        (".shp", 148, struct.pack("<i", 2**31 - 1)),  # how many points
        (".shp", 148, struct.pack("<i", -1)),
        (".shx", 100, struct.pack(">i", 2**31 - 1)),  # where the record begins
        (".shx", 104, struct.pack(">i", -1)),
        (".dbf", 4, struct.pack("<I", 2**32 - 1)),  # how many rows
        (".dbf", 8, struct.pack("<H", 2**16 - 1)),  # the header's length
        (".dbf", 10, struct.pack("<H", 0)),  # a row's
        (".dbf", 48, b"\x00"),  # a field's
    ],
)
def test_a_shapefile_that_lies_about_a_length_brings_no_false_rows(
    bench: Bench, ending: str, at: int, value: bytes
) -> None:
    parts = shapefile()
    content = bytearray(parts[ending])
    content[at : at + len(value)] = value
    try:
        rows = bench.read(PARCELS, bench.file(zipped(parts | {ending: bytes(content)}), "DC1_TL500.zip"))
    except ExtractMismatch:
        return
    (shape,) = rows["geometry"]
    assert rows.faults or shape is None or shapely.from_wkb(shape).equals(shapely.Polygon(square(*BEN_THANH)))
