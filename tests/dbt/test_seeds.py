"""The reference lists: whole, clean, and at one with each other and with the yearbooks."""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import yaml

SEEDS = Path(__file__).parents[2] / "dbt" / "seeds"


def rows(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("provinces", 34),
        ("former_provinces", 63),
        ("wards", 168),
        ("diseases", 28),
        ("vsic_sections", 21),
        ("land_use_codes", 12),
    ],
)
def test_a_list_is_whole_and_its_codes_are_unique(name: str, count: int) -> None:
    found = rows(name)
    assert len(found) == count
    assert len({row["code"] for row in found}) == count


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.csv")), ids=lambda path: path.stem)
def test_texts_are_nfc_without_odd_spaces(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)
    assert not {"\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}", "\t", "\r", "\N{BYTE ORDER MARK}"} & set(text)
    assert "  " not in text


def test_every_former_province_became_part_of_one_in_force() -> None:
    in_force = {row["code"] for row in rows("provinces")}
    former = {row["code"]: row["successor_code"] for row in rows("former_provinces")}
    assert set(former.values()) == in_force
    assert former["74"] == former["77"] == former["79"] == "79"


def test_every_name_means_provinces_that_there_are() -> None:
    names = rows("province_names")
    former, in_force = ({row["code"] for row in rows(name)} for name in ("former_provinces", "provinces"))
    assert {row["former_code"] for row in names} == former
    assert {row["code"] for row in names} == in_force | {""}
    assert len({row["name"] for row in names}) == len(names)


def test_a_name_may_have_changed_its_code() -> None:
    codes = {row["name"]: (row["former_code"], row["code"]) for row in rows("province_names")}
    assert codes["Lào Cai"] == ("10", "15")
    assert codes["An Giang"] == ("89", "91")
    assert codes["Kiên Giang"] == ("91", "")
    assert codes["TP. H.C.M"] == ("79", "79")
    assert codes["Bà Rịa -V.Tàu"] == ("77", "")
    assert codes["TT - Huế"] == ("46", "46")


def test_the_wards_are_the_citys_with_area_and_population() -> None:
    wards = rows("wards")
    assert {row["province_code"] for row in wards} == {"79"}
    assert sum(int(row["population"]) for row in wards) == 14_544_929
    assert round(sum(float(row["area_km2"]) for row in wards), 1) == 6771.4
    kinds = [row["unit_type"] for row in wards]
    assert (kinds.count("Phường"), kinds.count("Xã"), kinds.count("Đặc khu")) == (113, 54, 1)


def in_force(day: str) -> list[dict[str, str]]:
    return [row for row in rows("former_wards") if row["valid_from"] <= day <= row["valid_to"]]


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        ("2024-12-31", {"74": 91, "77": 83, "79": 312}),  # 82 and Côn Đảo, a district without communes
        ("2025-01-01", {"74": 91, "77": 78, "79": 273}),
        ("2025-06-30", {"74": 91, "77": 78, "79": 273}),
        ("2025-07-01", {}),
    ],
)
def test_the_former_wards_of_a_day_are_as_many_as_there_were(day: str, counts: dict[str, int]) -> None:
    found = in_force(day)
    assert Counter(row["province_code"] for row in found) == counts
    assert len({row["code"] for row in found}) == len(found)


def test_442_wards_became_168_through_493_pairs_and_47_were_split() -> None:
    merger = [row for row in rows("ward_changes") if row["valid_from"] == "2025-07-01"]
    assert len(merger) == 493
    assert {row["from_code"] for row in merger} == {row["code"] for row in in_force("2025-06-30")}
    assert {row["to_code"] for row in merger} == {row["code"] for row in rows("wards")}
    successors = Counter(row["from_code"] for row in merger)
    assert Counter(successors.values()) == {1: 395, 2: 43, 3: 4}
    assert all((successors[row["from_code"]] == 1) == (row["basis"] == "whole") for row in merger)


def test_every_change_is_between_wards_that_there_were() -> None:
    known = {(row["code"], row["valid_from"]) for row in rows("former_wards")}
    known |= {(row["code"], "2025-07-01") for row in rows("wards")}
    for row in rows("ward_changes"):
        assert (row["from_code"], row["from_valid_from"]) in known
        assert (row["to_code"], row["valid_from"]) in known


def test_every_former_ward_was_in_a_district_on_its_first_and_its_last_day() -> None:
    districts = rows("districts")
    for ward in rows("former_wards"):
        for day in (ward["valid_from"], ward["valid_to"]):
            assert [
                row["code"]
                for row in districts
                if row["code"] == ward["district_code"] and row["valid_from"] <= day <= row["valid_to"]
            ], ward


def test_every_seed_column_states_its_type_for_01_is_no_number() -> None:
    seeds = yaml.safe_load((SEEDS / "seeds.yml").read_text(encoding="utf-8"))["seeds"]
    stated = {seed["name"]: set(seed["config"]["column_types"]) for seed in seeds}
    assert stated == {path.stem: set(rows(path.stem)[0]) for path in SEEDS.glob("*.csv")}


def test_the_notice_names_every_list_and_its_licence() -> None:
    notice = (SEEDS / "NOTICE").read_text(encoding="utf-8")
    for path in SEEDS.glob("*.csv"):
        assert path.name in notice
    assert "MIT License" in notice
    assert "GPL-3" in notice
