from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from quality.contract import TYPES, Column, Contract, Text, load_all
from spark_jobs.forms import expected_of
from spark_jobs.layouts import map_sheet, records, workbook
from spark_jobs.layouts.map_position import expected_in
from spark_jobs.returns.rule_words import LISTS, RULES, TO_DO, Words, expected_said

ROOT = Path(__file__).resolve().parents[3]
SCHOOLS = load_all()["education.schools"]


def column(**words: object) -> Column:
    described = Text("Mã của trường", "-")
    return dataclasses.replace(Column("code", "string", "none", Text("Mã trường", "-"), described), **words)  # type: ignore[arg-type]


def words(**of_column: object) -> Words:
    """About a table with the one column `code`."""
    contract: Contract = dataclasses.replace(SCHOOLS, key=("code",), columns={"code": column(**of_column)})
    return Words(contract, {"education.schools": "Danh sách trường"})


def rules_made_in(path: str) -> set[str]:
    """The literal names that a module gives to rules: second argument of `Rule` and `_rule`."""
    calls = [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Call)]
    second = [c.args[1] for c in calls if isinstance(c.func, ast.Name) and c.func.id.lower().strip("_") == "rule"]
    return {node.value for node in second if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_rule_that_a_row_can_break_has_a_sentence_and_an_advice() -> None:
    made = set().union(*map(rules_made_in, ("quality/rules.py", "spark_jobs/judging.py", "spark_jobs/twins.py")))
    assert made >= {"required", "between", "one_of", "matches", "refers_to", "key", "form", "type"}
    assert made <= RULES.keys()
    assert made <= TO_DO.keys()


@pytest.mark.parametrize(
    ("rule", "of_column", "expected", "said"),
    [
        ("required", {}, "a value", "không được để trống"),
        ("type", {"type": "int"}, "a value of type int", "phải là số nguyên"),
        ("type", {"type": "date"}, "a value of type date", "phải là ngày"),
        ("between", {"between": (0, 1_000_000)}, "0 to 1000000", "phải từ 0 đến 1.000.000"),
        ("between", {"between": (1850, None)}, "at least 1850", "không được nhỏ hơn 1850"),
        ("between", {"between": (None, 2.5)}, "at most 2.5", "không được lớn hơn 2,5"),
        ("one_of", {"one_of": ("Nam", "Nữ")}, "one of Nam, Nữ", "phải là một trong: Nam, Nữ"),
        ("matches", {"matches": "^79[0-9]{6}$"}, "the form …", "phải đúng mẫu ^79[0-9]{6}$ (Mã của trường)"),
        (
            "refers_to",
            {"refers_to": "reference.wards.code"},
            "a value of reference.wards.code",
            "không có trong danh mục phường, xã, đặc khu hiện hành",
        ),
        (
            "refers_to",
            {"refers_to": "education.schools.school_code"},
            "a value of education.schools.school_code",
            "không có trong danh mục Danh sách trường",
        ),
        ("key", {}, "one row per code", "trùng khóa: mỗi (Mã trường) chỉ được có một dòng"),
        (
            "form",
            {"type": "date"},
            "a date such as 31/12/2025",
            "viết không đúng dạng; phải là ngày có thật, viết như 31/12/2025",
        ),
        ("unheard_of", {}, "a thing", "unheard_of: a thing"),
    ],
)
def test_a_broken_rule_is_said_in_vietnamese(rule: str, of_column: dict[str, object], expected: str, said: str) -> None:
    assert words(**of_column).rule("code", rule, expected) == said


def test_of_a_long_list_the_sentence_shows_a_few() -> None:
    listed = tuple(str(number) for number in range(55))
    assert words(one_of=listed).rule("code", "one_of", "").endswith("9, 10, 11 và 43 giá trị khác")


def test_every_list_that_a_contract_refers_to_has_a_name() -> None:
    contracts = load_all()
    titles = {name: contract.title.vi for name, contract in contracts.items()}
    referred = {c.refers_to for contract in contracts.values() for c in contract.columns.values() if c.refers_to}
    assert len(referred) > 5
    assert {name for name in referred if name.rpartition(".")[0] not in {**LISTS, **titles}} == set()
    assert words(refers_to="reference.unknown.code").listed("reference.unknown.code") == (
        "danh mục reference.unknown (cột code)"
    )


@pytest.mark.parametrize("numbers", ["plain", "vi", "en"])
@pytest.mark.parametrize("dates", ["iso", "dd/mm/yyyy", "mm/dd/yyyy"])
@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind not in {"string", "geometry"}])
def test_what_a_form_expects_is_translated(kind: str, numbers: str, dates: str) -> None:
    expected = expected_of(column(type=kind), numbers, dates)
    said = expected_said(expected)
    assert said != expected
    assert not {"such", "as", "for", "true", "whole"} & set(said.split())


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (workbook.NO_ERROR, "giá trị, không phải lỗi của Excel (#DIV/0!, #N/A, #REF!…)"),
        (records.FINITE, "số hữu hạn, không phải NaN hay vô cực"),
        (map_sheet.CLOSED, "đường khép kín từ bốn điểm, điểm cuối trùng điểm đầu"),
        (
            "a polygon that does not cross itself (Self-intersection[601000.5 1190000])",
            "đa giác hợp lệ, không tự cắt (tự cắt [601000.5 1190000])",
        ),
        (
            "a shape in EPSG:9210 inside (former Hồ Chí Minh City) or (former Bình Dương)",
            "hình trong hệ tọa độ EPSG:9210, nằm trong (Thành phố Hồ Chí Minh cũ) hoặc (địa bàn cũ Bình Dương)",
        ),
        ("25 fields in the row, not 24", "dòng có 25 ô như dòng tiêu đề, không phải 24 ô"),
        ("something that a new layout expects", "something that a new layout expects"),
    ],
)
def test_what_a_layout_expects_is_translated_or_stays(expected: str, said: str) -> None:
    assert expected_said(expected) == said


@pytest.mark.parametrize("code", [9210, 5899])
def test_where_the_city_lies_is_said_without_english(code: int) -> None:
    said = expected_said(f"a shape in EPSG:{code} inside {expected_in(code)}")
    assert not {"or", "former", "City)", "shape", "inside"} & set(said.replace("(", " ").split())
