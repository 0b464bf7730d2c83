"""The city's schools: where they are, how large, and what is said of them. Drawn once for a size, from a fixed seed."""

from __future__ import annotations

import csv
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from infra.departments.names import STREETS, addresses, people, phones
from quality.contract import SEEDS
from quality.refusal import Refusal

Whole = NDArray[np.int64]
SEED = 79
SIZES = ("test", "demo", "city")
PUPILS = {"test": 600, "demo": 25_000, "city": 2_528_789}  # city: the department's count for 2025-2026
SCHOOLS = {"test": 40, "demo": 350, "city": 3_500}
EVERY_WARD = {"test": 14, "demo": 1, "city": 1}  # 12 of the 168 wards are enough for a test
TEACHERS = 110_000 / 2_528_789  # a pupil


@dataclass(frozen=True)
class Level:
    """One level of schooling. `grades`: in order, each with how its classes' names begin. `age`: on entry, in years."""

    name: str
    grades: tuple[tuple[str, str], ...]
    age: int
    pupils: int  # in the city, 2025-2026
    schools_pct: float  # of all schools; the city's 1,308 + 529 + 299 + 205 before the merger
    class_size: int
    private: float  # share


def _grades(first: int, last: int) -> tuple[tuple[str, str], ...]:
    return tuple((f"Khối {grade}", f"{grade}A") for grade in range(first, last + 1))


_ROOMS = ((3, "Mầm "), (4, "Chồi "), (5, "Lá "))
LEVELS = (
    Level(
        "Mầm non",
        (("Nhà trẻ", "NT"), *((f"Mẫu giáo {age}-{age + 1} tuổi", room) for age, room in _ROOMS)),
        2, 478_458, 55.9, 30, 0.6,
    ),
    Level("Tiểu học", _grades(1, 5), 6, 939_002, 22.6, 35, 0.1),
    Level("THCS", _grades(6, 9), 11, 759_278, 12.8, 42, 0.08),
    Level("THPT", _grades(10, 12), 15, 352_051, 8.7, 42, 0.3),
)  # fmt: skip


@dataclass(frozen=True)
class Ward:
    """A ward in force."""

    code: str
    name: str
    full_name: str
    population: int

    @property
    def slug(self) -> str:
        """For names of files. Two wards have the same (Thanh An, Thạnh An)."""
        bare = unicodedata.normalize("NFD", self.name.lower().replace("đ", "d"))
        return "".join(c for c in bare if not unicodedata.combining(c)).replace(" ", "-")


@dataclass(frozen=True)
class School:
    """A school. `level` and `ward` are numbers of them, from 0."""

    code: str
    name: str
    level: int
    ward: int
    is_private: bool
    address: str
    principal: str
    phone: str
    pupils: int
    area_m2: float
    founded_year: int

    @property
    def classes(self) -> int:
        """Of usual size, all but full."""
        return -(-self.pupils // LEVELS[self.level].class_size)

    def cohort(self, entry_year: int) -> int:
        """How many entered in a year: the cohorts of any years that are at school together add up to `pupils`."""
        years = len(LEVELS[self.level].grades)
        return self.pupils // years + (entry_year % years < self.pupils % years)


@dataclass(frozen=True)
class City:
    """Wards, and schools in the order of their codes: by level, then by ward."""

    size: str
    wards: tuple[Ward, ...]
    schools: tuple[School, ...]

    def schools_in(self, ward: int, level: int) -> list[School]:
        """In the order of their codes."""
        return self._by_place().get((ward, level), [])

    def pupils_in(self, ward: int) -> int:
        """Of all schools of a ward."""
        return sum(school.pupils for level in range(len(LEVELS)) for school in self.schools_in(ward, level))

    def _by_place(self) -> dict[tuple[int, int], list[School]]:
        return _schools_by_place(self.size)


@lru_cache
def city_of(size: str) -> City:
    """The city of a size."""
    if size not in SIZES:
        raise Refusal("there is no such size", expected=", ".join(SIZES), found=size)
    wards = _wards(size)
    counts = shares(SCHOOLS[size], np.array([level.schools_pct for level in LEVELS]))
    pupils = shares(PUPILS[size], np.array([level.pupils for level in LEVELS]))
    schools = [
        school
        for level in range(len(LEVELS))
        for school in _schools(size, level, wards, int(counts[level]), int(pupils[level]))
    ]
    return City(size, wards, tuple(schools))


def shares(total: int, weights: NDArray[np.float64] | Whole, least: int = 0) -> Whole:
    """A total shared out in whole numbers, each at least `least` if there is enough for all."""
    least = least if total >= least * len(weights) else 0
    exact = (total - least * len(weights)) * weights / weights.sum()
    whole: Whole = np.floor(exact).astype(np.int64)
    missing = total - least * len(weights) - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    whole += least
    return whole


def new_school(city: City) -> School:
    """The school that opens in month 3: the last of its level, without pupils as yet."""
    ward = len(city.wards) - 1
    code = f"791{len([school for school in city.schools if school.level == 0]) + 1:05d}"
    name, rng = "Trường Mầm non tư thục Nắng Mai", np.random.default_rng([SEED, 9, SIZES.index(city.size)])
    told = (addresses(rng, 1)[0], people(rng, 1)[0], phones(rng, 1)[0])
    return School(code, name, 0, ward, True, *told, 0, 1_250.5, 2026)  # noqa: FBT003  private


def _wards(size: str) -> tuple[Ward, ...]:
    with (SEEDS / "wards.csv").open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: row["code"])
    return tuple(
        Ward(row["code"], row["name"], row["full_name"], int(row["population"])) for row in rows[:: EVERY_WARD[size]]
    )


def _schools(size: str, level: int, wards: tuple[Ward, ...], count: int, pupils: int) -> list[School]:
    rng = np.random.default_rng([SEED, 1, SIZES.index(size), level])
    place = np.repeat(
        np.arange(len(wards)), shares(count, np.array([ward.population for ward in wards]), least=1)
    ).tolist()
    sizes = shares(pupils, rng.lognormal(0, 0.4, count), least=1).tolist()
    is_private = (rng.random(count) < LEVELS[level].private).tolist()
    told = zip(addresses(rng, count), people(rng, count), phones(rng, count), strict=True)
    areas = (rng.integers(8_000, 150_000, count) / 10).tolist()
    years = rng.integers(1955, 2026, count).tolist()
    return [
        School(
            f"79{level + 1}{number + 1:05d}",
            _name(level, wards[ward], place[:number].count(ward) + 1, number, is_private=private),
            level, ward, private, address, principal, phone, sizes[number], areas[number], years[number],
        )
        for number, (ward, private, (address, principal, phone)) in enumerate(zip(place, is_private, told, strict=True))
    ]  # fmt: skip


def _name(level: int, ward: Ward, which: int, number: int, *, is_private: bool) -> str:
    kind = f"Trường {LEVELS[level].name}"
    if is_private:
        return f"{kind} tư thục {STREETS[number % 40].removeprefix('Đường ')} {number // 40 + 1}"
    return f"{kind} {ward.name} {which}"


@lru_cache
def _schools_by_place(size: str) -> dict[tuple[int, int], list[School]]:
    found: dict[tuple[int, int], list[School]] = {}
    for school in city_of(size).schools:
        found.setdefault((school.ward, school.level), []).append(school)
    return found
