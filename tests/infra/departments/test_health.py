"""What the simulated Department of Health delivers."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from infra.departments.health import DISEASES, POINTS, WARDS, deliver, disease_week, facilities, told_in, weeks
from infra.departments.health.practitioners import practitioners
from quality.refusal import Refusal

SEEDS = WARDS.parent


def seeds(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_same_size_and_period_are_the_same_bytes_however_one_came_there(tmp_path: Path) -> None:
    for period in (1, 2, 3):
        deliver("test", period, tmp_path / "từng tháng")
    deliver("test", 3, tmp_path / "ngay")
    contents = [
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path / "từng tháng", tmp_path / "ngay")
    ]
    assert len(contents[0]) == 2 + 12 + 1
    assert contents[0] == contents[1]


def test_what_did_not_change_in_a_month_keeps_its_file_untouched(tmp_path: Path) -> None:
    deliver("test", 1, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("disease-weeks-*")}
    deliver("test", 2, tmp_path)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("disease-weeks-*")}
    kept = before.items() & after.items()
    assert [name[14:22] for name, _ in kept] == ["2026-W27"]  # the three weeks after it are completed


def test_week_3_of_2026_is_that_of_the_citys_bulletin() -> None:
    cases: Counter[str] = Counter()
    for row in disease_week((2026, 3), 1, seeds(WARDS)):
        cases[row["ma_benh"]] += row["so_mac"]
    assert (cases["SXH"], cases["TCM"]) == (1_430, 836)


def test_every_count_is_among_the_one_before_it() -> None:
    wards = seeds(WARDS)
    for told in (1, 2, 4):
        rows = disease_week((2026, 27), told, wards)
        whole = [row for row in rows if isinstance(row["so_mac"], int)]
        assert len(whole) >= 503
        assert all(row["so_mac"] >= row["nhap_vien"] >= row["nang"] >= row["tu_vong"] >= 0 for row in whole)


def test_one_week_comes_late_and_one_never() -> None:
    assert weeks("test", 1) == [(2026, 27), (2026, 28), (2026, 29), (2026, 30)]
    assert [week for _, week in weeks("test", 2)] == [27, 28, 29, 30, 31, 32, 33, 35]
    assert [week for _, week in weeks("test", 3)] == [27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 38, 39]
    assert weeks("city", 1)[0] == (2024, 1)
    assert [len(weeks("city", period)) for period in (1, 2, 3, 4)] == [134, 138, 142, 146]
    assert len(weeks("demo", 1)) == 4


def test_new_weeks_are_completed_a_month_later_and_the_past_is_corrected_once() -> None:
    assert [told_in((2026, 30), period) for period in (1, 2, 3, 4)] == [1, 2, 2, 2]
    assert [told_in((2026, 27), period) for period in (1, 2, 3, 4)] == [1, 1, 1, 4]
    assert [told_in((2026, 34), period) for period in (3, 4)] == [3, 3]
    wards = seeds(WARDS)

    def dengue(week: int, told: int) -> int:
        rows = disease_week((2026, week), told, wards)
        return sum(row["so_mac"] for row in rows if row["ma_benh"] == "SXH" and isinstance(row["so_mac"], int))

    assert dengue(30, 1) < 0.9 * dengue(30, 2)
    assert 0.9 * dengue(27, 1) < dengue(27, 4) < dengue(27, 1)


def test_diseases_and_wards_are_those_of_the_citys_lists() -> None:
    known = {row["code"] for row in seeds(SEEDS / "diseases.csv")}
    assert set(DISEASES) == {"SXH", "TCM", "Soi"} <= known
    wards = {row["code"] for row in seeds(WARDS)}
    assert len(wards) == 168
    assert "26731" not in wards


def test_the_bad_row_of_a_week_is_of_four_kinds() -> None:
    wards = seeds(WARDS)
    assert [row["so_mac"] for row in disease_week((2026, 28), 2, wards) if not isinstance(row["so_mac"], int)] == [
        "không rõ"
    ]
    assert len(disease_week((2026, 29), 2, wards)) == 505
    assert [row["ma_benh"] for row in disease_week((2026, 30), 2, wards) if row["dia_ban"]["ma"] is None] != []
    assert sum(row["dia_ban"]["ma"] == "26731" for row in disease_week((2026, 31), 2, wards)) == 1


def test_facilities_are_the_real_ones_and_one_lies_in_no_ward() -> None:
    rows = facilities(seeds(POINTS), 1)
    assert len(rows) == len({row["ma_co_so"] for row in rows}) == 1_247
    assert [row["ma_co_so"] for row in rows if row["ma_xa"] is None] == ["node/6732046322"]
    wards = {row["code"] for row in seeds(WARDS)}
    assert {row["ma_xa"] for row in rows} - wards == {None}
    assert sum(row["ten"] is None for row in rows) == 296


def test_from_month_to_month_a_hundredth_of_the_facilities_changes() -> None:
    points = seeds(POINTS)
    states = [{row["ma_co_so"]: row for row in facilities(points, period)} for period in (1, 2, 3, 4)]
    assert [len(state) for state in states] == [1_247, 1_247, 1_246, 1_247]
    assert [state["node/860696621"]["toa_do"]["vi_do"] for state in states] == [10.7929834] * 4
    changed = sum(states[1][key] != states[0][key] for key in states[0])
    assert 8 <= changed <= 12
    bad = [sum(row["ngay_doi_chieu"] == "31/02/2026" for row in state.values()) for state in states]
    assert bad == [2, 2, 0, 0]


def test_the_register_keeps_who_is_in_it_and_grows() -> None:
    states = [practitioners(4_000, period, 1, seeds(POINTS), seeds(WARDS)) for period in (1, 2, 3, 4)]
    assert [len(state) for state in states] == [4_000, 4_020, 4_040, 4_060]
    assert [row["SoGiayTo"] for row in states[0]] == [row["SoGiayTo"] for row in states[3][:4_000]]
    changed = sum(before != after for before, after in zip(states[0], states[1], strict=False))
    assert 30 <= changed <= 40


def test_the_register_has_a_few_bad_rows_of_which_half_are_put_right() -> None:
    def bad(period: int) -> Counter[str]:
        rows = practitioners(4_000, period, 1, seeds(POINTS), seeds(WARDS))
        numbers = Counter(row["SoChungChi"] for row in rows)
        found: Counter[str] = Counter()
        for row in rows:
            found["no number"] += row["SoChungChi"] is None
            found["number of another"] += row["SoChungChi"] is not None and numbers[row["SoChungChi"]] > 1
            found["day"] += row["NgayCap"] in ("31/02/2019", "khoảng 2015")
            found["status"] += row["TrangThaiGiayPhep"] == "Chưa rõ"
        return found

    assert bad(1) == {"no number": 2, "number of another": 4, "day": 3, "status": 1}
    assert sum(bad(3).values()) < sum(bad(2).values())


def test_nobody_in_the_register_has_an_identity_number_that_anybody_has() -> None:
    rows = practitioners(200, 1, 1, seeds(POINTS), seeds(WARDS))
    assert {row["SoGiayTo"][:3] for row in rows} == {"099"}  # no province has this code
    assert {len(row["SoGiayTo"]) for row in rows} == {12}


def test_a_period_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="periods 1, 2, 3, 4"):
        deliver("test", 5, tmp_path)
