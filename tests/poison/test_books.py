"""Excel books that reach too far, declare what they should not, or say something else than they show."""

from __future__ import annotations

import io
import os
import struct

import openpyxl
import pytest
import xlwt
from xlwt.CompoundDoc import XlsDoc

from tests.poison.bench import Bench
from tests.poison.deliveries import (
    HEAD,
    HEADINGS,
    MAIN,
    OFFICE,
    SCHOOL,
    SCHOOLS,
    SHEET,
    Members,
    book,
    relations,
    row,
)

GOOD = row(2, SCHOOL)


def sheet(declared: str, name: str = "&x;") -> bytes:
    text = f'<?xml version="1.0"?>{declared}<worksheet xmlns="{MAIN}"><sheetData>{HEAD}'
    cell = f'<c r="B2" t="inlineStr"><is><t>{name}</t></is></c>'
    return f'{text}<row r="2">{cell}</row></sheetData></worksheet>'.encode()


@pytest.mark.parametrize(
    "poisoned",
    [
        pytest.param(sheet('<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), id="external file"),
        pytest.param(sheet('<!DOCTYPE x [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]>'), id="external address"),
        pytest.param(sheet('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', "x"), id="external DTD"),
        pytest.param(
            sheet(
                "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
                + "".join(f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghix", strict=True))
                + "]>"
            ),
            id="a billion laughs",
        ),
        pytest.param(
            sheet("<!DOCTYPE x [<!ENTITY x '" + "x" * 100_000 + "'>]>", "&x;" * 10_000), id="quadratic growth"
        ),
        pytest.param(
            f"<!-- {os.urandom(524_280).hex()} -->".encode()
            + sheet('<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
            id="across pieces",
        ),
        pytest.param(sheet('<!DOCTYPE x [<!ENTITY x "y">]>').decode().encode("utf-16"), id="UTF-16"),
    ],
)
def test_a_book_that_declares_entities_is_refused(bench: Bench, poisoned: bytes) -> None:
    refusal = bench.refused(SCHOOLS, bench.file(book(more={SHEET: poisoned})))
    assert refusal.what == "the Excel file has XML that no Excel writes"
    assert f"member {SHEET}" in refusal.where


def test_entities_in_any_other_part_of_a_book_are_refused(bench: Bench) -> None:
    more = {"xl/sharedStrings.xml": '<!DOCTYPE sst [<!ENTITY x SYSTEM "file:///etc/passwd">]><sst/>'}
    assert "sharedStrings.xml" in bench.refused(SCHOOLS, bench.file(book(HEAD, GOOD, more=more))).where


@pytest.mark.parametrize("name", ["sheet1.dat", "SHEET1.XML"])
def test_a_sheet_that_is_not_looked_through_first_is_not_read(bench: Bench, name: str) -> None:
    """Whoever opens the book finds it all the same, by its relation or in another case."""
    links = relations(("s", "worksheet", f"worksheets/{name}"))
    more: Members = {"xl/_rels/workbook.xml.rels": links, "xl/worksheets/sheet1.dat": sheet("", "x")}
    refusal = bench.refused(SCHOOLS, bench.file(book(HEAD, GOOD, more=more)))
    assert refusal.what == "the file is no Excel book that can be opened safely"
    assert name in refusal.found


@pytest.mark.parametrize(
    "line",
    [
        row(1_048_576, ["x"]).replace("A1048576", "XFD1048576"),
        row(900_000, [1]) + row(900_001, [1]).replace("A9", "XFD9"),
    ],
)
def test_a_stray_cell_far_below_and_right_is_refused(bench: Bench, line: str) -> None:
    refusal = bench.refused(SCHOOLS, bench.file(book(HEAD, GOOD, line)))
    assert refusal.what == "a sheet reaches too far"
    assert "sheet Danh sách trường" in refusal.where
    assert "16,384 columns" in refusal.found


def test_a_million_empty_rows_are_no_rows(bench: Bench) -> None:
    empty = "".join(f'<row r="{line}" ht="15"><c r="A{line}" s="1"/></row>' for line in range(3, 1_048_577))
    rows = bench.accepted(SCHOOLS, bench.file(book(HEAD, GOOD, empty)))
    assert rows["school_code"] == ["79100001"]


def test_a_sheet_that_lies_about_its_size_takes_no_memory_for_it(bench: Bench) -> None:
    text = f'<worksheet xmlns="{MAIN}"><dimension ref="A1:XFD1048576"/><sheetData>{HEAD}{GOOD}</sheetData></worksheet>'
    rows = bench.accepted(SCHOOLS, bench.file(book(more={SHEET: text})))
    assert rows["school_code"] == ["79100001"]


def test_a_book_for_which_its_reader_would_take_100_gb_is_refused(bench: Bench) -> None:
    strings = f'<sst xmlns="{MAIN}" count="4000000000" uniqueCount="4000000000"></sst>'
    refusal = bench.refused(SCHOOLS, bench.file(book(HEAD, GOOD, more={"xl/sharedStrings.xml": strings})))
    assert refusal.what == "the file cannot be read with what any honest file needs"


def test_a_text_merged_over_all_the_sheet_holds_for_the_rows_there_are(bench: Bench) -> None:
    merged = '<mergeCells><mergeCell ref="F1:XFD1"/><mergeCell ref="C2:C1048576"/></mergeCells>'
    lines = row(2, SCHOOL) + row(3, [*SCHOOL[:2], "", *SCHOOL[3:]])
    text = f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}{lines}</sheetData>{merged}</worksheet>'
    assert bench.accepted(SCHOOLS, bench.file(book(more={SHEET: text})))["level"] == ["Tiểu học", "Tiểu học"]


@pytest.mark.parametrize("lines", [(2, 5, 3), (2, 3, 3), (1_048_576, 2)])
def test_rows_in_another_order_are_refused_rather_than_lost(bench: Bench, lines: tuple[int, ...]) -> None:
    """Of two rows of one number the reader would keep one."""
    rows = [row(line, [f"7910000{n}", *SCHOOL[1:]]) for n, line in enumerate(lines)]
    assert bench.refused(SCHOOLS, bench.file(book(HEAD, *rows))).what == "the lines of a sheet are not in order"


def test_two_sheets_of_one_name_are_refused_rather_than_one_read_twice(bench: Bench) -> None:
    text = f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>' + "".join(
        f'<sheet name="Danh sách trường" sheetId="{number}" r:id="{part}"/>' for number, part in ((1, "s"), (2, "t"))
    )
    links = relations(("s", "worksheet", "worksheets/sheet1.xml"), ("t", "worksheet", "worksheets/sheet2.xml"))
    second = f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}{row(2, ["79100002", *SCHOOL[1:]])}</sheetData></worksheet>'
    more = {
        "xl/workbook.xml": f"{text}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": links,
        "xl/worksheets/sheet2.xml": second,
    }
    refusal = bench.refused(SCHOOLS, bench.file(book(HEAD, GOOD, more=more)))
    assert refusal.found == "two sheets of the same name: 'Danh sách trường'"


@pytest.mark.parametrize(
    ("headings", "what"),
    [
        pytest.param(
            [*HEADINGS, *(f"Cột {number}" for number in range(5000))], "there are too many columns", id="5,000 columns"
        ),
        pytest.param([*HEADINGS, "TÊN TRƯỜNG"], "a promised column stands twice", id="twice"),
        pytest.param([*HEADINGS, "x" * 30_000], "a heading is too long to be one", id="very long"),
        pytest.param(["Mã số", *HEADINGS[1:]], "a promised column is missing: 'Mã trường'", id="renamed"),
    ],
)
def test_headings_that_promise_something_else_are_refused(bench: Bench, headings: list[str], what: str) -> None:
    made = openpyxl.Workbook(write_only=True)
    made.create_sheet("Danh sách trường").append(headings)
    path = bench.folder / "truong.xlsx"
    made.save(path)
    assert bench.refused(SCHOOLS, path).what == what


def old_book() -> bytes:
    made = xlwt.Workbook()
    page = made.add_sheet("Danh sách trường")
    for column, heading in enumerate(HEADINGS):
        page.write(0, column, heading)
    for line in range(1, 300):
        for column, value in enumerate(SCHOOL):
            page.write(line, column, f"{value} {line}" if column == 1 else value)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


@pytest.mark.parametrize("kept", [10, 512, 5_120, 20_480, -512])
def test_an_xls_cut_short_is_refused(bench: Bench, kept: int) -> None:
    refusal = bench.refused(SCHOOLS, bench.file(old_book()[:kept], "truong.xls"))
    assert refusal.what in {"the Excel file is cut short", "the Excel file is damaged or cut short"}


def test_an_xls_whose_sectors_go_round_in_a_circle_is_refused(bench: Bench) -> None:
    content = bytearray(old_book())
    first, size = struct.unpack_from("<I", content, 76)[0], 512
    table = 512 + first * size
    for sector in range(20):
        struct.pack_into("<I", content, table + 4 * sector, 0)
    assert bench.refused(SCHOOLS, bench.file(bytes(content), "truong.xls")).found


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_an_xlsx_cut_short_is_refused(bench: Bench, share: float) -> None:
    content = book(HEAD, *(row(line, SCHOOL) for line in range(2, 500)))
    assert (
        bench.refused(SCHOOLS, bench.file(content[: int(len(content) * share)])).what
        == "the Excel file is damaged or cut short"
    )


def test_a_book_under_a_password_is_refused_as_such(bench: Bench) -> None:
    path = bench.folder / "x.xlsx"
    XlsDoc().save(str(path), bytes(5_000))
    content, name = path.read_bytes(), "Workbook".encode("utf-16-le")
    at, other = content.index(name), "EncryptedPackage".encode("utf-16-le")
    length = struct.pack("<H", len(other) + 2)
    path.write_bytes(content[:at] + other + content[at + len(other) : at + 64] + length + content[at + 66 :])
    assert bench.refused(SCHOOLS, path).what == "the Excel file is protected by a password"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"", "0 bytes", id="0 bytes"),
        pytest.param(b"\xd0\xcf\x11\xe0", "4 bytes", id="a beginning"),
        pytest.param(b"PK\x05\x06" + bytes(18), "an empty archive", id="an empty archive"),
        pytest.param(b"<html><table><tr><td>x</td></tr></table></html>", "a web page (HTML)", id="HTML"),
        pytest.param(b"%PDF-1.7", "a PDF", id="PDF"),
        pytest.param(b"Ma truong;Ten truong\n", "text beginning with", id="CSV"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(40), "unknown bytes", id="a picture"),
    ],
)
def test_what_is_no_book_is_refused_as_what_it_is(bench: Bench, content: bytes, found: str) -> None:
    assert found in bench.refused(SCHOOLS, bench.file(content, "truong.xlsx")).found
