"""Public investment of the simulated Sở Tài chính: projects, their plans by fiscal year, and what was paid by month.

At city size the figures of fiscal year 2025 are those that the city announced: the Prime Minister's plan 118,948, the
city's own allocation 153,615, paid 73,812 until 5 December (here: the report of November) and 109,996 until 28 January
2026 (the report of January, month 13), all in thousand million VND; 35 projects hold 49 % of the allocation. How much
of it is the central budget's (3.8 %) is that of the plan before the merger. Year 2026, and how all that spreads, is
invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from infra.departments.investment.rows import (
    BAD_FROM,
    BAD_UNTIL,
    BASE,
    Row,
    Table,
    Whole,
    bad_among,
    change,
    end_of,
    entered,
    late,
    moment,
    month_of,
    number,
    pick,
    scaled,
    spread,
    ward_codes,
    wards,
)

CITY_PROJECTS = 2_500
SEED = 153_615
# Million VND: the Prime Minister's plan, the city's allocation, the central budget's part in both.
PLANS = {2025: (118_948_000, 153_615_000, 4_520_000), 2026: (121_300_000, 157_400_000, 4_900_000)}
PAID_BY_NOVEMBER, PAID = 73_812_000, 109_996_000  # of 2025
GREAT, GREAT_SHARE = 35, 0.49
# Share of the year's payments that is done by the end of month 1 … 13, the last being January of the next year.
CURVE = (0.005, 0.02, 0.06, 0.11, 0.17, 0.24, 0.32, 0.40, 0.49, 0.58, 0.671, 0.90, 1.0)
NOVEMBER, LAST = 11, 13
FORGOTTEN = 3  # the period whose month one owner reports only in the next

BOARDS = (
    "Ban Quản lý dự án đầu tư xây dựng các công trình giao thông",
    "Ban Quản lý đường sắt đô thị",
    "Ban Quản lý dự án đầu tư xây dựng hạ tầng đô thị",
    "Ban Quản lý dự án đầu tư xây dựng các công trình dân dụng và công nghiệp",
    "Ban Quản lý dự án đầu tư xây dựng các công trình nông nghiệp",
)
WORKS = (
    "Nâng cấp, mở rộng đường số {number}", "Xây dựng trường tiểu học số {number}", "Xây dựng cầu số {number}",
    "Cải tạo kênh, rạch số {number}", "Xây dựng trạm y tế số {number}", "Hệ thống thoát nước khu số {number}",
    "Xây dựng trường mầm non số {number}", "Xây dựng công viên số {number}",
)  # fmt: skip
GREAT_WORKS = (
    "Đường vành đai, dự án thành phần {number}", "Tuyến đường sắt đô thị, gói {number}",
    "Đường cao tốc, dự án thành phần {number}",
)  # fmt: skip
CENTRAL, LOCAL = "NSTW", "NSĐP"


@dataclass(frozen=True)
class Payment:
    """What one project was paid since its fiscal year began, in million VND."""

    project: Row
    year: int
    month: date
    mvnd: int
    central_mvnd: int


class Public:
    """The three tables at a size, as of a period."""

    def __init__(self, count: int, period: int) -> None:
        """From the beginning to the end of the period."""
        self.count = count
        self.share = count / CITY_PROJECTS
        self.great = scaled(GREAT, self.share)
        self.projects = Table("dtc_duan")
        self.plans = Table("dtc_kehoach")
        self.payments = Table("dtc_giaingan")
        self._plan: dict[int, tuple[list[Row], Whole, Whole]] = {}  # by fiscal year: projects, allocated, central
        self._paid: dict[int, list[Whole]] = {}  # by fiscal year: for each month what each project was paid
        self._lost: dict[int, object] = {}  # payments whose project's code is blank, and what it should be
        rng = np.random.default_rng([SEED, count])
        self._begin(rng)
        self._spoil(rng)
        for later in range(BASE + 1, period + 1):
            self._go_on(np.random.default_rng([SEED, count, later]), later)

    def _begin(self, rng: np.random.Generator) -> None:
        """All up to the first period's end."""
        weights = self._weights(rng)
        allocated = {}
        for year in PLANS:
            has_plan = rng.random(self.count) < 0.93  # noqa: PLR2004  others begin or end in the other year
            has_plan[: self.great] = True
            allocated[year] = self._allocate(rng, year, weights, has_plan)
        needed = np.maximum(allocated[2025], allocated[2026]) * rng.uniform(2, 6, self.count)
        self._propose(rng, spread(needed, int(needed.sum())))
        for year in PLANS:
            self._assign(rng, year, allocated[year])
            self._paid[year] = self._payments(rng, year)
        for month in range(1, LAST + 1):
            self._enter(self._report(2025, month))
        for month in range(1, month_of(BASE).month + 1):
            self._enter(self._report(2026, month))

    def _weights(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """How big projects are; the first ones are the great ones, each greater than all others."""
        great = rng.uniform(1, 3, self.great)
        others = np.minimum(rng.lognormal(0, 1.1, self.count - self.great), 12)
        return np.concatenate([great / great.sum() * GREAT_SHARE, others / others.sum() * (1 - GREAT_SHARE)])

    def _allocate(
        self, rng: np.random.Generator, year: int, weights: NDArray[np.float64], has_plan: NDArray[np.bool_]
    ) -> Whole:
        """What the city allocates to each project in million VND, 0 to those without a plan."""
        total = round(PLANS[year][1] * self.share)
        great = round(total * GREAT_SHARE)
        shaken = weights * rng.uniform(0.9, 1.1, self.count) * has_plan
        parts = [spread(shaken[: self.great], great), spread(shaken[self.great :], total - great)]
        return np.concatenate(parts)

    def _propose(self, rng: np.random.Generator, totals: Whole) -> None:
        """The projects themselves. Great ones are the boards', others often a ward's."""
        places, dice = ward_codes(rng, len(totals)), rng.integers(0, 1 << 30, (len(totals), 3)).tolist()
        for i, total in enumerate(totals.tolist()):
            self._project(i < self.great, places[i], dice[i], total, entered(date(2025, 1, 2), i))

    def _project(self, is_great: bool, ward: str, dice: list[int], total: int, when: datetime) -> Row:  # noqa: FBT001
        serial = len(self.projects.rows) + 1
        works = GREAT_WORKS if is_great else WORKS
        is_ward = not is_great and dice[0] % 10 < 4  # noqa: PLR2004  four in ten
        start = 2021 + dice[1] % 5
        return self.projects.add(
            when,
            ma_duan=f"{7_000_000 + serial * 389 % 999_983}",
            ten_duan=f"{works[dice[2] % len(works)].format(number=serial)} (mô phỏng)",
            chu_dautu=f"Ủy ban nhân dân {wards()[ward][0]}" if is_ward else BOARDS[dice[0] % len(BOARDS)],
            nhom="A" if total >= 4_600_000 else "B" if total >= 240_000 else "C",  # noqa: PLR2004  of the law on public investment
            tongmuc_dautu=total,
            nam_khoicong=start,
            nam_hoanthanh=start + 2 + dice[2] % 5,
            ma_phuongxa=ward,
        )

    def _assign(self, rng: np.random.Generator, year: int, allocated: Whole) -> None:
        """Plans of a fiscal year: one row for the local budget, one for the central one where it takes part."""
        assigned, _, central_total = (round(figure * self.share) for figure in PLANS[year])
        central = np.zeros(self.count, dtype=np.int64)
        helped = slice(0, max(1, self.great // 2))
        central[helped] = spread(allocated[helped], central_total)
        local = allocated - central
        of_premier = spread(local * rng.uniform(0.6, 0.93, self.count), assigned - central_total)
        planned = np.flatnonzero(allocated)
        for i in planned.tolist():
            project, when = self.projects.rows[i], entered(date(year, 1, 15), i)
            if central[i]:
                self._plan_row(project, year, CENTRAL, (int(central[i]), int(central[i])), when)
            self._plan_row(project, year, LOCAL, (int(of_premier[i]), int(local[i])), when)
        self._plan[year] = ([self.projects.rows[i] for i in planned.tolist()], allocated[planned], central[planned])

    def _plan_row(self, project: Row, year: int, budget: str, mvnd: tuple[int, int], when: datetime) -> Row:
        return self.plans.add(
            when,
            ma_duan=project["ma_duan"],
            nam_kehoach=year,
            nguon_ngansach=budget,
            kehoach_ttg_giao=mvnd[0],
            kehoach_tp_phanbo=mvnd[1],
        )

    def _payments(self, rng: np.random.Generator, year: int) -> list[Whole]:
        """For each of the 13 months, what each planned project was paid since the year began."""
        _, allocated, _ = self._plan[year]
        total = PAID / PLANS[2025][1] * PLANS[year][1]
        final = spread(allocated * rng.uniform(0.45, 0.98, len(allocated)), round(total * self.share))
        pace = rng.uniform(0.8, 1.25, len(allocated))
        by_november = round(PAID_BY_NOVEMBER / PAID * total * self.share)
        stretch = _solve(lambda s: float((final * CURVE[NOVEMBER - 1] ** (pace * s)).sum()), by_november)
        months = [np.floor(final * done ** (pace * stretch)).astype(np.int64) for done in CURVE]
        months[NOVEMBER - 1][0] += by_november - int(months[NOVEMBER - 1].sum())  # what rounding lost, to the greatest
        return months

    def _report(self, year: int, month: int) -> list[Payment]:
        """What the treasury knows at the end of a month; month 13 is January of the next year."""
        projects, allocated, central = self._plan[year]
        first = date(year + month // LAST, (month - 1) % 12 + 1, 1)
        paid = self._paid[year][month - 1]
        parts = (paid * central // allocated).tolist()
        return [Payment(p, year, first, *mvnd) for p, *mvnd in zip(projects, paid.tolist(), parts, strict=True)]

    def _enter(self, payments: Iterable[Payment], when: datetime | None = None) -> None:
        """Reports come on the 28th, unless they are late."""
        for i, payment in enumerate(payments):
            self.payments.add(
                when or entered(payment.month.replace(day=28), i),
                ma_duan=payment.project["ma_duan"],
                nam_kehoach=payment.year,
                thang_baocao=payment.month,
                luyke_giaingan=payment.mvnd,
                luyke_nstw=payment.central_mvnd,
                luyke_nsdp=payment.mvnd - payment.central_mvnd,
            )

    def _spoil(self, rng: np.random.Generator) -> None:
        """Bad rows: drafts among the projects, and figures of 2026, so that 2025 stays what was announced."""
        for i in range(bad_among(self.count)):
            when = entered(date(2026, 7, 3), i)
            row = self._project(False, "26740", [5, i, i], 1_000 + i, when)  # noqa: FBT003
            row.update(({"ma_duan": ""}, {"tongmuc_dautu": -1_000}, {"ma_phuongxa": "99999"})[i % 3])
        plans = (
            row for row in self.plans.rows if row["nam_kehoach"] == BAD_FROM.year and row["nguon_ngansach"] == LOCAL
        )
        for i, row in enumerate(pick(rng, plans, bad_among(len(self.plans.rows)))):
            row.update(({"kehoach_tp_phanbo": -number(row, "kehoach_tp_phanbo")}, {"ma_duan": None})[i % 2])
        months = (row for row in self.payments.rows if row["nam_kehoach"] == BAD_FROM.year and moment(row) < BAD_UNTIL)
        for i, row in enumerate(pick(rng, months, bad_among(len(self.payments.rows)))):
            if i % 3 == 1:
                self._lost[number(row, "id")] = row["ma_duan"]
            row.update(
                ({"luyke_giaingan": -1 - number(row, "luyke_giaingan")}, {"ma_duan": ""}, {"nam_kehoach": 206})[i % 3]
            )

    def _go_on(self, rng: np.random.Generator, period: int) -> None:
        """One more month. See `infra.departments.investment`."""
        reported = self._report(2026, month_of(period).month)
        owner = self._plan[2026][0][-1]["chu_dautu"]
        if period == FORGOTTEN:
            reported = [payment for payment in reported if payment.project["chu_dautu"] != owner]
        if period == FORGOTTEN + 1:
            missing = self._report(2026, month_of(FORGOTTEN).month)
            self._enter((p for p in missing if p.project["chu_dautu"] == owner), late(period, 11))
        self._enter(reported)
        self._move(rng, period)
        self._correct(rng, period)

    def _move(self, rng: np.random.Generator, period: int) -> None:
        """Projects that take longer and cost more, new ones, and money that goes from one to another."""
        for row in pick(rng, self.projects.rows[: self.count], scaled(25, self.share)):
            total = number(row, "tongmuc_dautu")
            change(row, period, nam_hoanthanh=number(row, "nam_hoanthanh") + 1, tongmuc_dautu=total + total // 20)
        for i, ward in enumerate(ward_codes(rng, scaled(5, self.share))):
            when = entered(month_of(period).replace(day=10), i)
            project = self._project(False, ward, rng.integers(0, 1 << 30, 3).tolist(), 20_000 + 10 * i, when)  # noqa: FBT003
            self._plan_row(project, 2026, LOCAL, (4_000, 5_000), when)
        good = (p for p in self.plans.rows if p["nam_kehoach"] == 2026 and number(p, "kehoach_tp_phanbo") > 0)  # noqa: PLR2004
        local = [p for p in good if p["ma_duan"] and p["nguon_ngansach"] == LOCAL and moment(p) < end_of(period - 1)]
        moved = pick(rng, local, 2 * scaled(12, self.share))
        for giver, taker in zip(moved[::2], moved[1::2], strict=True):
            amount = min(number(giver, "kehoach_tp_phanbo"), number(taker, "kehoach_tp_phanbo")) // 100
            change(giver, period, kehoach_tp_phanbo=number(giver, "kehoach_tp_phanbo") - amount)
            change(taker, period, kehoach_tp_phanbo=number(taker, "kehoach_tp_phanbo") + amount)

    def _correct(self, rng: np.random.Generator, period: int) -> None:
        """The last report of 2025 was not the last word; and one code that was blank is filled in."""
        past = (p for p in self.payments.rows if p["thang_baocao"] == date(2026, 1, 1) and p["nam_kehoach"] == 2025)  # noqa: PLR2004
        for row in pick(rng, past, scaled(20, self.share)):
            more = number(row, "luyke_giaingan") // 200
            total, local = number(row, "luyke_giaingan") + more, number(row, "luyke_nsdp") + more
            change(row, period, luyke_giaingan=total, luyke_nsdp=local)
        if period == BASE + 1 and self._lost:
            identity, code = min(self._lost.items())
            change(self.payments.rows[identity - 1], period, ma_duan=code)


def _solve(falling: Callable[[float], float], target: float) -> float:
    """Where a falling function has that value."""
    low, high = 0.1, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > target else (low, middle)
    return high


def rows_of(count: int, period: int) -> list[Table]:
    """The three tables of a size as of a period."""
    found = Public(count, period)
    return [found.projects, found.plans, found.payments]
