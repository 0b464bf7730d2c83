"""Cells of Excel that say something else than they show, or hold what no cell should."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from tests.poison.bench import Bench
from tests.poison.deliveries import (
    HEAD,
    MAIN,
    OFFICE,
    PUPILS,
    SCHOOL,
    SCHOOLS,
    Members,
    Raw,
    book,
    relations,
    row,
)
from tests.poison.servers import Asked

GOOD = row(2, SCHOOL)


def test_formulas_come_as_what_excel_kept_and_nothing_is_run_or_fetched(bench: Bench) -> None:
    with Asked() as asked:
        address = f"http://127.0.0.1:{asked.port}/x"
        cells = [
            SCHOOL[0],
            Raw(f' t="str"><f>HYPERLINK("{address}","Lê Lợi")</f><v>Lê Lợi</v>'),
            Raw(" t=\"str\"><f>cmd|' /C calc'!A0</f><v>Tiểu học</v>"),
            Raw(f'><f>WEBSERVICE("{address}")</f><v>1250</v>'),
            Raw("><f>SUM([1]Sheet1!A1:A9)</f><v>3200.5</v>"),
        ]
        external = f'<externalLink xmlns="{MAIN}" xmlns:r="{OFFICE}"><externalBook r:id="e"/></externalLink>'
        more: Members = {
            "xl/externalLinks/externalLink1.xml": external,
            "xl/externalLinks/_rels/externalLink1.xml.rels": relations(("e", "externalLinkPath", address)),
            "xl/vbaProject.bin": b"Sub Auto_Open()",
        }
        rows = bench.accepted(SCHOOLS, bench.file(book(HEAD, row(2, cells), more=more)))
    assert [rows[name] for name in SCHOOLS.columns] == [["79100001"], ["Lê Lợi"], ["Tiểu học"], ["1250"], ["3200.5"]]
    assert asked.paths == []


def test_a_cell_with_an_excel_error_is_rejected(bench: Bench) -> None:
    cells = [*SCHOOL[:3], Raw(' t="e"><v>#REF!</v>'), Raw(' t="e"><f>1/0</f><v>#DIV/0!</v>')]
    rows = bench.read(SCHOOLS, bench.file(book(HEAD, GOOD, row(3, cells))))
    assert rows.faults == {3: {"pupil_count": "a value, not an Excel error", "area_m2": "a value, not an Excel error"}}


def test_a_cell_longer_than_excel_allows_is_rejected(bench: Bench) -> None:
    rows = bench.read(SCHOOLS, bench.file(book(HEAD, row(2, [SCHOOL[0], os.urandom(5_000_000).hex(), *SCHOOL[2:]]))))
    assert rows.faults == {2: {"school_name": "text without control characters, of at most 32,767 characters"}}
    assert len(rows["school_name"][0]) == 32_767


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("Lê_x0000_Lợi", "Lê␀Lợi", id="NUL"),
        pytest.param("Lê_x001B_[2JLợi", "Lê␛[2JLợi", id="a terminal's command"),
        pytest.param("Lê\u202eLợi", "Lê\\u202eLợi", id="a turn of the writing"),
    ],
)
def test_signs_that_are_no_text_are_rejected_and_made_visible(bench: Bench, written: str, shown: str) -> None:
    cells = [SCHOOL[0], Raw(f' t="inlineStr"><is><t>{written}</t></is>'), *SCHOOL[2:]]
    rows = bench.read(SCHOOLS, bench.file(book(HEAD, row(2, cells))))
    assert rows.faults == {2: {"school_name": "text without control characters, of at most 32,767 characters"}}
    assert rows["school_name"] == [shown]


@pytest.mark.parametrize("written", ["Lê&#0;Lợi", "Lê&#xD800;Lợi"])
def test_signs_that_xml_does_not_know_are_refused(bench: Bench, written: str) -> None:
    cells = [SCHOOL[0], Raw(f' t="inlineStr"><is><t>{written}</t></is>'), *SCHOOL[2:]]
    refusal = bench.refused(SCHOOLS, bench.file(book(HEAD, row(2, cells))))
    assert refusal.what == "the Excel file is damaged or cut short"


def test_zero_width_signs_and_the_icelandic_eth_in_a_name_are_kept_as_found(bench: Bench) -> None:
    """Nobody sees them, but a rule on the column does: of a code or a list they are no part."""
    name = "Ðinh\u200b Tiên\u00adHoàng"
    rows = bench.accepted(SCHOOLS, bench.file(book(HEAD, row(2, [SCHOOL[0], name, *SCHOOL[2:]]))))
    assert rows["school_name"] == [name]


def test_numbers_stored_as_text_are_what_the_contract_says(bench: Bench) -> None:
    rows = bench.read(
        SCHOOLS,
        bench.file(
            book(HEAD, row(2, [*SCHOOL[:3], "1.250", "1.234,56"]), row(3, [*SCHOOL[:3], "\u00a01250\u00a0", "1 234,5"]))
        ),
    )
    assert rows.faults == {3: {"area_m2": "a number such as 1.234,56"}}
    assert rows["pupil_count"] == ["1250", "1250"]


@pytest.mark.parametrize("value", [99999999999999999999, "1E+308", -0.5, "1e400"])
def test_a_whole_number_that_is_none_is_rejected_or_kept_exactly(bench: Bench, value: object) -> None:
    cells = [*SCHOOL[:3], Raw(f"><v>{value}</v>"), 1.5]
    rows = bench.read(SCHOOLS, bench.file(book(HEAD, row(2, cells))))
    (found,) = rows["pupil_count"]
    assert rows.faults or int(found) > 2**63


def pupils(path: Path, day: object, epoch: datetime | None = None) -> None:
    made = openpyxl.Workbook()
    if epoch:
        made.epoch = epoch
    page = made.active
    assert page is not None
    page.title = "Sheet1"
    page.append(["Mã học sinh", "Họ tên", "Ngày sinh"])
    page.append(["7900000001", "Nguyễn Văn An", day])
    made.save(path)


def test_dates_of_the_1904_system_are_those_that_excel_shows(bench: Bench) -> None:
    pupils(bench.folder / "x.xlsx", date(2019, 12, 31), CALENDAR_MAC_1904)
    assert bench.accepted(PUPILS, bench.folder / "x.xlsx")["birth_date"] == ["2019-12-31"]


@pytest.mark.parametrize("day", [2019, 20191231, -5, 3.7e9, True, "31/02/2019"])
def test_what_is_no_day_is_rejected(bench: Bench, day: object) -> None:
    pupils(bench.folder / "x.xlsx", day)
    assert bench.rejected(PUPILS, bench.folder / "x.xlsx") == {2: {"birth_date": "a date such as 31/12/2025"}}
