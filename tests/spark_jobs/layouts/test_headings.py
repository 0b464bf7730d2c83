from __future__ import annotations

import unicodedata

import pytest

from spark_jobs.layouts import ExtractMismatch
from spark_jobs.layouts.headings import fold, likely_renamings, match, refuse_missing
from tests.spark_jobs.layouts.promises import PUPILS, column, promise


@pytest.mark.parametrize(
    "written",
    [
        "Mã học sinh",
        "MÃ HỌC SINH",
        unicodedata.normalize("NFD", "Mã học sinh"),
        "Mã\nhọc  sinh ",
        "Mã\u00a0học\r\nsinh",
        "\ufeffMa hoc sinh",
        "Mã học\u200b sinh",
    ],
)
def test_a_heading_is_known_however_it_is_written(written: str) -> None:
    assert match([written], PUPILS).columns == {"code": 0}


def test_the_letter_d_with_a_stroke_is_folded_whichever_of_its_lookalikes_it_is() -> None:
    assert [fold(text) for text in ("Đất", "Ðất", "đất", "Dat")] == ["dat"] * 4


def test_units_and_punctuation_tell_headings_apart() -> None:
    wanted = promise(column("area", "double", "Diện tích (m2)"), column("share", "double", "Diện tích (%)"))
    assert match(["Diện tích (%)", "Diện tích (m2)"], wanted).columns == {"area": 1, "share": 0}


def test_any_of_the_promised_headings_will_do_in_any_order() -> None:
    matched = match(["Ngày sinh", "Họ và tên", "Ghi chú", "Mã học sinh"], PUPILS)
    assert matched.columns == {"born": 0, "name": 1, "code": 3}
    assert matched.unexpected == {"Ghi chú": 2}
    assert matched.missing == ["mark"]


def test_a_column_of_running_numbers_is_nothing_unexpected_unless_it_is_promised() -> None:
    assert match(["STT", "TT", "Số TT"], PUPILS).unexpected == {}
    assert match(["STT"], promise(column("number", "int", "STT"))).columns == {"number": 0}


def test_two_unexpected_columns_of_one_heading_are_both_kept() -> None:
    assert match(["Ghi chú", "Ghi chú", "Ghi chú"], PUPILS).unexpected == {
        "Ghi chú": 0,
        "Ghi chú (2)": 1,
        "Ghi chú (3)": 2,
    }


def test_a_promised_heading_that_stands_twice_is_refused_with_both_places() -> None:
    with pytest.raises(ExtractMismatch, match="stands twice") as caught:
        match(["Họ tên", "Mã học sinh", "Họ và tên"], PUPILS, "lop.xlsx")
    assert caught.value.where == "lop.xlsx"
    assert caught.value.found == "'Họ tên', 'Họ và tên', columns 1 and 3"


def test_a_heading_of_a_page_is_refused() -> None:
    with pytest.raises(ExtractMismatch, match="too long") as caught:
        match(["x" * 501], PUPILS)
    assert caught.value.found.startswith("501 characters")


def test_thousands_of_columns_are_refused() -> None:
    with pytest.raises(ExtractMismatch, match="too many columns"):
        match([f"c{number}" for number in range(5_000)], PUPILS)


def test_two_columns_of_a_contract_cannot_have_the_same_heading() -> None:
    with pytest.raises(ExtractMismatch, match="same heading"):
        match([], promise(column("one", "string", "Mã"), column("two", "string", "mã ")))


def test_a_missing_column_is_told_with_both_sides_and_its_likely_new_name() -> None:
    found = ["Ma HS", "Họ tên", "Ngày sinh", "Điểm"]
    with pytest.raises(ExtractMismatch) as caught:
        refuse_missing(match(found, PUPILS), found, PUPILS, "lop.xlsx, sheet Sheet1")
    refused = caught.value
    assert refused.what == "a promised column is missing: 'Mã học sinh'"
    assert refused.expected == "headings 'Mã học sinh', 'Họ tên', 'Ngày sinh', 'Điểm'"
    assert refused.found == "headings 'Ma HS', 'Họ tên', 'Ngày sinh', 'Điểm'; 'Ma HS' looks like 'Mã học sinh'"
    assert "pupils.yml" in refused.remedy


def test_nothing_is_refused_when_nothing_is_missing() -> None:
    found = ["Mã học sinh", "Họ tên", "Ngày sinh", "Điểm"]
    refuse_missing(match(found, PUPILS), found, PUPILS, "")


def test_each_heading_is_at_most_one_renaming() -> None:
    assert likely_renamings(["Ngày sinh", "Ngày nhập"], ["Ngày sinh (mới)"]) == [("Ngày sinh", "Ngày sinh (mới)")]
    assert likely_renamings(["Họ tên"], ["Dân tộc"]) == []
