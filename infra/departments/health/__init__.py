"""The simulated Department of Health: what its API (`api.py`) has to tell at the end of each month.

Facilities are OpenStreetMap's (`health/facilities`), people are invented, counts of disease are drawn: the 1,430 cases
of dengue and 836 of hand, foot and mouth disease of week 3 of 2026 (the city's bulletin) are shared out to wards by
population and to other weeks by season. Counts of 2024 and 2025 stand on the wards of today, as the department converts
them. All of it is labelled `dữ liệu mô phỏng`.

Periods 1 to 4 are the ends of July to October 2026. From one to the next:
- practitioners: 1 % change workplace, status or address, 0.5 % are new;
- facilities: 1 % are checked again; one is left out in period 3 and back in period 4;
- weeks: the newest three of a period were reported incompletely and are completed in the next;
- late: week 34 comes in period 3 instead of 2. Missing for good: week 37. A correction of the past: in period 4,
  week 27 loses cases that were counted twice.

Rows that are bad, as real ones are: 0.2 % of practitioners (a day or a status there is not, no number, another's
number; half of them are put right in period 3), two facilities (31 February; right in period 3), one row of every week
(text for a number, a row twice, no ward, a ward there is not).
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from infra.departments.health import practitioners as register
from infra.departments.health.practitioners import Row
from quality.refusal import Refusal

SOURCE_NOTE = "dữ liệu mô phỏng"
STATE = "state.json"
SEED = 20260731
MONTH_ENDS = {1: date(2026, 7, 31), 2: date(2026, 8, 31), 3: date(2026, 9, 30), 4: date(2026, 10, 31)}

Week = tuple[int, int]  # ISO year, ISO week


@dataclass(frozen=True)
class Size:
    """How many practitioners there are in period 1, and the first week that is told of."""

    practitioners: int
    first_week: Week


SIZES = {"test": Size(200, (2026, 27)), "demo": Size(4_000, (2026, 27)), "city": Size(40_000, (2024, 1))}
LATE: Mapping[Week, int] = {(2026, 34): 3}  # the period in which it comes
MISSING = frozenset({(2026, 37)})
CORRECTED: Mapping[Week, int] = {(2026, 27): 4}
FIRST_REPORTED = (0.85, 0.93, 0.97)  # share of the cases known at first: the newest week, the one before, …

ROOT = Path(__file__).resolve().parents[3]
POINTS = Path(__file__).with_name("facilities") / "points.csv"
WARDS = ROOT / "dbt" / "seeds" / "wards.csv"


@dataclass(frozen=True)
class Disease:
    """`anchor`: cases in the city in week 3 of 2026. `months`: how January to December compare; `years` likewise.

    Of the cases `hospitalised`, of those `severe`, of those `deaths`.
    """

    anchor: int
    months: tuple[int, ...]
    years: Mapping[int, float]
    hospitalised: float
    severe: float
    deaths: float


# Dengue peaks with the rains, hand, foot and mouth disease twice a year; the measles of 2024 and 2025 are over.
DISEASES = {
    "SXH": Disease(
        1_430, (100, 70, 48, 40, 50, 75, 110, 135, 155, 170, 165, 135), {2024: 0.45, 2025: 0.75}, 0.45, 0.04, 0.02
    ),
    "TCM": Disease(
        836, (100, 80, 120, 140, 130, 100, 75, 90, 150, 185, 150, 115), {2024: 0.6, 2025: 0.8}, 0.2, 0.02, 0.01
    ),
    "Soi": Disease(30, (100, 110, 120, 100, 80, 60, 50, 50, 60, 75, 85, 95), {2024: 2.0, 2025: 5.0}, 0.6, 0.05, 0.02),
}


def deliver(size: str, period: int, folder: Path) -> None:
    """Lay out all that the API tells as of a period. `state.json` names the files and is replaced last of all."""
    if size not in SIZES or period not in MONTH_ENDS:
        raise Refusal(
            "there is no such delivery of the Department of Health",
            expected=f"{', '.join(SIZES)}; periods {', '.join(map(str, MONTH_ENDS))}",
            found=f"{size}, {period}",
        )
    folder.mkdir(parents=True, exist_ok=True)
    points, wards = _read(POINTS), _read(WARDS)
    holders = register.practitioners(SIZES[size].practitioners, period, SEED, points, wards)
    collections = {
        "facilities": _kept(folder, "facilities", period, facilities(points, period)),
        "practitioners": _kept(folder, "practitioners", period, holders),
    }
    for year, week in weeks(size, period):
        name = f"disease-weeks/{year}-W{week:02d}"
        told = told_in((year, week), period)
        collections[name] = _kept(folder, name, told, disease_week((year, week), told, wards))
    state = {"nguon": SOURCE_NOTE, "size": size, "period": period, "collections": collections}
    _replace(folder / STATE, json.dumps(state, ensure_ascii=False, indent=1))
    named = {found["file"] for found in collections.values()}
    for path in folder.glob("*.jsonl"):
        if path.name not in named:
            path.unlink()


def facilities(points: list[dict[str, str]], period: int) -> list[Row]:
    """The points of OpenStreetMap, with the day of the last check."""
    rows = [_facility(point) for point in points]
    for now in range(2, period + 1):
        rng = np.random.default_rng([SEED, 1, now])
        for index in rng.choice(len(rows), len(rows) // 100, replace=False).tolist():
            rows[index]["ngay_doi_chieu"] = f"{MONTH_ENDS[now]:%d/%m/%Y}"
    bad, left_out = slice(100, 102), 500
    if period < 3:  # noqa: PLR2004  put right then
        for row in rows[bad]:
            row["ngay_doi_chieu"] = "31/02/2026"
    if period == 3:  # noqa: PLR2004  and back in the next
        del rows[left_out]
    return rows


def weeks(size: str, period: int) -> list[Week]:
    """The weeks that a period tells of. A week is told of when its Sunday is over."""
    day = date.fromisocalendar(*SIZES[size].first_week, 7)
    found: list[Week] = []
    while day <= MONTH_ENDS[period]:
        week = (day.isocalendar().year, day.isocalendar().week)
        if week not in MISSING and LATE.get(week, 0) <= period:
            found.append(week)
        day += timedelta(weeks=1)
    return found


def told_in(week: Week, period: int) -> int:
    """The latest period, up to this one, in which something of a week was told for the first time."""
    first = _first(week)
    told = [first, CORRECTED.get(week, first), first + (_known(week, first) < 1)]
    return max(found for found in told if found <= period)


def disease_week(week: Week, told: int, wards: list[dict[str, str]]) -> list[Row]:
    """A row for each ward and disease, as told in a period."""
    rows: list[Row] = []
    for code, counts in _counts(week, told, [int(ward["population"]) for ward in wards]).items():
        for ward, (cases, hospitalised, severe, deaths) in zip(wards, counts, strict=True):
            rows.append(
                {
                    "nam": week[0],
                    "tuan": week[1],
                    "dia_ban": {"ma": ward["code"], "ten": ward["full_name"]},
                    "ma_benh": code,
                    "so_mac": cases,
                    "nhap_vien": hospitalised,
                    "nang": severe,
                    "tu_vong": deaths,
                }
            )
    bad = rows[(week[0] + 37 * week[1]) % len(rows)]
    match week[1] % 4:
        case 0:
            bad["so_mac"] = "không rõ"
        case 1:
            rows.append(dict(bad))
        case 2:
            bad["dia_ban"]["ma"] = None
        case _:
            bad["dia_ban"]["ma"] = "26731"  # a ward of before 2025-07-01
    return rows


def _counts(week: Week, told: int, population: list[int]) -> dict[str, list[list[int]]]:
    """By disease, for each ward: cases, hospitalised, severe, deaths."""
    found = {}
    for number, (code, disease) in enumerate(DISEASES.items()):
        spread = np.array(population) * np.random.default_rng([SEED, 2, number]).uniform(0.5, 1.5, len(population))
        rng = np.random.default_rng([SEED, 3, number, *week])
        cases = rng.multinomial(_in_the_city(disease, week, rng.uniform(0.93, 1.07)), spread / spread.sum())
        counts = [cases]
        for share in (disease.hospitalised, disease.severe, disease.deaths):
            counts.append(rng.binomial(counts[-1], share))
        first = _first(week)
        if told == first:
            counts[0] = rng.binomial(cases, _known(week, first))
        elif told == CORRECTED.get(week):
            counts[0] = cases - rng.binomial(cases, 0.03)
        whole = np.minimum.accumulate(np.array(counts))  # the severe are among the hospitalised, they among the cases
        found[code] = whole.T.tolist()
    return found


def _in_the_city(disease: Disease, week: Week, chance: float) -> int:
    middles = [(month - 0.5) * 365.25 / 84 for month in range(1, 13)]  # of the months, in weeks
    now, then = np.interp([week[1], 3], middles, disease.months, period=365.25 / 7)
    by_chance = 1.0 if week == (2026, 3) else chance
    return round(disease.anchor * float(now / then) * disease.years.get(week[0], 1.0) * by_chance)


def _first(week: Week) -> int:
    sunday = date.fromisocalendar(*week, 7)
    return LATE.get(week, next(period for period, end in MONTH_ENDS.items() if sunday <= end))


def _known(week: Week, first: int) -> float:
    """The share of a week's cases that its first report knows of."""
    weeks_ago = (MONTH_ENDS[first] - date.fromisocalendar(*week, 7)).days // 7
    return FIRST_REPORTED[weeks_ago] if weeks_ago < len(FIRST_REPORTED) and week not in LATE else 1.0


def _facility(point: Mapping[str, str]) -> Row:
    return {
        "ma_co_so": f"{point['osm_type']}/{point['osm_id']}",
        "loai": point["category"],
        "ten": point["name"] or None,
        "ten_tieng_anh": point["name_en"] or None,
        "dia_chi": point["address"] or None,
        "toa_do": {"vi_do": float(point["lat"]), "kinh_do": float(point["lon"])},
        "ma_xa": point["ward_code"] or None,
        "gio_mo_cua": point["opening_hours"] or None,
        "ngay_doi_chieu": f"{MONTH_ENDS[1]:%d/%m/%Y}",
    }


def _kept(folder: Path, name: str, period: int, rows: Iterable[Row]) -> dict[str, Any]:
    """Rows as a file whose name tells its content, so that what did not change is not touched."""
    as_of = f"{MONTH_ENDS[period]}T17:00:00+07:00"
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    content = "".join(f"{line}\n" for line in lines)
    sha256 = hashlib.sha256(f"{as_of}\n{content}".encode()).hexdigest()
    path = folder / f"{name.replace('/', '-')}-{sha256[:16]}.jsonl"
    if not path.exists():
        _replace(path, content)
    return {"file": path.name, "etag": f'"{sha256[:32]}"', "total": len(lines), "as_of": as_of}


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.partial")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
