from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from quality.contract import Column, Text
from spark_jobs.forms import as_text, expected_of

WORDS = Text("chữ", "words")
VI_NUMBER = "a number such as 1.234,56"
A_DAY = "a date such as 31/12/2025"


def column(kind: str) -> Column:
    return Column("value", kind, "none", WORDS, WORDS)


def text(kind: str, values: Sequence[object], numbers: str = "plain", dates: str = "iso") -> list[str | None]:
    """What they say, given that all fit."""
    read, faults = as_text(values, column(kind), numbers, dates)
    assert faults == {}
    assert read.type == pa.string()
    found: list[str | None] = read.to_pylist()
    return found


def misfits(kind: str, values: Sequence[object], numbers: str = "plain", dates: str = "iso") -> list[str | None]:
    """What they say, given that none fits."""
    read, faults = as_text(values, column(kind), numbers, dates)
    assert list(faults) == list(range(len(values)))
    assert set(faults.values()) == {expected_of(column(kind), numbers, dates)}
    found: list[str | None] = read.to_pylist()
    return found


def test_vietnamese_numbers_have_a_decimal_comma_and_points_between_thousands() -> None:
    written = ["1.234,56", "1234,5", "687.200", "-2", "1.234.567", "0,10", "007", None, ""]
    plain = ["1234.56", "1234.5", "687200", "-2", "1234567", "0.10", "007", None, None]
    assert text("double", written, "vi") == plain


def test_english_numbers_have_a_decimal_point_and_commas_between_thousands() -> None:
    assert text("double", ["1,234.56", "1234.5", "687,200", "-1,000,000"], "en") == [
        "1234.56",
        "1234.5",
        "687200",
        "-1000000",
    ]


def test_plain_numbers_have_a_decimal_point_only() -> None:
    assert text("double", ["1234.56", "-0.5", "3"]) == ["1234.56", "-0.5", "3"]


@pytest.mark.parametrize(
    ("numbers", "strange"),
    [
        ("vi", ["1.5", "1,234.56", "12.34", "1.2345", "1..234", "1234.567", ",5", "1,", "--1", "1,2,3"]),
        ("en", ["1.234,5", "1,5", "12,34", "1,2345", ".5", "1."]),
        ("plain", ["1,5", "1.234,5", "1.234.567", "1e5", "+1", ".5", "5."]),
        (
            "vi",
            ["12 %", "12%", "5 đ", "1 000", "NaN", "Infinity", "-", "nhiều", "\uff10\uff11", "0x1F", "1\n", "VND 5"],
        ),
        ("plain", ["NaN", "inf", "Infinity", "nan", "1 ", "1_000", "\u0661", "12%"]),
    ],
)
def test_a_number_in_another_form_is_a_fault_and_stays_as_found(numbers: str, strange: list[str]) -> None:
    assert misfits("double", strange, numbers) == strange


def test_a_fault_says_what_was_expected_and_the_rest_is_read() -> None:
    read, faults = as_text(["1.234", "1.5", None, "2,5"], column("double"), "vi", "iso")
    assert read.to_pylist() == ["1234", "1.5", None, "2.5"]
    assert faults == {1: VI_NUMBER}


@pytest.mark.parametrize("kind", ["int", "bigint"])
def test_a_fraction_is_no_whole_number_not_even_of_zeros(kind: str) -> None:
    assert text(kind, ["687.200", "12"], "vi") == ["687200", "12"]
    assert misfits(kind, ["1,5", "1.234,00", 5.5, Decimal("0.1")], "vi") == ["1,5", "1.234,00", "5.5", "0.1"]
    assert misfits(kind, ["1.000", "1.5"]) == ["1.000", "1.5"]


def test_whole_numbers_beyond_the_type_are_left_to_the_engine() -> None:
    assert text("int", ["99999999999999999999", 10**30]) == ["99999999999999999999", str(10**30)]


def test_native_numbers_are_written_plainly_whatever_the_form_of_text() -> None:
    assert text("double", [1.5, 1234567.25, 3, None], "vi") == ["1.5", "1234567.25", "3", None]
    assert text("int", [12.0, 7, None, Decimal("7.00")], "vi") == ["12", "7", None, "7"]
    assert text("bigint", [12.0, None, 9007199254740993.0]) == ["12", None, "9007199254740992"]
    assert text("double", [Decimal("0.10"), Decimal("1E+3"), "1.000"], "vi") == ["0.10", "1000", "1000"]


def test_a_native_value_that_is_no_number_is_a_fault() -> None:
    strange = [True, float("nan"), float("-inf"), Decimal("NaN"), date(2024, 1, 1), [1], {"a": 1}, b"1"]
    assert misfits("int", strange)[:3] == ["true", "nan", "-inf"]
    assert misfits("double", strange)[4:7] == ["2024-01-01", "[1]", '{"a": 1}']
    assert misfits("double", [float("nan"), float("inf")]) == ["nan", "inf"]


@pytest.mark.parametrize(
    ("dates", "written"),
    [("iso", "2024-02-29"), ("dd/mm/yyyy", "29/02/2024"), ("dd/mm/yyyy", "29/2/2024"), ("mm/dd/yyyy", "2/29/2024")],
)
def test_dates_are_read_in_their_form(dates: str, written: str) -> None:
    assert text("date", [written, None], dates=dates) == ["2024-02-29", None]


@pytest.mark.parametrize(
    ("dates", "strange"),
    [
        ("dd/mm/yyyy", ["31/02/2024", "29/02/2023", "29/02/1900", "31/04/2024", "0/1/2024", "1/0/2024", "1/13/2024"]),
        ("dd/mm/yyyy", ["05/09/15", "2024-01-01", "1-1-2024", "01/01/2024 00:00", "tháng 9", "9/2024", "01/01/0000"]),
        ("mm/dd/yyyy", ["31/12/2024", "13/1/2024"]),
        ("iso", ["2024-02-30", "2024-2-3", "20240101", "2024-01-01T00:00", "24-01-01", "01/02/2024", "45293", "2024"]),
    ],
)
def test_a_day_that_does_not_exist_or_is_written_otherwise_is_a_fault(dates: str, strange: list[str]) -> None:
    assert misfits("date", strange, dates=dates) == strange


@pytest.mark.parametrize(
    ("dates", "written"), [("iso", "2024-02-29"), ("dd/mm/yyyy", "29/02/2024"), ("mm/dd/yyyy", "02/29/2024")]
)
def test_days_with_all_their_zeros_are_read_the_same_beside_others(dates: str, written: str) -> None:
    assert text("date", [written, None, written], dates=dates) == ["2024-02-29", None, "2024-02-29"]
    for strange in ("30", "00", "-9", " 9", "2x", "\u0661", "2:"):
        read, faults = as_text([written, written.replace("29", strange), None], column("date"), "plain", dates)
        assert read.to_pylist() == ["2024-02-29", written.replace("29", strange), None]
        assert faults == {1: expected_of(column("date"), "plain", dates)}
    assert misfits("date", [written.replace("2024", "2023"), written.replace("2024", "0000")], dates=dates)
    assert misfits("date", [written.replace(sign, ".") for sign in set(written) & set("-/")], dates=dates)


def test_native_days_are_written_as_iso() -> None:
    zone = timezone(timedelta(hours=7))
    values = [date(2024, 1, 2), datetime(2024, 1, 2, 23, 30, tzinfo=zone), None]
    assert text("date", values, dates="dd/mm/yyyy") == ["2024-01-02", "2024-01-02", None]
    assert text("date", [date(2024, 1, 2), None]) == ["2024-01-02", None]


def test_days_as_excel_counts_them_are_dates_and_years_are_not() -> None:
    assert text("date", [45293, 45293.75, "05/09/2015"], dates="dd/mm/yyyy") == [
        "2024-01-02",
        "2024-01-02",
        "2015-09-05",
    ]
    assert text("date", [20_000, 80_000]) == ["1954-10-03", "2119-01-11"]
    assert misfits("date", [2024, 19_999, 80_001, True, 1e9, time(1), timedelta(1)])[0] == "2024"


def test_times_keep_their_zone() -> None:
    written = ["2024-01-02T03:04:05+07:00", "2024-01-02 03:04", "2024-01-02", "2024-01-02T03:04:05.123Z"]
    assert text("timestamp", written) == written
    assert text("timestamp", ["2024-01-02T03:04:05+0700", "2024-01-02T03:04:05-03"]) == [
        "2024-01-02T03:04:05+07:00",
        "2024-01-02T03:04:05-03",
    ]
    assert text("timestamp", ["2/1/2024 03:04:05"], dates="dd/mm/yyyy") == ["2024-01-02 03:04:05"]
    assert text("timestamp", [datetime(2024, 1, 2, 3, tzinfo=UTC), date(2024, 1, 2), 45293.5]) == [
        "2024-01-02T03:00:00+00:00",
        "2024-01-02",
        "2024-01-02T12:00:00",
    ]
    strange = ["2024-01-02T24:00", "2024-01-02T03:60", "2024-02-30T03:04", "03:04", "2024-01-02T03:04+7"]
    assert misfits("timestamp", strange) == strange


def test_truth_is_written_in_many_ways() -> None:
    yes = [True, 1, 1.0, "Có", "ĐÚNG", "x", "X", "1", "true"]
    no = [False, 0, 0.0, "Không", "sai", "0", "FALSE"]
    assert text("boolean", yes) == ["true"] * len(yes)
    assert text("boolean", no) == ["false"] * len(no)
    assert text("boolean", [True, None, False]) == ["true", None, "false"]
    assert misfits("boolean", ["có thể", "2", 2, 0.5, "-"]) == ["có thể", "2", "2", "0.5", "-"]


def test_text_columns_take_text_as_it_is_and_the_shortest_text_of_numbers() -> None:
    values = [12.0, 12.5, 79_012_345_678.0, 7, "007", " NaN ", Decimal("1.50"), date(2024, 1, 2), True, 1e-7, None]
    assert text("string", values) == [
        "12",
        "12.5",
        "79012345678",
        "7",
        "007",
        " NaN ",
        "1.50",
        "2024-01-02",
        "true",
        "0.0000001",
        None,
    ]
    assert text("string", ["2025-2026", "1.234,5"], "vi") == ["2025-2026", "1.234,5"]
    assert misfits("string", [["a"], {"a": "ă"}]) == ['["a"]', '{"a": "ă"}']


@pytest.mark.parametrize("number", [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0)])
def test_a_sign_that_is_no_text_is_a_fault_and_made_visible(number: int) -> None:
    read, faults = as_text(["An", f"A{chr(number)}n", None], column("string"), "plain", "iso")
    shown = chr(0x2400 + number) if number < 0x20 else f"\\u{number:04x}"
    assert (read.to_pylist(), list(faults)) == (["An", f"A{shown}n", None], [1])


@pytest.mark.parametrize("sign", "\t\n\r \xa0\xadéđ\u200b\u2026\u2067")
def test_what_turns_no_writing_round_is_text(sign: str) -> None:
    _, faults = as_text([f"A{sign}n", "An" * 20_000], column("string"), "plain", "iso")
    assert list(faults) == ([0, 1] if sign == "\u2067" else [1])


def test_arrays_are_read_as_lists_are() -> None:
    values = pa.array(["1.234,5", "x", None, ""])
    read, faults = as_text(values, column("double"), "vi", "iso")
    assert (read.to_pylist(), faults) == (["1234.5", "x", None, None], {1: VI_NUMBER})
    for array, kind, expected in (
        (values.dictionary_encode(), "string", ["1.234,5", "x", None, None]),
        (values.cast(pa.large_string()), "string", ["1.234,5", "x", None, None]),
        (pa.array([1, None]), "int", ["1", None]),
        (pa.array([1.0, 0.5]), "double", ["1", "0.5"]),
        (pa.array([1.0, 2.5]), "string", ["1", "2.5"]),
        (pa.array([1.0], pa.float32()), "int", ["1"]),
        (pa.array([date(2024, 1, 2)]), "date", ["2024-01-02"]),
        (pa.array([True, False]), "boolean", ["true", "false"]),
        (pa.array([Decimal("1.10")]), "double", ["1.10"]),
        (pa.array([datetime(2024, 1, 2, 3, tzinfo=UTC)]), "timestamp", ["2024-01-02T03:00:00+00:00"]),
        (pa.array([None, None]), "date", [None, None]),
        (pa.array([], pa.string()), "int", []),
    ):
        read, faults = as_text(array, column(kind), "vi", "dd/mm/yyyy")
        assert (read.to_pylist(), faults, read.type) == (expected, {}, pa.string())


def test_a_slice_of_an_array_is_read_from_where_it_begins() -> None:
    values = pa.array(["x", "1,5", "x", "2,5"]).slice(1)
    read, faults = as_text(values, column("double"), "vi", "iso")
    assert (read.to_pylist(), faults) == (["1.5", "x", "2.5"], {1: VI_NUMBER})


def test_geometries_pass_as_binary() -> None:
    read, faults = as_text([b"\x01\x02", None], column("geometry"), "plain", "iso")
    assert (read.to_pylist(), faults, read.type) == ([b"\x01\x02", None], {}, pa.binary())
    read, faults = as_text(pa.array([b"\x01"]), column("geometry"), "plain", "iso")
    assert (read.to_pylist(), faults) == ([b"\x01"], {})
    read, faults = as_text(["POINT (1 2)"], column("geometry"), "plain", "iso")
    assert (read.to_pylist(), faults) == ([None], {0: "well-known binary"})


def test_what_is_expected_is_told_in_the_form_of_the_contract() -> None:
    assert expected_of(column("int"), "vi", "iso") == "a whole number such as 1.234"
    assert expected_of(column("double"), "en", "iso") == "a number such as 1,234.56"
    assert expected_of(column("date"), "vi", "dd/mm/yyyy") == A_DAY
    assert expected_of(column("boolean"), "vi", "iso").startswith("true, có, đúng, x, 1 for true")


def test_dates_and_numbers_of_a_mixed_column_are_told_apart_by_what_they_are() -> None:
    read, faults = as_text([45293, "31/02/2024", date(2024, 1, 2), 2024, None], column("date"), "vi", "dd/mm/yyyy")
    assert read.to_pylist() == ["2024-01-02", "31/02/2024", "2024-01-02", "2024", None]
    assert faults == {1: A_DAY, 3: A_DAY}
