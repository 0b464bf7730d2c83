from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely

from infra.departments.cadastre import deliver, missing_sheet, name_of
from infra.departments.cadastre.parcels import PARCELS, RURAL, URBAN, changed, sheets, wards
from infra.departments.cadastre.writing import to_tcvn3
from quality.contract import SEEDS, Contract, load
from spark_jobs.layouts import Tally, layout_named
from spark_jobs.layouts.tcvn3 import from_tcvn3

CONTRACTS = Path(__file__).parents[3] / "quality" / "contracts" / "cadastre"
MARK = "dữ liệu mô phỏng"


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """What the department offers as of each month, each laid out anew."""
    folders = {period: tmp_path_factory.mktemp(f"month-{period}") for period in (1, 2, 3, 4)}
    for period, folder in folders.items():
        deliver("test", period, folder)
    return folders


def files(folder: Path) -> dict[str, tuple[str, float]]:
    """Hash and time of every file by its name."""
    found = {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime)
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found
    return found


def rows(contract: Contract, path: Path) -> list[dict[str, Any]]:
    """The rows of one file, with the faults that its layout saw."""
    assert contract.delivery is not None
    found = []
    for batch in layout_named(contract.delivery.layout)(path, contract, "all", Tally()):
        columns = {n: v.to_pylist() if isinstance(v, pa.Array) else list(v) for n, v in batch.columns.items()}
        for index in range(len(batch.lines)):
            faults = {name: some[index] for name, some in batch.faults.items() if index in some}
            found.append({**{name: values[index] for name, values in columns.items()}, "faults": faults})
    return found


def parcels(folder: Path) -> list[dict[str, Any]]:
    contract = load(CONTRACTS / "parcels.yml")
    return [row for path in sorted(folder.glob("ban-do/*/*")) for row in rows(contract, path)]


def prices(folder: Path, year: int) -> list[dict[str, Any]]:
    contract = load(CONTRACTS / "land_prices.yml")
    return rows(contract, folder / "gia-dat" / str(year) / f"Bang gia dat {year}.xlsx")


def test_the_same_month_is_the_same_bytes_and_times_however_it_was_reached(
    months: dict[int, Path], tmp_path: Path
) -> None:
    for period in (1, 4, 2, 3, 4, 1):
        deliver("test", period, tmp_path)
        assert files(tmp_path) == files(months[period])


def test_a_second_run_touches_nothing(months: dict[int, Path]) -> None:
    def inodes() -> dict[Path, int]:
        return {path: path.stat().st_ino for path in months[2].rglob("*")}

    before = inodes()
    deliver("test", 2, months[2])
    assert inodes() == before


def test_from_month_to_month_only_a_twentieth_of_the_sheets_changes(months: dict[int, Path]) -> None:
    first, second = files(months[1]), files(months[2])
    wanted = {name_of(sheets("test")[place]) for place in changed("test", 2)}
    assert {name for name in second if second[name] != first[name]} == wanted - {name_of(missing_sheet("test"))}
    assert len(wanted) == 1
    assert len(changed("city", 2)) == 86
    assert len(sheets("city")) == 1716


def test_about_one_parcel_of_a_hundred_changes(months: dict[int, Path]) -> None:
    before = {row["parcel_id"]: row for row in parcels(months[1])}
    after = {row["parcel_id"]: row for row in parcels(months[3])}
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    other = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert 12 <= len(gone) + len(other) <= 36  # of 1,200, in two months
    assert len(new) == 2 * len(gone)
    assert {after[key]["parent_parcel_id"] for key in new} == gone
    halves = sum(after[key]["area_m2"] for key in new)
    assert halves == pytest.approx(sum(before[key]["area_m2"] for key in gone), rel=1e-4)


def test_one_sheet_is_missing_in_the_second_month_and_late_in_the_third(months: dict[int, Path]) -> None:
    name = name_of(missing_sheet("test"))
    assert (months[1] / name).is_file()
    assert not (months[2] / name).exists()
    at = datetime.fromtimestamp((months[3] / name).stat().st_mtime, UTC)
    assert (at.year, at.month) == (2026, 9)


def test_prices_of_2025_are_corrected_in_the_third_month_and_those_of_2027_drafted_in_the_fourth(
    months: dict[int, Path],
) -> None:
    table = "gia-dat/2025/Bang gia dat 2025.xlsx"
    assert files(months[1])[table] == files(months[2])[table] != files(months[3])[table] == files(months[4])[table]
    before, after = prices(months[1], 2025), prices(months[3], 2025)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 3
    assert not (months[3] / "gia-dat" / "2027").exists()
    assert len(prices(months[4], 2027)) == 60


def test_every_file_says_that_it_is_simulated(months: dict[int, Path]) -> None:
    endings: Counter[str] = Counter()
    for path in months[1].rglob("*.*"):
        endings[path.suffix] += 1
        if path.suffix == ".geojson":
            found = json.loads(path.read_text(encoding="utf-8"))
            assert found["nguon"] == MARK
            assert {feature["properties"]["GhiChu"] for feature in found["features"]} == {MARK}
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                table = archive.read(f"{path.stem}.dbf")
            assert to_tcvn3(MARK).encode("latin-1") in table or MARK.encode() in table
        else:
            with zipfile.ZipFile(path) as archive:
                assert MARK in archive.read("xl/sharedStrings.xml").decode()
    assert set(endings) == {".geojson", ".zip", ".xlsx"}


def test_a_third_of_the_wards_delivers_shapefiles_and_the_zone_follows_the_former_province() -> None:
    city = wards("city")
    assert Counter((ward.former_province, ward.epsg) for ward in city) == {
        ("79", 9210): 102,
        ("74", 9210): 36,
        ("77", 5899): 30,
    }
    shapefiles = {sheet.ward.code for sheet in sheets("city") if name_of(sheet).endswith(".zip")}
    assert len(shapefiles) == 56
    assert {ward.epsg for ward in wards("test")} == {9210, 5899}


def test_the_sheets_hold_as_many_parcels_as_the_size_says_and_no_name_comes_twice() -> None:
    for size, many in (("test", 1_200), ("demo", 43_000), ("city", 4_282_882)):
        assert sum(sheet.parcels for sheet in sheets(size)) == many == PARCELS[size]
        assert len({name_of(sheet) for sheet in sheets(size)}) == len(sheets(size))


def test_the_contract_s_layout_reads_every_sheet_and_a_quarter_of_a_percent_is_bad(months: dict[int, Path]) -> None:
    found = parcels(months[1])
    assert len(found) == 1_200
    assert len({row["parcel_id"] for row in found}) == 1_200
    assert [row["faults"]["geometry"].partition(" (")[0] for row in found if row["faults"]] == [
        "a polygon that does not cross itself"
    ]
    assert [row["ward_code"] for row in found if row["ward_code"] == "99999"] == ["99999"]
    assert sum(row["parcel_number"] is None for row in found) == 1
    assert {row["note"] for row in found} == {MARK}


def test_ward_codes_are_former_and_present_ones_and_numbers_of_sheets_repeat_within_a_ward() -> None:
    ben_thanh = [sheet for sheet in sheets("city") if sheet.ward.name == "Phường Bến Thành"]
    assert len({sheet.former for sheet in ben_thanh}) > 1
    assert len({sheet.former_number for sheet in ben_thanh}) < len(ben_thanh)
    assert len({sheet.number for sheet in ben_thanh}) == len(ben_thanh)


def test_every_land_use_has_a_name() -> None:
    with (SEEDS / "land_use_codes.csv").open(encoding="utf-8", newline="") as lines:
        named = {row["code"] for row in csv.DictReader(lines)}
    assert {code for use in (*URBAN, *RURAL) for code in use.split("+")} <= named


def test_a_parcel_of_ben_thanh_lies_at_the_market(months: dict[int, Path]) -> None:
    contract = load(CONTRACTS / "parcels.yml")
    found = [row for path in (months[1] / "ban-do" / "ben-thanh").iterdir() for row in rows(contract, path)]
    assert {row["crs_epsg"] for row in found} == {9210}
    market = shapely.Point(603_480.79, 1_191_454.57)  # 106.6980 E 10.7725 N
    assert min(shapely.distance(shapely.from_wkb(row["geometry"]), market) for row in found) < 100


def test_prices_stand_there_as_numbers_and_as_vietnamese_text(months: dict[int, Path]) -> None:
    found = [row["residential_kvnd_m2"] for row in prices(months[1], 2026)]
    assert found[0] == 687_200
    assert sum(isinstance(price, str) for price in found) == 21
    assert min(int(str(price).replace(".", "")) for price in found) == 1_300
    keys = [(row["street_name"], row["section_from"], row["section_to"]) for row in prices(months[1], 2026)]
    assert len(set(keys)) == 60


def test_tcvn3_is_written_as_it_is_read() -> None:
    assert to_tcvn3("Trần Ngọc Lan, Đường Hoa Sứ") == "TrÇn Ngäc Lan, §\xadêng Hoa Sø"
    assert from_tcvn3(to_tcvn3("Nguyễn Thuỳ Ánh, quận Gò Vấp")) == "Nguyễn Thuỳ ánh, quận Gò Vấp"
