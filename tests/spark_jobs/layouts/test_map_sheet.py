from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely

from quality.contract import Column, Contract, Text
from quality.delivery import Delivery
from spark_jobs.layouts import Batch, ExtractMismatch, Tally, map_sheet, placing, zipped_shapefile
from spark_jobs.layouts.map_sheet import read

NOTHING = Text("", "")
BEN_THANH = (603_480.79, 1_191_454.57)  # east, north in EPSG:9210
BA_RIA = (440_000.0, 1_165_000.0)  # in EPSG:5899


def column(name: str, kind: str, *headings: str) -> Column:
    return Column(name, kind, "none", NOTHING, NOTHING, heading=headings)


CONTRACT = Contract(
    table="cadastre.parcels",
    path=Path("quality/contracts/cadastre/parcels.yml"),
    title=NOTHING,
    description=NOTHING,
    grain="",
    owner="",
    key=("parcel_id",),
    at_least=1,
    columns={
        entry.name: entry
        for entry in (
            column("parcel_id", "string", "THUADATID"),
            column("area_m2", "double", "DienTich"),
            column("use_code", "string", "KyHieuMucDichSuDung", "KyHieuMucD"),
            column("owner_name", "string", "TenChu"),
            column("updated_date", "date", "CapNhat"),
            column("geometry", "geometry"),
            column("crs_epsg", "int"),
            column("longitude", "double"),
            column("latitude", "double"),
            column("geohash", "string"),
            column("located_ward_code", "string"),
            column("geodesic_area_m2", "double"),
        )
    },
    portal=None,
    delivery=Delivery("sftp", "map_sheet", "snapshot", "month", 1, files=".*", crs=(9210, 5899)),
    sha256="",
)
VALUES = {"THUADATID": "1", "DienTich": 100.5, "KyHieuMucDichSuDung": "ODT", "TenChu": "Trần Ngọc Lan", "CapNhat": "x"}


def square(east: float, north: float, side: float = 10) -> list[list[float]]:
    return [[east, north], [east + side, north], [east + side, north + side], [east, north + side], [east, north]]


def feature(
    ring: object = None, values: Mapping[str, object] = VALUES, at: tuple[float, float] = BEN_THANH
) -> dict[str, object]:
    shape = {"type": "Polygon", "coordinates": [square(*at) if ring is None else ring]}
    return {"type": "Feature", "properties": dict(values), "geometry": shape}


def collection(*features: object, crs: str | None = "urn:ogc:def:crs:EPSG::9210") -> dict[str, object]:
    stated = {"crs": {"type": "name", "properties": {"name": crs}}} if crs else {}
    return {"type": "FeatureCollection", **stated, "features": list(features)}


def geojson(folder: Path, content: object) -> Path:
    path = folder / "DC12_TL2000.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def parts(
    folder: Path,
    values: Mapping[str, pa.Array[Any]] | None = None,
    shapes: Sequence[shapely.Polygon] | None = None,
    crs: str = "EPSG:9210",
    encoding: str = "ISO-8859-1",
) -> dict[str, bytes]:
    """The parts of a Shapefile by their endings."""
    polygons = shapes or [shapely.Polygon(square(*BEN_THANH))]
    found: dict[str, pa.Array[Any]] = {
        "THUADATID": pa.array([str(number) for number in range(1, len(polygons) + 1)]),
        "DienTich": pa.array([100.5] * len(polygons)),
        "KyHieuMucD": pa.array(["ODT"] * len(polygons)),
        "TenChu": pa.array(["Tran Ngoc Lan"] * len(polygons)),
        "CapNhat": pa.array([date(2026, 7, 1)] * len(polygons)),
        **(values or {}),
        "geometry": pa.array(shapely.to_wkb(polygons).tolist(), pa.binary()),
    }
    made = folder / "made"
    made.mkdir()
    pyogrio.write_arrow(
        pa.table(found),
        made / "x.shp",
        driver="ESRI Shapefile",
        geometry_name="geometry",
        geometry_type="Polygon",
        crs=crs,
        encoding=encoding,
    )
    return {path.suffix: path.read_bytes() for path in made.iterdir()}


def zipped(folder: Path, members: Mapping[str, bytes], stem: str = "Tờ 12") -> Path:
    path = folder / "DC12_TL2000.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(stem + name if name.startswith(".") else name, content)
    return path


def batches(path: Path, tally: Tally | None = None) -> list[Batch]:
    return list(read(path, CONTRACT, "all", tally or Tally()))


def only(path: Path, tally: Tally | None = None) -> dict[str, list[Any]]:
    (batch,) = batches(path, tally)
    return {
        name: found.to_pylist() if isinstance(found, pa.Array) else list(found) for name, found in batch.columns.items()
    }


def refusal(path: Path) -> ExtractMismatch:
    with pytest.raises(ExtractMismatch) as caught:
        batches(path)
    assert str(path) in caught.value.where
    assert caught.value.expected
    assert caught.value.found
    assert "last good version stays" in caught.value.remedy
    return caught.value


def test_a_geojson_sheet_gives_its_features_in_order_with_shape_and_system(tmp_path: Path) -> None:
    other = {**VALUES, "THUADATID": " 2\u00a0", "TenChu": "Nguye\u0302\u0303n Văn An", "DienTich": None}
    far = {**feature(values=VALUES), "id": 9}
    (batch,) = batches(geojson(tmp_path, collection(far, {**feature(values=other), "id": 3})))
    assert batch.sheet == "DC12_TL2000"
    assert batch.lines == [1, 2]
    found = {name: values.to_pylist() for name, values in batch.columns.items() if isinstance(values, pa.Array)}
    assert found["parcel_id"] == ["1", "2"]
    assert found["owner_name"] == ["Trần Ngọc Lan", "Nguyễn Văn An"]
    assert found["area_m2"] == [100.5, None]
    assert found["crs_epsg"] == [9210, 9210]
    assert shapely.equals(shapely.from_wkb(found["geometry"][0]), shapely.Polygon(square(*BEN_THANH)))
    assert batch.cells["use_code"] == "KyHieuMucDichSuDung"
    assert batch.faults == {"geometry": {}}


def test_a_parcel_gets_a_point_a_geohash_a_ward_and_an_area_by_its_shape(tmp_path: Path) -> None:
    crossed = feature([*square(*BEN_THANH)[:1], *square(*BEN_THANH)[2:0:-1], *square(*BEN_THANH)[3:]])
    path = geojson(tmp_path, collection(feature(), crossed, {**feature(), "geometry": None}))
    found = only(path)
    assert found["longitude"] == [pytest.approx(106.69803856, abs=1e-8), None, None]
    assert found["latitude"] == [pytest.approx(10.77254471, abs=1e-8), None, None]
    assert found["geohash"] == ["w3gv7cp4s7zu", None, None]
    assert found["located_ward_code"] == ["26743", None, None]
    assert found["geodesic_area_m2"] == [99.99, None, None]
    (batch,) = batches(path)
    assert batch.cells["geohash"] == "geometry"


def test_what_the_contract_does_not_ask_for_is_not_found(tmp_path: Path) -> None:
    columns = {name: column for name, column in CONTRACT.columns.items() if name not in placing.COLUMNS}
    (batch,) = read(geojson(tmp_path, collection(feature())), replace(CONTRACT, columns=columns), "all", Tally())
    assert set(batch.columns) == set(columns)


def test_a_parcel_in_no_ward_is_kept_without_one(tmp_path: Path) -> None:
    found = only(geojson(tmp_path, collection(feature(at=(566_000.0, 1_180_000.0)))))
    assert found["located_ward_code"] == [None]
    assert found["geohash"][0].startswith("w3")


def test_the_system_may_stand_behind_the_features(tmp_path: Path) -> None:
    content = collection(feature(at=BA_RIA), crs=None) | {"crs": {"type": "name", "properties": {"name": "EPSG:5899"}}}
    assert only(geojson(tmp_path, content))["crs_epsg"] == [5899]


def test_dates_written_as_text_stay_text(tmp_path: Path) -> None:
    path = geojson(tmp_path, collection(feature(values={**VALUES, "CapNhat": "2026-02-31"})))
    assert only(path)["updated_date"] == ["2026-02-31"]


def test_words_in_a_field_of_numbers_stay_words_beside_the_numbers(tmp_path: Path) -> None:
    path = geojson(tmp_path, collection(feature(), feature(values={**VALUES, "DienTich": "khoảng 120 m²"})))
    assert only(path)["area_m2"] == ["100.5", "khoảng 120 m²"]


def test_a_shapefile_in_tcvn3_comes_out_as_unicode(tmp_path: Path) -> None:
    values = {"TenChu": pa.array(["TrÇn V¨n §øc"]), "KyHieuMucD": pa.array(["Lóa n­íc"])}
    found = only(zipped(tmp_path, parts(tmp_path, values)))
    assert found["owner_name"] == ["Trần Văn Đức"]
    assert found["use_code"] == ["Lúa nước"]
    assert found["updated_date"] == [date(2026, 7, 1)]
    assert found["area_m2"] == [100.5]
    assert found["crs_epsg"] == [9210]


@pytest.mark.parametrize("stated", [b"UTF-8", b"1252"])
def test_a_shapefile_in_utf_8_is_read_so_whatever_its_cpg_says(tmp_path: Path, stated: bytes) -> None:
    values = {"TenChu": pa.array(["Trần Ngọc Lan"])}
    members = parts(tmp_path, values, encoding="UTF-8") | {".cpg": stated}
    assert only(zipped(tmp_path, members))["owner_name"] == ["Trần Ngọc Lan"]


def test_a_letter_of_utf_8_that_the_width_of_a_field_cut_is_dropped(tmp_path: Path) -> None:
    cut = "Công ty Hoa Mai ở đường Bằng Lăng".encode()[:-3]  # ends within "ă"
    assert cut[-1] == 0xC4
    owners = [cut.decode("latin-1"), *(name.encode().decode("latin-1") for name in ("Trần Ngọc Lan", "Lê Thị Mỹ"))]
    shapes = [shapely.Polygon(square(*BEN_THANH))] * 3
    found = only(zipped(tmp_path, parts(tmp_path, {"TenChu": pa.array(owners)}, shapes)))
    assert found["owner_name"] == ["Công ty Hoa Mai ở đường Bằng L", "Trần Ngọc Lan", "Lê Thị Mỹ"]


def test_what_is_no_date_in_a_field_of_dates_is_shown_as_it_stands(tmp_path: Path) -> None:
    members = parts(tmp_path)
    members[".dbf"] = members[".dbf"].replace(b"20260701", b"20260231")
    assert only(zipped(tmp_path, members))["updated_date"] == ["20260231"]


@pytest.mark.parametrize(("stored", "found"), [("*" * 24, None), ("12a.5".rjust(24), "12a.5"), (" " * 24, None)])
def test_what_is_no_number_in_a_field_of_numbers_is_no_number(tmp_path: Path, stored: str, found: str | None) -> None:
    members = parts(tmp_path)
    members[".dbf"] = members[".dbf"].replace(b"100.500000000000000".rjust(24), stored.encode())
    assert only(zipped(tmp_path, members))["area_m2"] == [found]


def test_records_marked_as_deleted_are_counted_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    members = parts(tmp_path, shapes=[shapely.Polygon(square(*BEN_THANH))] * 3)
    start, width = (int.from_bytes(members[".dbf"][at : at + 2], "little") for at in (8, 10))
    second = start + width
    members[".dbf"] = members[".dbf"][:second] + b"*" + members[".dbf"][second + 1 :]
    tally = Tally()
    (batch,) = batches(zipped(tmp_path, members), tally)
    assert batch.lines == [1, 3]
    assert tally.skipped == {"deleted record": 1}


@pytest.mark.parametrize(("crs", "epsg"), [(9210, 9210), (5899, 5899)])
def test_esri_s_wkt_is_recognised_by_its_numbers(tmp_path: Path, crs: int, epsg: int) -> None:
    wkt = pyproj.CRS.from_epsg(crs).to_wkt("WKT1_ESRI")
    wkt = wkt.replace(wkt.split('"')[1], "HCM_VN2000").replace("D_Vietnam_2000", "D_VN_2000")
    at = BEN_THANH if crs == 9210 else BA_RIA
    members = parts(tmp_path, shapes=[shapely.Polygon(square(*at))]) | {".prj": wkt.encode()}
    assert only(zipped(tmp_path, members))["crs_epsg"] == [epsg]


def test_the_same_projection_on_another_datum_is_another_system(tmp_path: Path) -> None:
    wkt = pyproj.CRS.from_epsg(9210).to_wkt("WKT1_ESRI").replace("D_Vietnam_2000", "D_WGS_1984")
    refused = refusal(zipped(tmp_path, parts(tmp_path) | {".prj": wkt.encode()}))
    assert refused.what == "the sheet states another coordinate system"
    assert "World Geodetic System 1984, meridian 105.75°" in refused.found


@pytest.mark.parametrize(
    ("crs", "what", "found"),
    [
        (None, "the sheet states no coordinate system", "none"),
        ("urn:ogc:def:crs:EPSG::3405", "the sheet states another coordinate system", "EPSG:3405"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "the sheet states another coordinate system", "OGC:CRS84"),
        ("VN2000 TM3", "the sheet states another coordinate system", "'VN2000 TM3', which is no coordinate system"),
    ],
)
def test_a_system_that_is_not_promised_is_refused(tmp_path: Path, crs: str | None, what: str, found: str) -> None:
    refused = refusal(geojson(tmp_path, collection(feature(), crs=crs)))
    assert refused.what == what
    assert refused.expected == "EPSG:5899 (VN-2000 / TM-3 107-45) or EPSG:9210 (VN-2000 / TM-3 105-45)"
    assert found in refused.found


def test_an_empty_prj_states_no_system(tmp_path: Path) -> None:
    assert refusal(zipped(tmp_path, parts(tmp_path) | {".prj": b""})).what == "the sheet states no coordinate system"


@pytest.mark.parametrize(
    ("at", "crs", "probably"),
    [
        (BEN_THANH[::-1], 9210, "x and y are probably swapped"),
        (BA_RIA, 9210, "they are probably of EPSG:5899 (VN-2000 / TM-3 107-45)"),
        (BEN_THANH, 5899, "they are probably of EPSG:9210 (VN-2000 / TM-3 105-45)"),
        (BEN_THANH[::-1], 5899, "they are probably of EPSG:9210 (VN-2000 / TM-3 105-45), with x and y swapped"),
        ((106.698, 10.7725), 9210, "they are probably degrees (WGS 84), not metres"),
        ((10.7725, 106.698), 9210, "they are probably degrees (WGS 84), latitude first, not metres"),
        ((685_000, 1_191_454), 9210, "probably another meridian"),
        ((5, 5), 9210, "nothing known fits them"),
    ],
)
def test_a_sheet_that_lies_elsewhere_is_refused(
    tmp_path: Path, at: tuple[float, float], crs: int, probably: str
) -> None:
    refused = refusal(geojson(tmp_path, collection(feature(square(*at, side=0.001)), crs=f"EPSG:{crs}")))
    assert refused.what == f"the coordinates cannot be of EPSG:{crs}, which the sheet states"
    assert "1 of 1 features outside" in refused.found
    assert probably in refused.found


def test_a_shapefile_that_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, parts(tmp_path, shapes=[shapely.Polygon(square(*BA_RIA))]))
    assert "they are probably of EPSG:5899" in refusal(path).found


def test_a_single_feature_that_lies_elsewhere_is_a_fault(tmp_path: Path) -> None:
    path = geojson(tmp_path, collection(feature(), feature(), feature(at=BA_RIA)))
    (batch,) = batches(path)
    assert list(batch.faults["geometry"]) == [2]
    assert batch.faults["geometry"][2].startswith("a shape in EPSG:9210 inside E 5")


EAST, NORTH = BEN_THANH
CROSSING = [[EAST, NORTH], [EAST + 9, NORTH + 9], [EAST + 9, NORTH], [EAST, NORTH + 9], [EAST, NORTH]]


@pytest.mark.parametrize(
    ("ring", "fault"),
    [
        (CROSSING, "a polygon that does not cross itself (Self-intersection"),
        (square(*BEN_THANH)[:4], "rings of at least four points, the last one the first"),
        ([], "a shape that is not empty"),
        ([*square(*BEN_THANH)[:3], [float("nan"), NORTH], [EAST, NORTH]], "coordinates that are numbers"),
        ([*square(*BEN_THANH)[:3], [float("inf"), NORTH], [EAST, NORTH]], "coordinates that are numbers"),
    ],
)
def test_a_broken_shape_is_a_fault_of_its_row(tmp_path: Path, ring: object, fault: str) -> None:
    (batch,) = batches(geojson(tmp_path, collection(feature(), feature(ring), feature())))
    assert list(batch.faults["geometry"]) == [1]
    assert batch.faults["geometry"][1].startswith(fault)
    assert len(batch.lines) == 3


def test_a_crossing_polygon_of_a_shapefile_is_a_fault_too(tmp_path: Path) -> None:
    shapes = [shapely.Polygon(square(*BEN_THANH)), shapely.Polygon(CROSSING)]
    (batch,) = batches(zipped(tmp_path, parts(tmp_path, shapes=shapes)))
    assert list(batch.faults["geometry"]) == [1]


def test_a_feature_without_shape_is_blank(tmp_path: Path) -> None:
    path = geojson(tmp_path, collection(feature(), {**feature(), "geometry": None}))
    assert only(path)["geometry"][1] is None


def test_a_sheet_of_features_without_shapes_is_blank_throughout(tmp_path: Path) -> None:
    path = geojson(tmp_path, collection({**feature(), "geometry": None}))
    assert only(path)["geometry"] == [None]


def test_a_field_named_as_gdal_names_its_own_is_a_field(tmp_path: Path) -> None:
    values = {"OGC_FID": 77, "wkb_geometry": "x", **VALUES}
    (batch,) = batches(geojson(tmp_path, collection(feature(values=values))))
    assert {name: [str(value) for value in found] for name, found in batch.unexpected.items()} == {
        "OGC_FID": ["77"],
        "wkb_geometry": ["x"],
    }
    assert batch.lines == [1]
    assert not batch.faults["geometry"]


def test_what_a_file_is_called_does_not_matter(tmp_path: Path) -> None:
    text, packed = geojson(tmp_path, collection(feature())), zipped(tmp_path, parts(tmp_path))
    assert only(text.rename(tmp_path / "a.zip"))["parcel_id"] == ["1"]
    assert only(packed.rename(tmp_path / "b.geojson"))["parcel_id"] == ["1"]


def test_headings_match_without_case_accents_and_underscores(tmp_path: Path) -> None:
    values = {"thua_dat_id": "1", "Diện_tích": 1.5, "KYHIEUMUCD": "ODT", "Ten_Chu": "An", "capnhat": "x"}
    (batch,) = batches(geojson(tmp_path, collection(feature(values=values))))
    assert not batch.unexpected
    assert batch.cells["area_m2"] == "Diện_tích"


def test_an_unknown_field_is_kept_and_told(tmp_path: Path) -> None:
    tally = Tally()
    (batch,) = batches(geojson(tmp_path, collection(feature(values={**VALUES, "TyLe": {"mau": 2000}}))), tally)
    assert [str(value) for value in batch.unexpected["TyLe"]] == ['{ "mau": 2000 }']
    assert tally.warnings == ["DC12_TL2000.geojson: field 'TyLe' is not in the contract; its values are kept aside"]


def test_an_absent_field_is_refused_with_both_sides(tmp_path: Path) -> None:
    values = {("TenChuSuDung" if name == "TenChu" else name): value for name, value in VALUES.items()}
    refused = refusal(geojson(tmp_path, collection(feature(values=values))))
    assert refused.what == "a promised column is missing: 'TenChu'"
    assert "'DienTich'" in refused.expected
    assert "'TenChuSuDung' looks like 'TenChu'" in refused.found


def test_large_sheets_come_in_batches_whose_lines_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_sheet, "FEATURES", 2)
    found = batches(geojson(tmp_path, collection(*[feature()] * 5)))
    assert [batch.lines for batch in found] == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize(
    ("content", "what", "found"),
    [
        ("", "the file is empty", "0 bytes"),
        (" \n", "the file is empty", "2 bytes"),
        ("<!DOCTYPE html><html><body>Hết phiên", "the file is no map sheet", "a web page (HTML)"),
        ('<OGRVRTDataSource><OGRVRTLayer name="x"/>', "the file is no map sheet", "text beginning with '<OGRVRT"),
        ("MaXa;SoTo\n1;2\n", "the file is no map sheet", "14 bytes, text beginning with"),
        ("\x00\x01\x02", "the file is no map sheet", "unknown bytes"),
        (json.dumps(feature()), "the file is no FeatureCollection", "JSON of type Feature"),
        ('{"loi": "het phien"}', "the file is no FeatureCollection", "JSON of no type"),
        (json.dumps(collection()), "the sheet has no features", "none"),
        (json.dumps(collection(1, 2)), "the sheet has no features", "none"),
    ],
)
def test_what_is_no_map_sheet_is_named(tmp_path: Path, content: str, what: str, found: str) -> None:
    refused = refusal(geojson(tmp_path, content))
    assert refused.what == what
    assert found in refused.found


@pytest.mark.parametrize("lost", [1, 2, 3, 30, 200])
def test_a_truncated_geojson_is_refused_wherever_it_was_cut(
    tmp_path: Path, lost: int, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = json.dumps(collection(feature(), feature()))
    assert refusal(geojson(tmp_path, whole[:-lost])).what == "the map sheet is damaged or cut short"
    assert refusal(geojson(tmp_path, whole[: -lost - 1] + "}")).what == "the map sheet is damaged or cut short"
    assert capfd.readouterr() == ("", "")


def test_a_program_for_gdal_in_the_place_of_a_sheet_is_not_run(tmp_path: Path) -> None:
    program = {"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read /etc/hostname ! write x"}
    disguised = {**program, "crs": collection()["crs"], "x": {"type": "FeatureCollection"}}
    assert refusal(geojson(tmp_path, disguised)).what == "the map sheet is damaged or cut short"


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = geojson(tmp_path, "")
    path.write_bytes(
        json.dumps(collection(feature()), ensure_ascii=False).replace("Ngọc", "Ng\xf4c").encode("cp1258", "replace")
    )
    assert refusal(path).what == "the map sheet is damaged or cut short"


def test_gdal_s_complaints_become_warnings_and_reach_no_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    batches(geojson(tmp_path, collection(feature(), feature(square(*BEN_THANH)[:4]))), tally)
    assert any("Non closed ring" in warning for warning in tally.warnings)
    assert capfd.readouterr() == ("", "")


def entry(name: str, mode: int = 0o644) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ([entry("/etc/x.shp")], "member '/etc/x.shp' with an absolute path"),
        ([entry("C:\\x.shp")], "member 'C:/x.shp' with an absolute path"),
        ([entry("a/../../x.shp")], "member 'a/../../x.shp' that leaves the archive's folder"),
        ([entry("x.shp", 0o120777)], "member 'x.shp' that is a symbolic link"),
        ([entry("bên trong.ZIP")], "member 'bên trong.ZIP' that is an archive itself"),
        ([entry(f"{number}.txt") for number in range(201)], "201 members, more than 200"),
    ],
)
def test_an_archive_that_could_harm_is_not_unpacked(tmp_path: Path, members: list[zipfile.ZipInfo], found: str) -> None:
    path = tmp_path / "DC12_TL2000.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"x")
    refused = refusal(path)
    assert refused.what == "the archive is not safe to unpack"
    assert refused.found == found


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path, {".shp": bytes(3_000_000)})
    assert "bytes that unpack to 3,000,000, more than 200 times as many" in refusal(path).found
    monkeypatch.setattr(zipped_shapefile, "UNPACKED_BYTES", 2_999_999)
    assert refusal(path).found == "3,000,000 bytes unpacked, more than 2,999,999"


def test_an_archive_under_a_password_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"x.shp": b"x"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert refusal(path).found == "member 'x.shp' under a password"


Damage = Callable[[dict[str, bytes]], dict[str, bytes]]


@pytest.mark.parametrize(
    ("damage", "what", "found"),
    [
        (lambda p: {e: c for e, c in p.items() if e != ".dbf"}, "the Shapefile lacks its .dbf", "Tờ 12.prj"),
        (lambda p: {e: c for e, c in p.items() if e != ".prj"}, "the Shapefile lacks its .prj", "Tờ 12.dbf"),
        (lambda p: p | {"y.shp": p[".shp"]}, "the archive holds several Shapefiles", "y.shp"),
        (lambda _: {"readme.txt": b"x"}, "the archive holds no Shapefile", "readme.txt"),
        (lambda _: {}, "the archive holds no Shapefile", "no file"),
        (lambda p: p | {".shp": p[".shp"][:-20]}, "the Shapefile's .shp is damaged or cut short", "216"),
        (lambda p: p | {".shp": b"x" * 200}, "the Shapefile's .shp is damaged or cut short", "78 78 78 78"),
        (lambda p: p | {".shp": b""}, "the Shapefile's .shp is damaged or cut short", "no byte"),
        (lambda p: p | {".shx": p[".shx"][:-8]}, "the Shapefile's .shx is damaged or cut short", "100"),
        (lambda p: p | {".dbf": p[".dbf"][:-20]}, "the Shapefile's .dbf is damaged or cut short", ""),
        (lambda p: p | {".dbf": b"PK" * 50}, "the Shapefile's .dbf is damaged or cut short", "first byte 50"),
        (
            lambda p: p | {".dbf": p[".dbf"][:4] + bytes(4) + p[".dbf"][8:]},
            "the Shapefile's .dbf is damaged or cut short",
            "0",
        ),
    ],
)
def test_a_shapefile_that_is_not_whole_is_refused(
    tmp_path: Path, damage: Damage, what: str, found: str, capfd: pytest.CaptureFixture[str]
) -> None:
    refused = refusal(zipped(tmp_path, damage(parts(tmp_path))))
    assert refused.what == what
    assert found in refused.found
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kept", [4, 40, 400, -30])
def test_a_truncated_archive_is_refused_wherever_it_was_cut(tmp_path: Path, kept: int) -> None:
    path = zipped(tmp_path, parts(tmp_path))
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path).what == "the archive is damaged or cut short"


def test_a_member_whose_bytes_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "DC12_TL2000.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for ending, content in parts(tmp_path).items():
            archive.writestr(f"x{ending}", content)
    path.write_bytes(path.read_bytes().replace(b"Tran Ngoc Lan", b"Tran Ngoc Lam"))
    refused = refusal(path)
    assert refused.what == "the archive is damaged or cut short"
    assert "CRC" in refused.found


def test_endings_in_capitals_in_a_folder_and_what_macos_adds_do_not_matter(tmp_path: Path) -> None:
    members = {f"ban do/TO12{ending.upper()}": content for ending, content in parts(tmp_path).items()}
    path = zipped(tmp_path, {**members, "__MACOSX/ban do/._TO12.SHP": b"x"})
    assert only(path)["parcel_id"] == ["1"]
