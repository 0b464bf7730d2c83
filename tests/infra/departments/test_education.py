"""What the simulated Department of Education and Training lays out, read back as a stranger would."""

from __future__ import annotations

import hashlib
import re
import shutil
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from infra.departments import education
from infra.departments.education import deliver
from infra.departments.education.city import city_of
from infra.departments.education.pupils import bad_rows
from infra.departments.education.school_list import write_schools
from quality.contract import CONTRACTS, Contract, load
from quality.refusal import Refusal
from quality.rules import reference_values
from spark_jobs.layouts import delivery_of
from spark_jobs.layouts.headings import match

Line = list[object]
SCHOOLS = "truong/Danh sach truong.xlsx"


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same folder as it was after each of four months."""
    root = tmp_path_factory.mktemp("months")
    folder = root / "now"
    kept = {}
    for period in (1, 2, 3, 4):
        deliver("test", period, folder)
        kept[period] = shutil.copytree(folder, root / str(period), copy_function=shutil.copy2)
    return kept


def books(folder: Path, year: str = "") -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob(f"hoc-sinh/{year}*/*.xlsx")}
    assert found
    return found


def hashes(folder: Path) -> dict[str, tuple[str, float]]:
    found = {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime)
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found
    return found


def sheet(path: Path, name: str) -> list[Line]:
    book = CalamineWorkbook.from_path(path)
    return [list(line) for line in book.get_sheet_by_name(name).to_python(skip_empty_area=False)]


def header_row(lines: list[Line]) -> int:
    return next(number for number, line in enumerate(lines, 1) if line[0] == "STT")


def pupils(path: Path, contract: Contract) -> list[dict[str, object]]:
    """Rows by the contract's names, found by their headings."""
    lines = sheet(path, "Sheet1")
    top = header_row(lines)
    columns = match([str(heading) for heading in lines[top - 1]], contract).columns
    return [{name: line[index] for name, index in columns.items()} for line in lines[top:]]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load(CONTRACTS / "education" / "pupils.yml")


def rows_of(folder: Path, year: str, contract: Contract) -> list[dict[str, object]]:
    return [row for _, path in sorted(books(folder, year).items()) for row in pupils(path, contract)]


def key(row: dict[str, object]) -> tuple[object, object]:
    return row["school_code"], row["pupil_code"]


def test_a_folder_laid_out_at_once_equals_one_that_went_through_every_month(
    months: dict[int, Path], tmp_path: Path
) -> None:
    for period in (1, 4):
        deliver("test", period, tmp_path / str(period))
        assert hashes(tmp_path / str(period)) == hashes(months[period])


def test_a_file_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    deliver("test", 1, tmp_path)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.xlsx")}
    deliver("test", 1, tmp_path)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()} == before


def test_files_bear_the_time_of_the_month_in_which_they_changed(months: dict[int, Path]) -> None:
    july, october = 1785492000.0, 1793440800.0  # the month's last day at 17:00 in Viet Nam
    assert {path.stat().st_mtime for path in books(months[1]).values()} == {july}
    assert (months[4] / SCHOOLS).stat().st_mtime == october


def test_each_month_brings_what_the_calendar_says(months: dict[int, Path]) -> None:
    states = {period: hashes(folder) for period, folder in months.items()}
    changed = {
        period: Counter(
            name.split("/")[1] if name != SCHOOLS else "schools"
            for name, state in states[period].items()
            if states.get(period - 1, {}).get(name) != state
        )
        for period in (1, 2, 3, 4)
    }
    assert changed == {
        1: {"schools": 1, "2025-2026": 12},
        2: {"schools": 1, "2026-2027": 11},
        3: {"schools": 1, "2026-2027": 2, "2025-2026": 1},
        4: {"schools": 1, "2026-2027": 1},
    }
    assert all(states[period - 1].keys() <= states[period].keys() for period in (2, 3, 4))


def test_about_one_row_in_a_hundred_differs_from_one_month_to_the_next(
    months: dict[int, Path], contract: Contract
) -> None:
    before, after = (Counter(str(row) for row in rows_of(months[period], "2026", contract)) for period in (3, 4))
    assert 0.005 < (after - before).total() / before.total() < 0.03
    keys_before, keys_after = ({key(row) for row in rows_of(months[period], "2026", contract)} for period in (3, 4))
    assert keys_before - keys_after, "no row is gone"


def test_volumes_are_the_citys(months: dict[int, Path], contract: Contract) -> None:
    assert len({key(row) for row in rows_of(months[1], "2025", contract)}) == 600
    city = city_of("city")
    by_level = Counter[str]()
    for school in city.schools:
        by_level[school.code[2]] += school.pupils
    assert by_level == {"1": 478_458, "2": 939_002, "3": 759_278, "4": 352_051}
    assert len(city.schools) == 3_500
    assert len(city.wards) == 168


def test_names_of_files_match_the_contracts(months: dict[int, Path], contract: Contract) -> None:
    found = [re.fullmatch(delivery_of(contract).files, name) for name in books(months[4])]
    assert {name and name["period"] for name in found} == {"2025-2026", "2026-2027"}
    assert re.fullmatch(delivery_of(load(CONTRACTS / "education" / "schools.yml")).files, SCHOOLS)


def test_every_file_says_that_it_is_simulated(months: dict[int, Path]) -> None:
    for path in months[4].rglob("*.xlsx"):
        with zipfile.ZipFile(path) as archive:
            assert "dữ liệu mô phỏng" in archive.read("docProps/core.xml").decode()
        shown = [
            cell for name in CalamineWorkbook.from_path(path).sheet_names for line in sheet(path, name) for cell in line
        ]
        assert any("dữ liệu mô phỏng" in str(cell) for cell in shown)


def test_a_workbook_has_sixteen_look_up_sheets(months: dict[int, Path]) -> None:
    for path in books(months[1]).values():
        first, *others = CalamineWorkbook.from_path(path).sheet_names
        assert first == "Sheet1"
        assert len(others) == 16
        assert {"Dân tộc", "Trạng thái HS", "Giới tính", "Loại khuyết tật"} <= set(others)
        assert len(sheet(path, "Trạng thái HS")) == 2 + 12


def test_headings_stand_in_any_of_twelve_rows_in_three_orders(months: dict[int, Path]) -> None:
    tops, orders, forms = set(), set(), set()
    for path in books(months[1]).values():
        lines = sheet(path, "Sheet1")
        tops.add(header_row(lines))
        headings = [str(heading) for heading in lines[header_row(lines) - 1]]
        orders.add(tuple(unicodedata.normalize("NFC", heading) for heading in headings))
        forms |= {unicodedata.is_normalized("NFC", heading) for heading in headings}
        assert any("\n" in heading for heading in headings)
    assert tops == set(range(1, 13))
    assert len(orders) == 3
    assert forms == {True, False}


def test_sex_and_dates_are_written_as_each_version_does(months: dict[int, Path], contract: Contract) -> None:
    found = set()
    for path in books(months[2], "2026").values():
        for row in pupils(path, contract):
            if row["birth_date"] != "31/02/2015":
                found.add((type(row["birth_date"]).__name__, row["sex"] in ("01", "02")))
    assert found == {("str", False), ("date", True), ("float", False)}


def test_every_promised_heading_is_there_and_no_other(months: dict[int, Path], contract: Contract) -> None:
    for path in books(months[4]).values():
        lines = sheet(path, "Sheet1")
        matched = match([str(heading) for heading in lines[header_row(lines) - 1]], contract, str(path))
        assert (matched.missing, matched.unexpected) == ([], {})
    upper, lower = sheet(months[4] / SCHOOLS, "Danh sách trường")[4:6]
    headings = [str(below or above) for above, below in zip(upper, lower, strict=True)]
    matched = match(headings, load(CONTRACTS / "education" / "schools.yml"))
    assert (matched.missing, matched.unexpected) == ([], {})


def broken(rows: list[dict[str, object]], contract: Contract) -> Counter[str]:
    """How many values break which column's rules; and keys that stand more than once."""
    known = reference_values(contract)
    found = Counter[str]()
    for row in rows:
        for name, column in contract.columns.items():
            value = row[name]
            if value == "":
                found[name] += column.required
            elif column.type == "int":
                low, high = column.between or (None, None)
                fits = isinstance(value, float) and (low is None or low <= value) and (high is None or value <= high)
                found[name] += not fits
            elif column.type == "string":
                text = str(value)
                fits = not column.one_of or text in column.one_of
                fits = fits and bool(re.search(column.matches, text))
                found[name] += not fits or text not in known.get(column.refers_to, {text})
            elif column.type == "date":
                found[name] += isinstance(value, str) and value.startswith("31/02")
    found["key"] = sum(count - 1 for count in Counter(map(key, rows)).values())
    return +found


def test_exactly_the_bad_rows_break_the_contract(months: dict[int, Path], contract: Contract) -> None:
    bad = {"birth_date": 1, "pupil_code": 1, "home_ward_code": 1, "key": 1}
    assert broken(rows_of(months[1], "2025", contract), contract) == bad
    assert broken(rows_of(months[4], "2026", contract), contract) == bad


def test_few_rows_are_bad_at_any_size() -> None:
    counts = {size: sum(len(kinds) for kinds in bad_rows(size, 2026).values()) for size in ("test", "demo", "city")}
    assert counts == {"test": 4, "demo": 50, "city": 5_060}


def test_schools_obey_their_contract(months: dict[int, Path]) -> None:
    contract = load(CONTRACTS / "education" / "schools.yml")
    for period, count in ((1, 40), (2, 40), (3, 41), (4, 41)):
        lines = sheet(months[period] / SCHOOLS, "Danh sách trường")[6:]
        rows = [dict(zip(contract.columns, line[1:], strict=True)) for line in lines if isinstance(line[0], float)]
        assert len(rows) == count
        sums = [line for line in lines if str(line[0]).startswith("Tổng cộng")]
        assert len(sums) == 4
        assert sum(float(str(line[11])) for line in sums) == sum(float(str(row["pupil_count"])) for row in rows) == 600
        texts = [row["area_m2"] for row in rows if isinstance(row["area_m2"], str)]
        assert texts
        assert all(re.fullmatch(r"(\d{1,3}\.)?\d{1,3},\d", str(text)) for text in texts)
        assert broken([{**row, "pupil_code": ""} for row in rows], contract) == {}
        assert {"KT. GIÁM ĐỐC", "Người lập biểu"} <= {cell for line in lines[-3:] for cell in line}


def test_some_preschools_of_a_larger_city_have_no_code_yet(tmp_path: Path) -> None:
    write_schools(tmp_path / "schools.xlsx", city=city_of("demo"), period=1)
    rows = [line for line in sheet(tmp_path / "schools.xlsx", "Danh sách trường") if isinstance(line[0], float)]
    assert len(rows) == 351
    assert Counter(str(row[1])[:3] for row in rows)[""] == 1


def test_a_large_ward_comes_in_parts_that_hold_every_pupil_once(
    months: dict[int, Path], contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(education, "ROWS_AT_MOST", 50)
    education.deliver("test", 1, tmp_path)
    parts = books(tmp_path)
    assert len(parts) > 12
    assert max(len(pupils(path, contract)) for path in parts.values()) <= 51  # a row that stands twice
    assert Counter(map(key, rows_of(tmp_path, "2025", contract))) == Counter(
        map(key, rows_of(months[1], "2025", contract))
    )


def test_pupils_go_to_schools_of_the_list(months: dict[int, Path], contract: Contract) -> None:
    listed = {line[1] for line in sheet(months[4] / SCHOOLS, "Danh sách trường")}
    assert {row["school_code"] for row in rows_of(months[4], "2026", contract)} <= listed


def test_a_pupil_is_a_grade_further_in_the_next_year(months: dict[int, Path], contract: Contract) -> None:
    grades = [
        {row["pupil_code"]: row["grade"] for row in rows_of(months[2], year, contract)} for year in ("2025", "2026")
    ]
    both = grades[0].keys() & grades[1].keys() - {""}
    assert len(both) > 300
    further = {(grades[0][code], grades[1][code]) for code in both}
    assert ("Khối 1", "Khối 2") in further
    assert ("Khối 11", "Khối 12") in further
    assert all(before != after for before, after in further)


def test_a_size_or_a_month_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no such size"):
        deliver("huge", 1, tmp_path)
    with pytest.raises(Refusal, match="no such period"):
        deliver("test", 5, tmp_path)
