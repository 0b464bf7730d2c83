"""Which workbook comes when, and what time stands on it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache

import numpy as np

from infra.departments.education.city import SEED, SIZES, city_of
from quality.refusal import Refusal

MONTH_ENDS = {1: (2026, 7, 31), 2: (2026, 8, 31), 3: (2026, 9, 30), 4: (2026, 10, 31)}
HANOI = timezone(timedelta(hours=7))
FIRST = {2025: 1, 2026: 2}  # school year: the period in which its workbooks come
CORRECTED = {(2026, 3): 0.05, (2026, 4): 0.05, (2025, 3): 0.01}  # school year and period: share of the workbooks
LATE = (2026, 3)  # one ward's workbook of that school year comes in that period, not in the first


def moment(size: str, period: int) -> datetime:
    """When the files of a period were written: its last day at five, a minute later for each larger size."""
    if period not in MONTH_ENDS:
        raise Refusal("there is no such period", expected=", ".join(map(str, MONTH_ENDS)), found=str(period))
    return datetime(*MONTH_ENDS[period], 17, SIZES.index(size), tzinfo=HANOI)


def deliveries(size: str, period: int) -> list[tuple[int, int, list[int]]]:
    """School year, ward, and the periods up to this one in which that ward's workbook came: first, then corrected."""
    wards = len(city_of(size).wards)
    found = []
    for year, first in FIRST.items():
        for ward in range(wards):
            begins = LATE[1] if (year, ward) == (LATE[0], wards // 2) else first
            came = [begins, *sorted(p for y, p in CORRECTED if y == year and ward in _corrected(size, year, p))]
            if begins <= period:
                found.append((year, ward, [p for p in came if p <= period]))
    return found


@lru_cache
def _corrected(size: str, year: int, period: int) -> frozenset[int]:
    """The wards whose workbooks of a school year come again in a period, rather large ones; never the late one."""
    city = city_of(size)
    pupils = np.array([city.pupils_in(ward) for ward in range(len(city.wards))])
    pupils[len(city.wards) // 2] = 0
    rng = np.random.default_rng([SEED, 2, SIZES.index(size), year, period])
    count = max(1, round(CORRECTED[year, period] * len(city.wards)))
    return frozenset(rng.choice(len(pupils), count, replace=False, p=pupils / pupils.sum()).tolist())
