"""Pages of an HTTP API as rows, and every way in which a page can fail to be one."""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from quality.contract import Column, Contract, Text, load_all
from spark_jobs.layouts import Batch, ExtractMismatch, Tally
from spark_jobs.layouts.json_pages import read

ROOT = Path(__file__).resolve().parents[3]
PAGE = {"nguon": "dữ liệu mô phỏng", "page": 1, "pages": 1, "total": 1, "as_of": "2026-07-31T17:00:00+07:00"}
GOOD = {"SoChungChi": "040144/HCM-CCHN", "HoTen": "Trần Ngọc Lan", "NoiLamViec": {"Ma": "node/1", "Giuong": 12}}
Given = Callable[[object], list[Batch]]


@pytest.fixture
def staff() -> Contract:
    """Four columns, two of them inside an object."""
    text = Text("-", "-")

    def column(name: str, heading: str, kind: str = "string") -> Column:
        return Column(name, kind, "none", text, text, required=False, heading=(heading,))

    columns = (
        column("number", "SoChungChi"),
        column("name", "HoTen"),
        column("place", "NoiLamViec.Ma"),
        column("beds", "NoiLamViec.Giuong", "bigint"),
    )
    contract = load_all()["health.disease_cases"]
    return dataclasses.replace(contract, columns={found.name: found for found in columns})


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def given(tmp_path: Path, staff: Contract, tally: Tally) -> Given:
    """Reads a page: bytes or text as they are, a list as the page's records."""

    def given(content: object) -> list[Batch]:
        path = tmp_path / "page-0001.json"
        if isinstance(content, list):
            content = json.dumps({**PAGE, "data": content}, ensure_ascii=False)
        path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
        return list(read(path, staff, "all", tally))

    return given


def test_members_become_columns_and_keep_their_types(given: Given, tally: Tally) -> None:
    (batch,) = given([GOOD, {"SoChungChi": True, "HoTen": 1.5, "NoiLamViec": {"Ma": None, "Giuong": "12"}}])
    assert batch.columns == {
        "number": ["040144/HCM-CCHN", True],
        "name": ["Trần Ngọc Lan", 1.5],
        "place": ["node/1", None],
        "beds": [12, "12"],
    }
    assert (batch.sheet, batch.lines) == ("", [1, 2])
    assert batch.cells == {
        "number": "SoChungChi",
        "name": "HoTen",
        "place": "NoiLamViec.Ma",
        "beds": "NoiLamViec.Giuong",
    }
    assert (batch.unexpected, batch.faults) == ({}, {})
    assert tally == Tally()


def test_names_are_compared_without_case_and_accents(given: Given) -> None:
    (batch,) = given([{"sochungchi": "1", "Họ Tên": "a", "hoten": "b", "NOILAMVIEC": {"mã": "2", "giường": 3}}])
    assert batch.columns["place"] == ["2"]
    assert batch.cells["beds"] == "NOILAMVIEC.giường"
    assert batch.unexpected == {"Họ Tên": ["a"]}  # a blank more is another name


def test_text_is_composed_and_loses_its_outer_blanks(given: Given) -> None:
    decomposed = unicodedata.normalize("NFD", "\u00a0 Trần\u00a0Ngọc Lan ")
    (batch,) = given([{**GOOD, "HoTen": decomposed}, {**GOOD, "HoTen": " \u00a0"}, {**GOOD, "HoTen": ""}])
    assert batch.columns["name"] == ["Trần Ngọc Lan", None, None]


def test_a_member_may_be_absent_from_some_records(given: Given) -> None:
    (batch,) = given([GOOD, {"SoChungChi": "2"}, {"NoiLamViec": None}, {}])
    assert batch.columns["name"] == ["Trần Ngọc Lan", None, None, None]
    assert batch.columns["beds"] == [12, None, None, None]
    assert batch.faults == {}


def test_an_object_that_is_null_in_all_records_is_blank_and_not_missing(given: Given) -> None:
    (batch,) = given([{**GOOD, "NoiLamViec": None}])
    assert (batch.columns["place"], batch.columns["beds"]) == ([None], [None])


def test_a_member_absent_from_all_records_is_refused_with_both_sides(given: Given) -> None:
    with pytest.raises(ExtractMismatch) as refused:
        given([{"SoChungChi": "1", "HoTenNguoi": "a", "NoiLamViec": {"Ma": "2", "Giuong": 3}}])
    assert "a promised column is missing: 'HoTen'" in refused.value.what
    assert "'NoiLamViec.Giuong'" in refused.value.expected
    assert "'HoTenNguoi' looks like 'HoTen'" in refused.value.found


def test_members_the_contract_does_not_know_are_kept_aside_with_one_warning(given: Given, tally: Tally) -> None:
    more = {"NoiLamViec": {"Ma": "3", "Giuong": 1, "Khoa": {"Ten": "Nội"}}, "GhiChu": "mới"}
    (batch,) = given([GOOD, {**GOOD, **more}, {**GOOD, "GhiChu": None}])
    assert batch.unexpected == {"GhiChu": [None, "mới", None], "NoiLamViec.Khoa": [None, '{"Ten":"Nội"}', None]}
    assert tally.warnings == ["members that the contract does not know are kept aside: GhiChu, NoiLamViec.Khoa"]


def test_a_list_or_an_object_in_place_of_a_value_is_a_fault(given: Given) -> None:
    (batch,) = given([{**GOOD, "HoTen": ["a", "b"]}, {**GOOD, "HoTen": {"Ho": "a"}}])
    assert batch.columns["name"] == ['["a","b"]', '{"Ho":"a"}']
    assert batch.faults == {"name": {0: "one value, no list and no object", 1: "one value, no list and no object"}}


def test_a_value_in_place_of_an_object_is_a_fault_of_the_columns_in_it(given: Given) -> None:
    (batch,) = given([GOOD, {**GOOD, "NoiLamViec": "Bệnh viện"}])
    assert batch.faults == {"place": {1: "NoiLamViec to be an object"}, "beds": {1: "NoiLamViec to be an object"}}
    assert batch.unexpected == {"NoiLamViec": [None, "Bệnh viện"]}


def test_two_members_that_are_one_column_are_refused(given: Given) -> None:
    with pytest.raises(ExtractMismatch, match="two members are one column") as refused:
        given([GOOD, {**GOOD, "hoten": "b"}])
    assert refused.value.found == "HoTen and hoten (record 2)"


def test_numbers_that_no_64_bits_hold_stay_digits(given: Given) -> None:
    (batch,) = given(
        '{"data": [{"SoChungChi": 9223372036854775807, "HoTen": 9223372036854775808, '
        '"NoiLamViec": {"Ma": -9223372036854775808, "Giuong": 1e999}}]}'
    )
    assert {name: values[0] for name, values in batch.columns.items()} == {
        "number": 9223372036854775807,
        "name": "9223372036854775808",
        "place": -9223372036854775808,
        "beds": "1e999",
    }
    long = "7" * 5_000
    (batch,) = given(f'{{"data": [{{"SoChungChi": {long}, "HoTen": 1, "NoiLamViec": null}}]}}')
    assert batch.columns["number"] == [long]


def test_a_text_of_ten_megabytes_is_a_fault_and_only_its_beginning_is_kept(given: Given) -> None:
    (batch,) = given([{**GOOD, "HoTen": "á" * 5_000_000}, GOOD, {**GOOD, "HoTen": "á" * 500_000}])
    assert batch.columns["name"][0] == "á" * 200 + "…"
    assert len(str(batch.columns["name"][2])) == 500_000
    assert batch.faults == {"name": {0: "at most 1,000,000 bytes"}}


def test_what_is_no_letter_is_a_fault(given: Given) -> None:
    (batch,) = given('{"data": [{"SoChungChi": "1\\u0000", "HoTen": "a\\ud800", "NoiLamViec": null, "x\\ud800": 1}]}')
    assert batch.columns["number"] == ["1␀"]
    assert batch.columns["name"] == ["a?"]
    assert batch.unexpected == {"x?": [1]}
    assert batch.faults == {
        "number": {0: "text without NUL characters"},
        "name": {0: "letters of Unicode, no halves of them"},
    }


def test_a_page_without_records_has_no_rows(given: Given, tally: Tally) -> None:
    assert given([]) == []
    assert tally == Tally()


def test_many_records_come_in_batches_that_go_on_counting(given: Given) -> None:
    batches = given([GOOD] * 10_001)
    assert [len(batch.lines) for batch in batches] == [10_000, 1]
    assert batches[1].lines == [10_001]


def test_data_may_stand_before_the_rest_of_the_page_and_behind_a_byte_order_mark(given: Given) -> None:
    (batch,) = given(b"\xef\xbb\xbf" + json.dumps({"data": [GOOD], **PAGE}).encode())
    assert batch.columns["place"] == ["node/1"]


ONE = '{"SoChungChi": "1", "HoTen": "a", "NoiLamViec": null}'


@pytest.mark.parametrize(
    ("content", "what", "where", "found"),
    [
        ("", "the page is empty", "", "0 bytes"),
        (" \n ", "the page is empty", "", "3 bytes"),
        ("<!DOCTYPE html><p>503</p>", "the page is not JSON", "", "a web page (HTML) or XML"),
        ("Bad gateway", "the page is not JSON", "line 1, column 1", "something else"),
        ('{\n "data": [\n{"HoTen" "a"}]}', "the page is not JSON", "line 3, column 10", "Expecting ':' delimiter"),
        (f'{{"data": [{ONE},]}}', "the page is not JSON", "line 1, column 65", "Expecting value"),
        (f'{{"data": [{ONE}]}} {{}}', "the page is not JSON", "line 1, column 67", "something else"),
        ("[]", "the page is not JSON", "line 1, column 1", "something else"),
        (f'{{"data": [{ONE}', "the page is cut short", "line 1, column 64", "its end is missing"),
        (f'{{"data": [{ONE}, {{"HoTen": "Trần', "the page is cut short", "line 1, column 76", "its end is missing"),
        (f'{{"data": [{ONE}]', "the page is cut short", "line 1, column 65", "its end is missing"),
        ('{"data": ["Trần'.encode()[:-1], "the page is cut short", "line 1, column 11", "its end is missing"),
        ('{"data": ["Trầ'.encode()[:-1], "the page is cut short", "", "half of one at the end"),
        (b'{"data": ["Tr\xe2n"]}', "the page is not UTF-8", "", "byte 0xe2 after 13 others"),
        (b"\x1f\x8b\x08\x00", "the page is not UTF-8", "", "byte 0x8b after 1 others"),
        ('{"page": 1}', "the page has no list of records", "", "page"),
        ("{}", "the page has no list of records", "", "no member at all"),
        ('{"data": {"a": 1}}', "the page has no list of records", "", "an object"),
        ('{"data": null}', "the page has no list of records", "", "null"),
        ('{"data": [1]}', "a record is no object", "", "record 1 is a number"),
        (f'{{"data": [{ONE}, []]}}', "a record is no object", "", "record 2 is a list"),
        ('{"data": [], "data": []}', "two members of the page have one name", "", "twice data"),
        ('{"data": [{"a": {"b": 1, "b": 2}}]}', "two members of an object have one name", "column 11", "twice b"),
        ('{"data": [{"a": NaN}]}', "a value is no number of JSON", "column 11", "NaN"),
        ('{"total": -Infinity, "data": []}', "a value is no number of JSON", "column 11", "-Infinity"),
        ('{"data": [{"a": "x\ny"}]}', "the page is not JSON", "column 19", "Invalid control character at"),
    ],
)
def test_what_is_no_page_is_refused(given: Given, content: str | bytes, what: str, where: str, found: str) -> None:
    with pytest.raises(ExtractMismatch) as refused:
        given(content)
    assert refused.value.what == what
    assert "page-0001.json" in refused.value.where
    assert refused.value.where.endswith(where)
    assert refused.value.found == found
    assert "the last good version stays" in refused.value.remedy


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_bomb_of_lists_in_lists_is_refused(given: Given, opening: str) -> None:
    with pytest.raises(ExtractMismatch, match="stand too deep in each other"):
        given('{"data": [{"a": ' + opening * 100_000)


def test_a_page_of_more_than_50_megabytes_is_refused_unread(given: Given) -> None:
    with pytest.raises(ExtractMismatch, match="the page is too large") as refused:
        given(b" " * 50_000_001)
    assert (refused.value.expected, refused.value.found) == ("at most 50,000,000 bytes", "50,000,001 bytes")


def test_a_page_of_too_many_values_is_refused(given: Given) -> None:
    with pytest.raises(ExtractMismatch, match="the page holds too many values") as refused:
        given('{"data": [{"a": [' + "[]," * 1_000_001 + "0]}]}")
    assert refused.value.found == "about 2,000,006"


def test_names_that_are_data_are_refused(given: Given) -> None:
    with pytest.raises(ExtractMismatch, match="too many members are unknown") as refused:
        given([{f"0{index}": 1} for index in range(300)])
    assert refused.value.found == "00, 01, 02 and others (record 201)"
    with pytest.raises(ExtractMismatch, match="the name of a member is too long"):
        given([{"x" * 501: 1}])


def test_the_worst_page_is_read_in_less_than_the_memory_of_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text('{"data": [{"province": "' + "😀" * 12_000 + '", "x": [' + "[],  " * 999_000 + "0]}]}", "utf-8")
    # As in spark_jobs/reading.py. What it finds missing shows that it was read to its end.
    code = (
        "import resource, sys; from pathlib import Path; from quality.contract import load_all\n"
        "from spark_jobs.layouts import ExtractMismatch, Tally; from spark_jobs.layouts.json_pages import read\n"
        f"contract = load_all()['health.disease_cases']; most = {800 << 20}\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (most, most))\n"
        "try: list(read(Path(sys.argv[1]), contract, 'all', Tally()))\n"
        "except ExtractMismatch as error: print(error.what)"
    )
    assert resource.getrlimit(resource.RLIMIT_DATA)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("promised columns are missing: 'disease'"), done.stderr


@pytest.mark.parametrize("table", ["facilities", "practitioners", "disease_weeks"])
def test_what_the_department_of_health_delivers_is_read(table: str, tmp_path: Path, tally: Tally) -> None:
    from infra.departments.health import deliver  # noqa: PLC0415  imports numpy

    deliver("test", 1, tmp_path / "sở")
    collections = json.loads((tmp_path / "sở" / "state.json").read_text(encoding="utf-8"))["collections"]
    entry = collections[{"disease_weeks": "disease-weeks/2026-W30"}.get(table, table)]
    lines = (tmp_path / "sở" / entry["file"]).read_text(encoding="utf-8").splitlines()
    page = tmp_path / "page-0001.json"
    page.write_text(json.dumps({**PAGE, "data": [json.loads(line) for line in lines]}), encoding="utf-8")
    batches = list(read(page, load_all()[f"health.{table}"], "all", tally))
    assert sum(len(batch.lines) for batch in batches) == len(lines) > 0
    assert all(not batch.unexpected and not batch.faults for batch in batches)
    assert tally == Tally()
