"""Values that are not what they look like: numbers and dates of another writing, too large, or none at all."""

from __future__ import annotations

import dataclasses

import pytest

from spark_jobs.layouts import delivery_of
from tests.poison.bench import Bench
from tests.poison.deliveries import PUPILS_CSV, SCHOOL, SCHOOLS_CSV, csv_of

PUPIL = ("Mã học sinh", "Họ tên", "Ngày sinh")


def born(*dates: str) -> str:
    return csv_of(*(["7900000001", "Nguyễn Văn An", day] for day in dates), headings=PUPIL)


@pytest.mark.parametrize(
    "day",
    [
        "31/02/2019",
        "29/02/2019",
        "30/02/2020",
        "31/04/2019",
        "00/01/2019",
        "12/31/2019",
        "2019-12-31",
        "31/12/19",
        "31.12.2019",
        "31/12/0000",
        "31/12/20199",
        "43830",
        "\uff13\uff11/12/2019",
        "31/12/2019 10:00",
        "1e4",
    ],
)
def test_a_day_of_no_calendar_or_of_another_writing_is_rejected(bench: Bench, day: str) -> None:
    assert bench.rejected(PUPILS_CSV, bench.file(born("31/12/2019", day))) == {
        3: {"birth_date": "a date such as 31/12/2025"}
    }


def test_a_month_before_the_day_is_rejected_once_a_day_cannot_be_a_month(bench: Bench) -> None:
    """A column that turned to mm/dd: of any honest one, 19 of 31 days tell."""
    rows = bench.read(PUPILS_CSV, bench.file(born(*(f"3/{day}/2019" for day in range(1, 32)))))
    assert rows.faults.keys() == set(range(14, 33))
    assert rows["birth_date"][:2] == ["2019-01-03", "2019-02-03"]


def test_a_leap_day_is_a_day(bench: Bench) -> None:
    assert bench.accepted(PUPILS_CSV, bench.file(born("29/02/2020", "9/9/2019")))["birth_date"] == [
        "2020-02-29",
        "2019-09-09",
    ]


def areas(*texts: str) -> str:
    return csv_of(*([*SCHOOL[:4], text] for text in texts))


def test_vietnamese_numbers_keep_their_meaning(bench: Bench) -> None:
    found = bench.accepted(SCHOOLS_CSV, bench.file(areas("1.234,56", "1234,56", "687.200", "-0,5")))
    assert found["area_m2"] == ["1234.56", "1234.56", "687200", "-0.5"]


def test_english_numbers_keep_their_meaning_where_they_are_promised(bench: Bench) -> None:
    delivery = dataclasses.replace(delivery_of(SCHOOLS_CSV), numbers="en")
    english = dataclasses.replace(SCHOOLS_CSV, delivery=delivery)
    path = bench.file(csv_of([*SCHOOL[:3], "1,250", "1,234.56"], [*SCHOOL[:3], "1250", "1.234,56"]))
    rows = bench.read(english, path)
    assert rows.faults == {3: {"area_m2": "a number such as 1,234.56"}}
    assert rows["pupil_count"] == ["1250", "1250"]
    assert rows["area_m2"][0] == "1234.56"


@pytest.mark.parametrize(
    "text",
    [
        "1,234.56",
        "1.23,4",
        "1.2345",
        "12.34",
        "1 234,5",
        "1\u00a0234,5",
        "1\u202f234,5",
        "1\u2009234,5",
        "\u2212" + "5",
        "--5",
        "1e5",
        "0x10",
        "\uff11\uff12",
        "\u0661\u0662",
        "NaN",
        "Inf",
        "-Infinity",
        "1/2",
        "12 m2",
        "#DIV/0!",
        "O",
        "9" * 400,
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_a_number_of_another_writing_or_none_is_rejected(bench: Bench, text: str) -> None:
    assert bench.rejected(SCHOOLS_CSV, bench.file(areas("5", text))) == {3: {"area_m2": "a number such as 1.234,56"}}


@pytest.mark.parametrize("text", ["1,5", "1,0", "1e3", "12,000", "0,000"])
def test_a_fraction_where_a_whole_number_is_promised_is_rejected(bench: Bench, text: str) -> None:
    path = bench.file(csv_of([*SCHOOL[:3], text, SCHOOL[4]]))
    assert bench.rejected(SCHOOLS_CSV, path) == {2: {"pupil_count": "a whole number such as 1.234"}}
