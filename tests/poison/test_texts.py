"""Text with delimiters: bytes that are no text, every wrong encoding, and rows that are none."""

from __future__ import annotations

import codecs
from dataclasses import replace
from unicodedata import normalize

import pytest

from spark_jobs.layouts.tcvn3 import TABLE
from spark_jobs.layouts.vni import from_vni
from tests.poison.bench import Bench
from tests.poison.deliveries import HEADINGS, SCHOOL, SCHOOLS_CSV, csv_of

NAMES = [
    "Trường Tiểu học Nguyễn Văn Trỗi",
    "Trường Mầm non Hướng Dương phường Tân Định",
    "Trường Trung học cơ sở Đặng Trần Côn",
    "Trường Trung học phổ thông Trưng Vương",
]
GOOD = csv_of(*([f"7910000{number}", name, *SCHOOL[2:]] for number, name in enumerate(NAMES)))
TO_TCVN3 = {letter: bytes([code]) for code, letter in TABLE.items()}
VNI_MARKS = "ùøûõïáàåãäéèúüë"


def in_tcvn3(text: str) -> bytes:
    return b"".join(TO_TCVN3.get(letter, letter.encode("latin-1", "replace")) for letter in text)


def in_vni(text: str) -> bytes:
    """By trying which one or two bytes VNI reads as a letter."""
    every = [bytes([a]) for a in range(0xA1, 0x100)]
    every += [bytes([a, b]) for a in b"aeiouyAEIOUYo\xf4\xd4\xf6\xd6" for b in range(0xA1, 0x100)]
    table = {from_vni(found.decode("latin-1")): found for found in reversed(every)}
    return b"".join(letter.encode() if letter.isascii() else table.get(letter, b"?") for letter in text)


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(codecs.BOM_UTF8 + GOOD.encode(), id="UTF-8 with a mark"),
        pytest.param(codecs.BOM_UTF16_LE + GOOD.encode("utf-16-le"), id="UTF-16-LE"),
        pytest.param(codecs.BOM_UTF16_BE + GOOD.encode("utf-16-be"), id="UTF-16-BE"),
        pytest.param(GOOD.encode("utf-16-le"), id="UTF-16-LE without mark"),
        pytest.param(GOOD.encode("utf-16-be"), id="UTF-16-BE without mark"),
        pytest.param(in_tcvn3(GOOD), id="TCVN3"),
        pytest.param(in_vni(GOOD), id="VNI"),
    ],
)
def test_an_encoding_that_the_bytes_prove_is_read(bench: Bench, encoded: bytes) -> None:
    rows = bench.accepted(SCHOOLS_CSV, bench.file(encoded))
    assert rows["school_name"] == NAMES
    assert rows["area_m2"] == ["3200.5"] * 4


def in_windows_1258(text: str) -> bytes:
    """Tones stand behind their letters there, most of them."""
    written = b""
    for letter in text:
        apart = normalize("NFD", letter)
        base, marks = apart[0], apart[1:]
        tones = [mark for mark in marks if mark in "\u0300\u0301\u0303\u0309\u0323"]
        bare = normalize("NFC", base + "".join(mark for mark in marks if mark not in tones))
        written += (bare + "".join(tones)).encode("cp1258")
    return written


def test_windows_1258_is_read(bench: Bench) -> None:
    content = in_windows_1258(GOOD.replace("²", "2"))
    headings = {**SCHOOLS_CSV.columns, "area_m2": replace(SCHOOLS_CSV.columns["area_m2"], heading=("Diện tích (m2)",))}
    rows = bench.accepted(replace(SCHOOLS_CSV, columns=headings), bench.file(content))
    assert rows["school_name"] == NAMES


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(
            GOOD.encode() + GOOD.encode("utf-16-le"),
            "no line has the promised headings in the first 60 lines",
            id="UTF-8 and UTF-16",
        ),
        pytest.param(GOOD.encode() + in_tcvn3(GOOD), "the encoding of the text cannot be told", id="half and half"),
        pytest.param(GOOD.encode() * 20 + in_tcvn3(GOOD), "the text is not utf-8 throughout", id="a little TCVN3"),
        pytest.param(
            b"x" * 5_000_000 + b"\n", "no line has the promised headings in the first 60 lines", id="no heading"
        ),
        pytest.param(
            GOOD.encode() + b"\n" * 5_000_000 + in_tcvn3(GOOD), "the text is not utf-8 throughout", id="TCVN3 far below"
        ),
        pytest.param(GOOD.encode("utf-32"), "the file is no text", id="UTF-32"),
        pytest.param(
            csv_of(SCHOOL).encode() + b"79100002;\xed\xa0\x80;Ti\n",
            "the text is not utf-8 throughout",
            id="a lone surrogate",
        ),
        pytest.param(
            csv_of(SCHOOL).encode() + b"79100002;\xc0\xaf;Ti\n",
            "the text is not utf-8 throughout",
            id="an overlong form",
        ),
        pytest.param(
            csv_of(["79100001", "École française £¥§", *SCHOOL[2:]]).replace("ã", "a").encode("latin-1", "replace"),
            "the encoding of the text cannot be told",
            id="Latin-1",
        ),
    ],
)
def test_text_whose_encoding_nobody_can_tell_is_refused(bench: Bench, content: bytes, what: str) -> None:
    assert bench.refused(SCHOOLS_CSV, bench.file(content)).what == what


@pytest.mark.parametrize(
    ("content", "what", "found"),
    [
        pytest.param(b"", "the file is empty", "0 bytes", id="0 bytes"),
        pytest.param(b" \n\n\r\n", "the file is empty", "5 bytes", id="only line ends"),
        pytest.param(GOOD.encode() + b"79100009;a\0b\n", "the file is no text", "NUL", id="a NUL"),
        pytest.param(GOOD.encode() + b"\n" * 5_000_000 + b"a\0b\n", "the file is no text", "NUL", id="a NUL far below"),
        pytest.param(bytes(1000), "the file is no text", "NUL", id="all NUL"),
        pytest.param(
            b"<!DOCTYPE html><html><body>Session expired</body></html>",
            "no line has the promised headings",
            "DOCTYPE",
            id="HTML",
        ),
        pytest.param(b"%PDF-1.7\n", "the file is no text", "a PDF", id="PDF"),
    ],
)
def test_what_is_no_text_at_all_is_refused(bench: Bench, content: bytes, what: str, found: str) -> None:
    refusal = bench.refused(SCHOOLS_CSV, bench.file(content))
    assert refusal.what.startswith(what)
    assert found in refusal.found


def test_mixed_line_ends_are_line_ends(bench: Bench) -> None:
    lines = [";".join([f"7910000{number}", *SCHOOL[1:]]) for number in range(3)]
    path = bench.file(csv_of(end="\r\n") + f"{lines[0]}\n{lines[1]}\r{lines[2]}\r\n")
    rows = bench.accepted(SCHOOLS_CSV, path)
    assert rows["school_code"] == ["79100000", "79100001", "79100002"]
    assert rows["_line"] == [2, 3, 4]


def test_line_ends_between_quotation_marks_belong_to_the_value(bench: Bench) -> None:
    named = [SCHOOL[0], '"Trường ""Lê Lợi"";\r\ncơ sở 2\n"', *SCHOOL[2:]]
    rows = bench.accepted(SCHOOLS_CSV, bench.file(csv_of(named, ["79100002", *SCHOOL[1:]])))
    assert rows["school_name"] == ['Trường "Lê Lợi";\r\ncơ sở 2', SCHOOL[1]]
    assert rows["_line"] == [2, 5]


@pytest.mark.parametrize("length", [10_000_000, 100_000_000])
def test_a_field_without_end_is_refused(bench: Bench, length: int) -> None:
    path = bench.file(csv_of([SCHOOL[0], "x" * length, *SCHOOL[2:]]))
    assert bench.refused(SCHOOLS_CSV, path).what in {
        "a row cannot be read: a quotation mark is not closed, or closed too early",
        "a line is too long",
    }


def test_a_quotation_mark_that_is_never_closed_is_refused_with_the_line_it_stands_on(bench: Bench) -> None:
    wrong = [SCHOOL[0], '"Lê Lợi', *SCHOOL[2:]]
    refusal = bench.refused(SCHOOLS_CSV, bench.file(csv_of(SCHOOL, wrong) + csv_of(SCHOOL) * 50_000))
    assert "begins in line 3" in refusal.where


@pytest.mark.parametrize(
    ("headings", "what"),
    [
        pytest.param(
            [*HEADINGS, *(f"Cột {number}" for number in range(5000))], "there are too many columns", id="5,000 columns"
        ),
        pytest.param([*HEADINGS, "Tên  TRƯỜNG"], "a promised column stands twice", id="twice"),
        pytest.param([*HEADINGS[:4], "x" * 20_000], "a heading is too long to be one", id="very long"),
        pytest.param([*HEADINGS[:4], ""], "a promised column is missing: 'Diện tích (m²)'", id="empty"),
        pytest.param(
            ["Mã trường", "Tên trường", "Cấp học", "Sĩ số học sinh", "Diện tích (m²)"],
            "a promised column is missing: 'Số học sinh'",
            id="renamed",
        ),
        pytest.param(
            ["M\u0430 trường", *HEADINGS[1:]],
            "a promised column is missing: 'Mã trường'",
            id="a letter of another alphabet",
        ),
    ],
)
def test_headings_that_promise_something_else_are_refused(bench: Bench, headings: list[str], what: str) -> None:
    assert bench.refused(SCHOOLS_CSV, bench.file(csv_of([*SCHOOL, "7"], headings=headings))).what == what


def test_a_value_below_no_heading_is_refused(bench: Bench) -> None:
    path = bench.file(csv_of([*SCHOOL, "7"], headings=[*HEADINGS, ""]))
    assert bench.refused(SCHOOLS_CSV, path).what == "a column with values has no heading"


def test_headings_with_signs_that_nobody_sees_are_what_they_look_like(bench: Bench) -> None:
    """Zero-width blanks, a mark that turns the writing round, the Icelandic letter that looks like Đ."""
    hidden = [
        "\ufeffMã\u00a0trường",
        "Tên\u200b trường\u202c",
        "\u202aCấp học\u202c",
        "Số\u2009học sinh",
        "\u2066Ðiện tích (m²)\u2069",
    ]
    headings = [heading.replace("Ðiện", "Diện") for heading in hidden]
    assert bench.accepted(SCHOOLS_CSV, bench.file(csv_of(SCHOOL, headings=headings)))["area_m2"] == ["3200.5"]


def test_rows_of_another_length_are_rejected_and_the_others_stay_in_place(bench: Bench) -> None:
    path = bench.file(csv_of(SCHOOL[:3], SCHOOL, [*SCHOOL, "thừa"], [*SCHOOL, "", ""]))
    rows = bench.read(SCHOOLS_CSV, path)
    assert rows.faults == {
        2: {"pupil_count": "5 fields in the row, not 3"},
        4: {"area_m2": "5 fields in the row, not 6"},
    }
    assert rows["school_code"] == ["79100001"] * 4


def test_formulas_and_links_in_fields_are_text(bench: Bench) -> None:
    names = ["=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", '=HYPERLINK("http://127.0.0.1/","x")', "-2+3"]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    path = bench.file(csv_of(*([f"7910000{n}", name, *SCHOOL[2:]] for n, name in enumerate(quoted))))
    assert bench.accepted(SCHOOLS_CSV, path)["school_name"] == names


def test_a_million_empty_lines_are_counted_and_no_rows(bench: Bench) -> None:
    rows = bench.accepted(SCHOOLS_CSV, bench.file(csv_of(SCHOOL) + "\n" * 1_000_000 + ";;;;\n"))
    assert rows["school_code"] == ["79100001"]
    assert rows.reading.skipped == {"blank line": 1_000_001}
