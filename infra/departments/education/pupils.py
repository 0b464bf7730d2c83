"""The pupils of one ward in one school year, as of some deliveries: persons, then what was corrected of them.

Columns of objects by their names in the contract; days are Excel's serial numbers. Those who entered a school in the
same year are a cohort: it keeps its persons, whatever the year, and is a grade further a year later.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from infra.departments import names
from infra.departments.education import codes
from infra.departments.education.calendar import FIRST, MONTH_ENDS, deliveries
from infra.departments.education.city import LEVELS, PUPILS, SEED, SIZES, City, city_of

Objects = NDArray[np.object_]
Whole = NDArray[np.int64]
Rows = Mapping[str, Objects]

BAD = 0.002  # share of the rows, each of these about as often
KINDS = ("31 February", "blank code", "unknown ward", "row twice", "text for a year")
FEW = 1_000  # pupils of a ward
CORRECTED = 0.01  # of all rows, in the workbooks of 5 % of the wards


def serial(day: date) -> int:
    """The number that Excel keeps for a day."""
    return (day - date(1899, 12, 30)).days


def enrolled(city: City, ward: int, year: int, came: list[int]) -> Rows:
    """A ward's rows in the order of schools, grades and classes; corrected at each delivery after the first."""
    parts = [
        _in_grade(city, ward, level, year, grade) for level in range(len(LEVELS)) for grade in range(_grades(level))
    ]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows = _taken(rows, np.argsort(rows["school_code"].astype(str), kind="stable"))
    rows.update(_standing(np.random.default_rng([SEED, 3, SIZES.index(city.size), ward, year]), rows, year))
    rows = _with_bad_rows(rows, city.size, ward, year)
    for period in came[1:]:
        rng = np.random.default_rng([SEED, 4, SIZES.index(city.size), ward, year, period])
        wanted = round(CORRECTED * PUPILS[city.size] / max(1, round(0.05 * len(city.wards))))
        chosen = rng.choice(len(rows["pupil_code"]), min(wanted, len(rows["pupil_code"]) // 2), replace=False)
        rows = _with_corrections(rows, rng, chosen, _other_schools(city, ward), _last_day(year, period))
    return rows


def _grades(level: int) -> int:
    return len(LEVELS[level].grades)


def _in_grade(city: City, ward: int, level: int, year: int, grade: int) -> dict[str, Objects]:
    """One level's cohorts of a ward that are in one grade."""
    schools = city.schools_in(ward, level)
    entered = year - grade
    sizes = np.array([school.cohort(entered) for school in schools], dtype=np.int64)
    count = int(sizes.sum())
    rows = _persons(city, ward, level, entered, count)
    school = np.repeat(np.arange(len(schools)), sizes)
    within = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    classes = -(-sizes // LEVELS[level].class_size)
    number = within * classes[school] // np.maximum(sizes[school], 1) + 1
    name, prefix = LEVELS[level].grades[grade]
    rows["school_code"] = _objects([schools[index].code for index in school.tolist()])
    rows["grade"] = np.full(count, name, dtype=object)
    rows["class_code"] = _objects([f"{prefix}{each}" for each in number.tolist()])
    rows["admission_date"] = np.full(count, serial(date(entered, 8, 15)), dtype=object)
    return rows


def _persons(city: City, ward: int, level: int, entered: int, count: int) -> dict[str, Objects]:
    """Who entered the schools of a level in a ward in a year."""
    rng = np.random.default_rng([SEED, 5, SIZES.index(city.size), ward, level, entered])
    female = rng.random(count) < 0.48  # noqa: PLR2004  girls among pupils
    born = entered - LEVELS[level].age - (rng.random(count) < 0.03)  # noqa: PLR2004  who entered a year late
    foreign = rng.random(count) < 0.004  # noqa: PLR2004
    number = (_first_numbers(city.size)[ward, level] + np.arange(count)) * 3_333_331 % 10_000_000  # each once
    minority = np.minimum(rng.geometric(0.6, count), len(codes.ETHNICITIES) - 2)  # most of them Hoa, then Khơ Me
    ethnicity = np.where(foreign, len(codes.ETHNICITIES) - 1, np.where(rng.random(count) < 0.09, minority, 0))  # noqa: PLR2004
    home = np.where(rng.random(count) < 0.92, ward, rng.integers(0, len(city.wards), count))  # noqa: PLR2004
    first_days = np.array([serial(date(year, 1, 1)) for year in range(entered - 20, entered + 1)])
    return {
        "pupil_code": _objects([f"79{entered % 10}{each:07d}" for each in number.tolist()]),
        "full_name": _objects(names.people(rng, count, female)),
        "birth_date": (first_days[born - entered + 20] + rng.integers(0, 365, count)).astype(object),
        "sex": female.astype(np.int64).astype(object),
        "ethnicity": _from(codes.ETHNICITIES, ethnicity),
        "nationality": _from(codes.NATIONALITIES, np.where(foreign, rng.integers(1, 8, count), 0)),
        "disability": _from(("", *codes.DISABILITIES), _rarely(rng, count, 0.01, 1 + len(codes.DISABILITIES))),
        "citizen_id": np.where(foreign, "", _objects(names.citizen_ids(rng, female, born))),
        "policy_category": _from(("", *codes.POLICIES), _rarely(rng, count, 0.03, 1 + len(codes.POLICIES))),
        "birth_province": _from(codes.provinces(), _rarely(rng, count, 0.2, len(codes.provinces()))),
        "home_ward_code": _from(tuple(each.code for each in city.wards), home),
        "home_address": _objects(names.addresses(rng, count)),
        "contact_phone": _objects(names.phones(rng, count)),
        "father_name": _objects(names.people(rng, count, np.zeros(count, dtype=np.bool_))),
        "father_birth_year": (born - rng.integers(22, 45, count)).astype(object),
        "mother_name": _objects(names.people(rng, count, np.ones(count, dtype=np.bool_))),
        "mother_birth_year": (born - rng.integers(20, 40, count)).astype(object),
        "sessions_per_week": _from((5, 6, 8, 9, 10), rng.integers(0, 5, count)),
        "is_boarding": _from(("", "x"), rng.integers(0, 2, count)),
    }


def _standing(rng: np.random.Generator, rows: Rows, year: int) -> dict[str, Objects]:
    """At school or not, as the first delivery of a year says: 2025-2026 comes at its end, later years before theirs."""
    count = len(rows["pupil_code"])
    is_over = year == 2025  # noqa: PLR2004
    other = rng.integers(2, len(codes.STATUSES), count) if is_over else rng.choice([1, 4, 7], count)
    status = np.where(rng.random(count) < 0.96, 0, other)  # noqa: PLR2004
    opened = serial(date(year, 9, 5)) if is_over else serial(date(year, 8, 1))
    day = np.where(status == 0, serial(date(year, 8, 15)), opened + rng.integers(0, 260 if is_over else 30, count))
    return {"status": _from(codes.STATUSES, status), "status_date": day.astype(object)}


def _with_bad_rows(rows: Rows, size: str, ward: int, year: int) -> dict[str, Objects]:
    kinds = bad_rows(size, year).get(ward, [])
    count = len(rows["pupil_code"])
    rng = np.random.default_rng([SEED, 6, SIZES.index(size), ward, year])
    places = rng.choice(count, min(count, len(kinds)), replace=False).tolist()
    twice = [place for place, kind in zip(places, kinds, strict=False) if kind == "row twice"]
    spoilt = {name: values.copy() for name, values in rows.items()}
    for place, kind in zip(places, kinds, strict=False):
        if kind == "31 February":
            spoilt["birth_date"][place] = "31/02/2015"
        elif kind == "blank code":
            spoilt["pupil_code"][place] = ""
        elif kind == "unknown ward":
            spoilt["home_ward_code"][place] = "99999"
        elif kind == "text for a year":
            spoilt["father_birth_year"][place] = "không rõ"
    return _taken(spoilt, np.sort(np.concatenate([np.arange(count), np.array(twice, dtype=np.int64)])))


@lru_cache
def bad_rows(size: str, year: int) -> dict[int, list[str]]:
    """By ward, the kinds of the rows that are bad. At test size one of each but the last, for 1 % is tolerated.

    None in a small workbook that comes alone or again: there one of them would be more than that.
    """
    city = city_of(size)
    pupils = np.array([city.pupils_in(ward) for ward in range(len(city.wards))])
    each = round(pupils.sum() * BAD / len(KINDS))
    usual = [came == [FIRST[year]] for of, _, came in deliveries(size, max(MONTH_ENDS)) if of == year]
    pupils = np.where(np.array(usual) | (pupils >= FEW), pupils, 0)
    kinds = [kind for kind in KINDS for _ in range(each)] or list(KINDS[:-1])
    wards = np.random.default_rng([SEED, 7, SIZES.index(size), year]).choice(
        len(pupils), len(kinds), p=pupils / pupils.sum()
    )
    found: dict[int, list[str]] = {}
    for ward, kind in zip(wards.tolist(), kinds, strict=True):
        found.setdefault(ward, []).append(kind)
    return found


def _with_corrections(
    rows: Rows, rng: np.random.Generator, chosen: Whole, others: dict[str, str], day: int
) -> dict[str, Objects]:
    """Other standings, addresses and classes; who moved to another school stands in both; some rows are gone."""
    count = len(rows["pupil_code"])
    new = {name: values.copy() for name, values in rows.items()}
    cuts = np.maximum(np.arange(1, 5), (len(chosen) * np.array([0.04, 0.06, 0.3, 0.45])).astype(np.int64))
    moved, dropped, living, classed, standing = np.split(chosen, cuts)
    new["home_address"][living] = _objects(names.addresses(rng, len(living)))
    new["contact_phone"][living] = _objects(names.phones(rng, len(living)))
    new["class_code"][classed] = _objects([f"{old[:-1]}{int(old[-1]) % 9 + 1}" for old in rows["class_code"][classed]])
    new["status"][standing] = _from(codes.STATUSES, rng.choice([5, 8, 10], len(standing)))
    new["status_date"][standing] = (day - rng.integers(0, 28, len(standing))).astype(object)
    moved = np.array([place for place in moved.tolist() if _can_move(rows, others, place)], dtype=np.int64)
    new["status"][moved], new["status_date"][moved] = "Chuyển đi kỳ 1", day
    order = np.concatenate([np.delete(np.arange(count), dropped), moved])
    order.sort(kind="stable")
    new = _taken(new, order)
    for place in (np.flatnonzero(np.diff(order) == 0) + 1).tolist():
        new["school_code"][place] = others[new["school_code"][place]]
        new["status"][place] = "Chuyển đến kỳ 1"
    return new


def _last_day(year: int, period: int) -> int:
    """Of what a correction may be about: the month it came in, or the last one of a school year that is over."""
    return serial(date(*MONTH_ENDS[period]) if year == date(*MONTH_ENDS[period]).year else date(year + 1, 5, 29))


def _can_move(rows: Rows, others: dict[str, str], place: int) -> bool:
    return rows["school_code"][place] in others and rows["status"][place] == "Đang học" and rows["pupil_code"][place]


def _other_schools(city: City, ward: int) -> dict[str, str]:
    """For each school the next of its level in the ward, if there is another."""
    found = {}
    for level in range(len(LEVELS)):
        schools = [school.code for school in city.schools_in(ward, level)]
        found.update(dict(zip(schools, schools[1:] + schools[:1], strict=True)) if len(schools) > 1 else {})
    return found


@lru_cache
def _first_numbers(size: str) -> dict[tuple[int, int], int]:
    """Where the numbers of a ward's and level's pupils begin, so that none is given twice in an entry year."""
    city = city_of(size)
    found, given = {}, 0
    for ward in range(len(city.wards)):
        for level in range(len(LEVELS)):
            found[ward, level] = given
            given += sum(school.pupils // _grades(level) + 1 for school in city.schools_in(ward, level))
    return found


def _rarely(rng: np.random.Generator, count: int, share: float, values: int) -> Whole:
    """0 for most, one of 1 to `values` - 1 for a share."""
    return np.where(rng.random(count) < share, rng.integers(1, values, count), 0)


def _from(values: tuple[object, ...], which: Whole) -> Objects:
    return _objects(values)[which]


def _objects(values: list[str] | tuple[object, ...]) -> Objects:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _taken(rows: Rows, order: Whole) -> dict[str, Objects]:
    return {name: values[order] for name, values in rows.items()}
