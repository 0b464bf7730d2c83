"""The register of licences to practise, as the licensing software of the simulated Department of Health tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from infra.departments.names import addresses, citizen_ids, people

Row = dict[str, Any]

PERIODS = 4
BAD = ("31/02/2019", "khoảng 2015")  # days of issue
STATUSES = ("Đang hoạt động", "Tạm đình chỉ", "Thu hồi", "Hết hạn")
WORKING = STATUSES[:2]
NEW_STYLE = date(2024, 1, 1)  # since the law on medical care 15/2023/QH15 is in force: GPHN instead of CCHN
LAST_ISSUED = date(2026, 6, 30)
PHARMACY = "Hành nghề dược"
SCOPES = (
    "Khám bệnh, chữa bệnh đa khoa",
    "Khám bệnh, chữa bệnh chuyên khoa nội",
    "Khám bệnh, chữa bệnh chuyên khoa ngoại",
    "Khám bệnh, chữa bệnh chuyên khoa nhi",
    "Khám bệnh, chữa bệnh chuyên khoa sản phụ khoa",
    "Khám bệnh, chữa bệnh chuyên khoa răng hàm mặt",
    "Khám bệnh, chữa bệnh bằng y học cổ truyền",
    "Chuyên khoa chẩn đoán hình ảnh",
    "Chuyên khoa xét nghiệm",
    "Điều dưỡng",
    "Hộ sinh",
    PHARMACY,
)
SCOPE_SHARES = (0.12, 0.1, 0.06, 0.06, 0.06, 0.06, 0.06, 0.03, 0.06, 0.24, 0.04, 0.11)
STAFF = {"hospital": 60, "clinic": 8}  # how many work there, compared with a dentist's or doctor's practice

Points = Sequence[Mapping[str, str]]


def practitioners(count: int, period: int, seed: int, points: Points, wards: Points) -> list[Row]:
    """The register as of a period; in period 1 it has `count` rows. Who is in it keeps the place and name."""
    growth = max(1, count // 200)
    rng = np.random.default_rng([seed, 4, count])
    rows = _people(rng, count + (PERIODS - 1) * growth, wards)
    _licences(rng, rows, count)
    places = _Places(points)
    for row in rows:
        row["NoiLamViec"] = places.one(rng, row) if row["TrangThaiGiayPhep"] in WORKING else None
    for now in range(2, period + 1):
        _change(np.random.default_rng([seed, 5, count, now]), rows[: count + (now - 2) * growth], places, wards)
    _spoil(np.random.default_rng([seed, 6, count]), rows[:count], period)
    return rows[: count + (period - 1) * growth]


class _Places:
    """Where one can work: pharmacists in pharmacies, the others elsewhere, most of them in hospitals."""

    def __init__(self, points: Points) -> None:
        self.pharmacies = [point for point in points if point["category"] == "pharmacy"]
        self.others = [point for point in points if point["category"] != "pharmacy"]
        staff = np.array([STAFF.get(point["category"], 1) for point in self.others], dtype=float)
        self.ends = np.cumsum(staff / staff.sum())

    def one(self, rng: np.random.Generator, row: Row) -> Row:
        """A place for a holder."""
        chance = float(rng.random())
        if row["PhamViHoatDongChuyenMon"] == PHARMACY:
            point = self.pharmacies[int(chance * len(self.pharmacies))]
        else:
            point = self.others[min(int(np.searchsorted(self.ends, chance)), len(self.others) - 1)]
        return {"Ma": f"{point['osm_type']}/{point['osm_id']}", "Ten": point["name"] or None}


def _people(rng: np.random.Generator, count: int, wards: Points) -> list[Row]:
    is_female = rng.random(count) < 0.6  # noqa: PLR2004  most nurses are women
    born = rng.integers(1958, 2000, count)
    names = people(rng, count, is_female)
    identity = citizen_ids(rng, is_female, born)
    homes = _homes(rng, count, wards)
    return [
        {"SoChungChi": "", "NgayCap": "", "HoTen": name, "SoGiayTo": number, "ChoO_DiaChi": home}
        for name, number, home in zip(names, identity, homes, strict=True)
    ]


def _licences(rng: np.random.Generator, rows: list[Row], count: int) -> None:
    """Numbers, days, scopes and status. Those after the first `count` are new: issued in the months told of."""
    numbers = rng.choice(999_999, len(rows), replace=False) + 1
    ages = rng.integers(0, 14 * 365, len(rows))  # days since the issue; licences are older than 2012 by exception
    scopes = rng.choice(len(SCOPES), len(rows), p=SCOPE_SHARES)
    states = rng.choice(len(STATUSES), len(rows), p=(0.93, 0.02, 0.01, 0.04))
    ministry = rng.random(len(rows)) < 0.05  # noqa: PLR2004  the ministry's own
    for index, row in enumerate(rows):
        is_new = index >= count
        issued = LAST_ISSUED + timedelta(days=15) if is_new else LAST_ISSUED - timedelta(days=int(ages[index]))
        scope = SCOPES[scopes[index]]
        style = "GPHN" if issued >= NEW_STYLE else "CCHN"
        kind = "CCHND" if scope == PHARMACY else style
        row["SoChungChi"] = f"{numbers[index]:06d}/{'BYT' if ministry[index] else 'HCM'}-{kind}"
        row["NgayCap"] = f"{issued:%d/%m/%Y}"
        row["PhamViHoatDongChuyenMon"] = scope
        row["TrangThaiGiayPhep"] = STATUSES[0 if is_new else states[index]]


def _change(rng: np.random.Generator, rows: list[Row], places: _Places, wards: Points) -> None:
    """A month: of 1 % of the holders half work elsewhere, the others move or have their licence suspended."""
    chosen = rng.choice(len(rows), max(2, len(rows) // 100), replace=False).tolist()
    homes = _homes(rng, len(chosen), wards)
    for turn, index in enumerate(chosen):
        row = rows[index]
        if turn % 4 == 1:
            row["TrangThaiGiayPhep"] = STATUSES[1 if row["TrangThaiGiayPhep"] == STATUSES[0] else 0]
        elif turn % 4 == 3:  # noqa: PLR2004  the last of four
            row["ChoO_DiaChi"] = homes[turn]
        elif row["TrangThaiGiayPhep"] in WORKING:
            row["NoiLamViec"] = places.one(rng, row)


def _spoil(rng: np.random.Generator, rows: list[Row], period: int) -> None:
    """Bad rows, one in 500 and at least one. Every other of them is put right in period 3."""
    chosen = rng.choice(len(rows), max(1, len(rows) // 500), replace=False).tolist()
    numbers = [row["SoChungChi"] for row in rows]
    for turn, index in enumerate(chosen):
        if turn % 2 and period >= 3:  # noqa: PLR2004  put right
            continue
        match turn % 5:
            case 0:
                rows[index]["NgayCap"] = BAD[0]
            case 1:
                rows[index]["SoChungChi"] = None
            case 2:
                rows[index]["SoChungChi"] = numbers[(index + 1) % len(rows)]
            case 3:
                rows[index]["TrangThaiGiayPhep"] = "Chưa rõ"
            case _:
                rows[index]["NgayCap"] = BAD[1]


def _homes(rng: np.random.Generator, count: int, wards: Points) -> list[str]:
    roads = addresses(rng, count)
    chosen = rng.integers(0, len(wards), count).tolist()
    return [f"{road}, {wards[at]['full_name']}, TP. Hồ Chí Minh" for road, at in zip(roads, chosen, strict=True)]
