"""Pages of an API that are no JSON, no page, or JSON that nobody should open."""

from __future__ import annotations

import json

import pytest

from tests.poison.bench import Bench
from tests.poison.deliveries import FACILITIES, FACILITY, page

ALONE = page(FACILITY)


def with_member(text: str, name: str = "ten") -> str:
    """The page, with a raw value in the place of one member's."""
    return ALONE.replace(f'"{name}": {json.dumps(FACILITY[name], ensure_ascii=False)}', f'"{name}": {text}')


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param("", "the page is empty", id="0 bytes"),
        pytest.param(" \n", "the page is empty", id="blanks"),
        pytest.param(ALONE[:-1], "the page is cut short", id="without its last brace"),
        pytest.param(ALONE[: len(ALONE) // 2], "the page is cut short", id="half"),
        pytest.param(
            ALONE.encode()[: ALONE.encode().index("ạ".encode()) + 1], "the page is cut short", id="half a letter"
        ),
        pytest.param(ALONE + ALONE, "the page is not JSON", id="two pages"),
        pytest.param("<!DOCTYPE html><title>Đăng nhập</title>", "the page is not JSON", id="HTML"),
        pytest.param("null", "the page is not JSON", id="null"),
        pytest.param('{"data": null}', "the page has no list of records", id="no list"),
        pytest.param('{"error": "token expired"}', "the page has no list of records", id="an error"),
        pytest.param('{"data": [], "data": [1]}', "two members of the page have one name", id="two lists"),
        pytest.param(ALONE.encode("utf-16"), "the page is not UTF-8", id="UTF-16"),
        pytest.param("Trạm à".encode("latin-1", "replace") + ALONE.encode(), "the page is not UTF-8", id="Latin-1"),
        pytest.param(page(1, "x"), "a record is no object", id="no objects"),
        pytest.param(page({**FACILITY, "TEN": "x"}), "two members are one column", id="a column twice"),
        pytest.param(with_member('"x", "ten": "y"'), "two members of an object have one name", id="a member twice"),
        pytest.param(with_member("NaN", "ten"), "a value is no number of JSON", id="NaN"),
        pytest.param(with_member("-Infinity", "ten"), "a value is no number of JSON", id="-Infinity"),
        pytest.param(
            page({name: value for name, value in FACILITY.items() if name != "ma_xa"}),
            "a promised column is missing: 'ma_xa'",
            id="a column gone",
        ),
        pytest.param(
            with_member("[" * 100_000 + "]" * 100_000),
            "lists and objects stand too deep in each other",
            id="deep lists",
        ),
        pytest.param(
            '{"x": ' + '{"a":' * 5_000 + "1" + "}" * 5_000 + ', "data": []}',
            "lists and objects stand too deep in each other",
            id="deep objects",
        ),
        pytest.param(
            with_member("[" + "{}," * 3_000_000 + "{}]"), "the page holds too many values", id="very many values"
        ),
        pytest.param(with_member('"' + "x" * 60_000_000 + '"'), "the page is too large", id="60 MB"),
        pytest.param(page({**FACILITY, "x" * 1000: 1}), "the name of a member is too long", id="a long name"),
        pytest.param(
            page({**FACILITY, **{f"x{number}": 1 for number in range(5000)}}),
            "too many members are unknown to the contract",
            id="5,000 names",
        ),
        pytest.param("[" * 10_000_000, "the page holds too many values", id="brackets"),
    ],
)
def test_what_is_no_page_is_refused(bench: Bench, content: str | bytes, what: str) -> None:
    assert bench.refused(FACILITIES, bench.file(content, "page-0001.json")).what == what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('"L\\ud800i"', "letters of Unicode, no halves of them", id="half a letter"),
        pytest.param('"L\\u0000i"', "text without NUL characters", id="NUL"),
        pytest.param(
            '"L\\u001b[2Ji"', "text without control characters, of at most 32,767 characters", id="a terminal's command"
        ),
        pytest.param('"' + "x" * 10_000_000 + '"', "at most 1,000,000 bytes", id="10 MB"),
        pytest.param(
            '"' + "x" * 100_000 + '"', "text without control characters, of at most 32,767 characters", id="100 kB"
        ),
        pytest.param('["a", "b"]', "one value, no list and no object", id="a list"),
        pytest.param('{"a": {"b": 1}}', "one value, no list and no object", id="an object"),
    ],
)
def test_a_value_that_is_no_text_is_rejected(bench: Bench, text: str, expected: str) -> None:
    path = bench.file(with_member(text), "page-0001.json")
    assert bench.rejected(FACILITIES, path) == {1: {"name": expected}}


@pytest.mark.parametrize(
    "number", ["1e400", "-1e999", '"10,77"', '"10.77 "', '"NaN"', "true", '"1e2"', '""', "9" * 5000]
)
def test_a_number_that_is_none_never_comes_through_as_one(bench: Bench, number: str) -> None:
    rows = bench.read(FACILITIES, bench.file(ALONE.replace("10.77", number), "page-0001.json"))
    assert rows.faults == {1: {"latitude": "a number such as 1234.56"}} or rows["latitude"] in ([None], ["10.77"])
