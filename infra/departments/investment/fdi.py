"""Foreign direct investment of the simulated Sở Tài chính: projects, adjustments of their capital, purchases of shares.

At city size the figures are those that the city announced for 2025-12-31: 20,310 valid projects of 89 countries with
141.9 thousand million USD, of which manufacturing 5,829 projects and 75.4, real estate 28.5, trade 7.5; in 2025 alone
1,865 new projects with 1,690 million USD, 432 adjustments with 2,930 and 2,700 purchases of shares with 3,750, together
8,370 (the three were announced as "over 1.6", "2.9" and "3.7" thousand million). How it spreads below that is invented.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import numpy as np

from infra.departments.investment.licences import (
    ENDED,
    MVND_PER_KUSD,
    code_of,
    company_of,
    license_projects,
    sections_of,
)
from infra.departments.investment.rows import (
    BAD_FROM,
    BAD_UNTIL,
    BASE,
    Table,
    Whole,
    bad_among,
    change,
    day,
    days_of,
    days_of_years,
    entered,
    late,
    moment,
    month_of,
    number,
    pick,
    read_lines,
    scaled,
    spread,
    ward_codes,
)

CITY_PROJECTS = 20_310
NEW_2025, NEW_2025_KUSD = 1_865, 1_690_000
MANUFACTURING = 5_829
ADJUSTED_KUSD, PURCHASED_KUSD = 2_930_000, 3_750_000
ADJUSTMENTS = {
    2016: 180, 2017: 200, 2018: 230, 2019: 260, 2020: 250, 2021: 270, 2022: 300, 2023: 340, 2024: 390, 2025: 432,
}  # fmt: skip
PURCHASES = {2021: 2_100, 2022: 2_300, 2023: 2_400, 2024: 2_500, 2025: 2_700}
SEED = 14_190
LEAST_KUSD = 10


class Fdi:
    """The three tables at a size, as of a period. `valid`: projects of 2025-12-31."""

    def __init__(self, valid: int, period: int) -> None:
        """From the beginning to the end of the period."""
        self.valid = valid
        self.share = valid / CITY_PROJECTS
        self.monthly = scaled(NEW_2025 / 12, self.share)
        self.projects = Table("fdi_duan")
        self.adjustments = Table("fdi_dieuchinh")
        self.purchases = Table("fdi_gopvon")
        self._times: Counter[object] = Counter()
        rng = np.random.default_rng([SEED, valid])
        self._begin(rng)
        self._spoil(rng)
        for later in range(BASE + 1, period + 1):
            self._go_on(np.random.default_rng([SEED, valid, later]), later)

    def _begin(self, rng: np.random.Generator) -> None:
        """All up to the first period's end."""
        recent = round(NEW_2025 * self.share)
        years = range(1990, 2025)
        older = spread(np.array([(year - 1988) ** 2 for year in years]), self.valid - recent)
        counts = dict(zip(years, older.tolist(), strict=True)) | {2025: recent}
        sections = sections_of(rng, self.valid, round(MANUFACTURING * self.share))
        capital = _capital(rng, sections, recent, self.share)
        license_projects(self.projects, rng, days_of_years(rng, counts), capital, sections)
        self._purchase(rng, days_of_years(rng, {y: scaled(c, self.share) for y, c in PURCHASES.items()}))
        for year, count in ADJUSTMENTS.items():
            days = days_of_years(rng, {year: scaled(count, self.share)})
            total = round(ADJUSTED_KUSD * self.share) if year == 2025 else None  # noqa: PLR2004  the announced year
            self._adjust(rng, days, total)
        for month in range(1, month_of(BASE).month + 1):
            self._month(rng, date(2026, month, 1))

    def _month(self, rng: np.random.Generator, month: date) -> None:
        """One month of new projects, adjustments and purchases."""
        count = self.monthly
        capital = LEAST_KUSD + np.minimum(rng.lognormal(5.0, 1.9, count), 50_000).astype(np.int64)
        sections = rng.permutation(sections_of(rng, 200, 57))[:count]
        license_projects(self.projects, rng, days_of(rng, month, count), capital, sections)
        self._adjust(rng, days_of(rng, month, scaled(ADJUSTMENTS[2025] / 12, self.share)), None, month)
        self._purchase(rng, days_of(rng, month, scaled(PURCHASES[2025] / 12, self.share)))

    def _adjust(
        self, rng: np.random.Generator, days: list[date], total_kusd: int | None, month: date | None = None
    ) -> None:
        """Adjustments of projects that were valid at the year's beginning; big ones are adjusted more often.

        In 2026 (`month`) their capital changes; before, it has changed already. `total_kusd`: what they add up to.
        """
        known = [p for p in self.projects.rows[: self.valid] if day(p, "ngay_quyetdinh_capphep").year < days[0].year]
        known = [p for p in known if p["trangthai"] != ENDED]
        capital = np.array([number(p, "vontuongduong_usd") // 1_000 for p in known])
        weights = np.sqrt(capital)
        chosen = rng.choice(len(known), len(days), replace=False, p=weights / weights.sum())
        sizes = (capital[chosen] * rng.uniform(0.01, 0.06, len(days))).astype(np.int64) + 1
        falls = rng.random(len(days)) < 0.08  # noqa: PLR2004  8 % of them
        falls[0] = False
        if total_kusd is not None:
            sizes[~falls] = spread(sizes[~falls], total_kusd + int(sizes[falls].sum()))
        for index, when, size, is_fall in zip(chosen.tolist(), days, sizes.tolist(), falls.tolist(), strict=True):
            project, usd = known[index], (-size if is_fall else size) * 1_000
            self._times[project["id"]] += 1
            row = self.adjustments.add(
                entered(when, len(self.adjustments.rows)),
                maso_duan=project["maso_duan"],
                lan_thu=self._times[project["id"]],
                ngay_dieuchinh=when,
                loai_dieuchinh="Giảm vốn" if is_fall else "Tăng vốn",
                von_thaydoi_usd=usd,
            )
            if month:
                usd += number(project, "vontuongduong_usd")
                mvnd = usd // 1_000 * MVND_PER_KUSD
                capital_now = {"vontuongduong_usd": usd, "vondautu_dangky": mvnd}
                project.update(capital_now, tongmuc_dautu=max(mvnd, number(project, "tongmuc_dautu")))
            project["updated_at"] = max(row["updated_at"], project["updated_at"])

    def _purchase(self, rng: np.random.Generator, days: list[date]) -> None:
        """Purchases of shares; those of 2025 add up to what was announced."""
        count = len(days)
        countries = read_lines("countries.csv")
        weights = np.array([float(line["weight"]) for line in countries])
        whose = rng.choice(len(countries), count, p=weights / weights.sum()).tolist()
        kusd = LEAST_KUSD + np.minimum(rng.lognormal(5.0, 1.8, count), 80_000).astype(np.int64)
        announced = np.array([when.year == 2025 for when in days])  # noqa: PLR2004  the announced year
        if announced.any():
            kusd[announced] = spread(kusd[announced], round(PURCHASED_KUSD * self.share))
        sections, places = sections_of(rng, count, round(count * 0.2)), ward_codes(rng, count)
        dice = rng.integers(0, 1 << 30, count).tolist()
        lines = read_lines("sections.csv")
        for i, when in enumerate(days):
            serial = len(self.purchases.rows) + 1
            self.purchases.add(
                entered(when, serial),
                so_thongbao=f"{serial:06d}/TB-STC",
                ngay_thongbao=when,
                doanhnghiep=company_of("Công ty Cổ phần", serial, dice[i]),
                nganh_cap1=lines[int(sections[i])]["code"],
                quocgia_ma=countries[whose[i]]["code"],
                quocgia_ten=countries[whose[i]]["name"],
                giatri_trieu_usd=f"{int(kusd[i]) // 1_000}.{int(kusd[i]) % 1_000:03d}",
                tyle_sohuu=f"{dice[i] % 100}.{dice[i] % 4 * 25:02d}",
                ma_phuongxa=places[i],
            )

    def _spoil(self, rng: np.random.Generator) -> None:
        """Bad rows, all of 2026: what was announced for 2025 stays exact."""
        projects, adjustments, purchases = (
            [row for row in table.rows if BAD_FROM <= moment(row) < BAD_UNTIL]
            for table in (self.projects, self.adjustments, self.purchases)
        )
        new = [row for row in projects if day(row, "ngay_quyetdinh_capphep").year == BAD_FROM.year]
        for i, row in enumerate(pick(rng, new, bad_among(len(self.projects.rows)))):
            licensed = day(row, "ngay_quyetdinh_capphep")
            row.update(
                (
                    {"maso_duan": ""},
                    {"vontuongduong_usd": -number(row, "vontuongduong_usd")},
                    {"quocgia_ma": "ZZ", "quocgia_ten": "Chưa xác định"},
                    {"ngay_hetphep_hoatdong": licensed - timedelta(days=365)},
                    {"ma_phuongxa": "99999"},
                )[i % 5]
            )
        for i, row in enumerate(pick(rng, purchases, bad_among(len(self.purchases.rows)))):
            row.update(
                ({"quocgia_ma": "??"}, {"giatri_trieu_usd": f"-{row['giatri_trieu_usd']}"}, {"so_thongbao": None})[
                    i % 3
                ]
            )
        for row in pick(rng, adjustments, bad_among(len(self.adjustments.rows))):
            row["maso_duan"] = "  "

    def _go_on(self, rng: np.random.Generator, period: int) -> None:
        """One more month: what is new, what ends, what was wrong. See `infra.departments.investment`."""
        self._month(rng, month_of(period))
        old = [p for p in self.projects.rows[: self.valid] if p["trangthai"] != ENDED]
        for row in pick(rng, old, scaled(20, self.share)):
            change(row, period, trangthai=ENDED)
        for row, ward in zip(pick(rng, old, few := scaled(10, self.share)), ward_codes(rng, few), strict=True):
            change(row, period, ma_phuongxa=ward)
        for row in pick(rng, self.purchases.rows[: len(self.purchases.rows) // 2], few):
            change(row, period, tyle_sohuu="51.00")
        past = [a for a in self.adjustments.rows if day(a, "ngay_dieuchinh").day > 3]  # noqa: PLR2004  days it moves
        for row in pick(rng, past[: len(past) // 2], scaled(3, self.share)):
            change(row, period, ngay_dieuchinh=day(row, "ngay_dieuchinh") - timedelta(days=3))
        if period == 2:  # noqa: PLR2004  in that month the department read our answer
            blank = next((row for row in self.projects.rows if not row["maso_duan"]), None)
            if blank:
                change(blank, period, maso_duan=code_of(number(blank, "id")))
        if period == 3:  # noqa: PLR2004  in that month somebody found an old file
            sections = sections_of(rng, 10, 3)[:1]
            license_projects(self.projects, rng, [date(2026, 5, 20)], np.array([1_200]), sections)
            self.projects.rows[-1]["updated_at"] = late(period, 7)


def _capital(rng: np.random.Generator, sections: Whole, recent: int, share: float) -> Whole:
    """Registered capital in thousand USD; the last `recent` projects are those of 2025."""
    size = rng.lognormal(0, 1.9, len(sections))
    found = np.full(len(sections), LEAST_KUSD)
    is_recent = np.arange(len(sections)) >= len(sections) - recent
    found[is_recent] += spread(size[is_recent], round(NEW_2025_KUSD * share) - LEAST_KUSD * recent)
    wanted = np.array([float(line["capital_musd"]) * 1_000 for line in read_lines("sections.csv")])
    present = [s for s in range(len(wanted)) if np.any((sections == s) & ~is_recent)]
    left = [max(wanted[s] * share - found[(sections == s) & is_recent].sum(), 1_000) for s in present]
    totals = spread(np.array(left), round(wanted.sum() * share) - int(found[is_recent].sum()))
    for s, total in zip(present, totals.tolist(), strict=True):
        mine = (sections == s) & ~is_recent
        found[mine] += spread(size[mine], total - LEAST_KUSD * int(mine.sum()))
    return found


def rows_of(valid: int, period: int) -> list[Table]:
    """The three tables of a size as of a period."""
    found = Fdi(valid, period)
    return [found.projects, found.adjustments, found.purchases]
