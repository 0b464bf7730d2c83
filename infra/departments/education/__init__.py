"""The simulated Department of Education and Training (Sở Giáo dục và Đào tạo): what lies below its SFTP root.

    truong/Danh sach truong.xlsx                          the schools, a snapshot; sent anew every month
    hoc-sinh/<school year>/C1-HocSinh_<ward>-<code>.xlsx  the pupils of a ward, by the ministry's template C1-HocSinh;
                                                          `_2` and so on where a ward has more than 30,000

Everything is invented ("dữ liệu mô phỏng") except the wards. The volumes are the city's of 2025-2026.

Month      | What comes
-----------|-----------------------------------------------------------------------------------------------------
1, 2026-07 | schools; pupils of 2025-2026
2, 2026-08 | schools; pupils of 2026-2027, all a grade further; the workbook of one ward is missing
3, 2026-09 | schools, one of them new; the missing workbook; corrections to 1 % of the rows of 2026-2027, in 5 % of its
           | workbooks; corrections of 2025-2026, which is over, in 1 % of its workbooks
4, 2026-10 | schools; corrections to another 1 % of the rows of 2026-2027, in another 5 % of its workbooks

About 0.2 % of the rows are bad. Pupils: a 31 February, a blank code, an unknown ward, a text for a year, a row twice;
schools: preschools that have no code yet.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

from infra.departments.education.calendar import deliveries, moment
from infra.departments.education.city import City, city_of
from infra.departments.education.pupils import enrolled
from infra.departments.education.school_list import write_schools
from infra.departments.education.template import Place, write_pupils

ROWS_AT_MOST = 30_000  # of one workbook
SPEAKS_FOR_TWO = 100_000  # rows; below, a second process takes longer to start than it saves

Work = tuple[int, int, list[int]]  # ward, school year, the periods whose deliveries are to be in its workbooks


def deliver(size: str, period: int, folder: Path) -> None:
    """Lay out below `folder` what the department offers as of a period, 1 to 4; of a size "test", "demo" or "city".

    A file that is there already as of the same period is left alone, so what has not changed keeps its time. Same size
    and period, same bytes. City size: 2.5 million pupils, minutes.
    """
    city = city_of(size)
    schools = folder / "truong" / "Danh sach truong.xlsx"
    if not _is_current(schools, size, period):
        _put(schools, size, period, partial(write_schools, city=city, period=period))
    work = [
        (ward, year, came)
        for year, ward, came in deliveries(city.size, period)
        if not all(_is_current(path, size, came[-1]) for path in _paths(city, ward, year, folder))
    ]
    one = partial(_write_ward, size, folder)
    if sum(city.pupils_in(ward) for ward, _, _ in work) < SPEAKS_FOR_TWO:
        for each in work:
            one(each)
        return
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for _ in pool.map(one, work):
            pass


def _write_ward(size: str, folder: Path, work: Work) -> None:
    """All the workbooks of one ward and school year."""
    ward, year, came = work
    city = city_of(size)
    rows = enrolled(city, ward, year, came)
    paths = _paths(city, ward, year, folder)
    cuts = [len(rows["pupil_code"]) * number // len(paths) for number in range(len(paths) + 1)]
    for path, (start, stop) in zip(paths, pairwise(cuts), strict=True):
        place = Place(city.wards[ward], ward, year, moment(size, came[-1]))
        some = {name: values[start:stop] for name, values in rows.items()}
        _put(path, size, came[-1], partial(write_pupils, city=city, place=place, rows=some))


def _paths(city: City, ward: int, year: int, folder: Path) -> list[Path]:
    home = folder / "hoc-sinh" / f"{year}-{year + 1}"
    parts = -(-city.pupils_in(ward) // ROWS_AT_MOST)
    stem = f"C1-HocSinh_{city.wards[ward].slug}-{city.wards[ward].code}"
    return [home / f"{stem}{f'_{part}' if part > 1 else ''}.xlsx" for part in range(1, parts + 1)]


def _is_current(path: Path, size: str, period: int) -> bool:
    return path.is_file() and path.stat().st_mtime == moment(size, period).timestamp()


def _put(path: Path, size: str, period: int, write: Callable[[Path], None]) -> None:
    """A file that is either as before or complete, with the time of its period."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partly = path.with_name(f".{path.name}.partial")
    write(partly)
    at = moment(size, period).timestamp()
    os.utime(partly, (at, at))
    partly.replace(path)
