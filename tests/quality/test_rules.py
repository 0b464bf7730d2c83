"""Rules that ingest and the gates share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from quality.contract import Column, Contract, Text
from quality.refusal import Refusal
from quality.rules import Rule, literal, reference_values, row_rules

NOTHING = Text("-", "-")


def contract_of(*columns: Column, key: str = "id") -> Contract:
    named = {column.name: column for column in columns}
    return Contract("city.things", Path("things.yml"), NOTHING, NOTHING, "", "", (key,), 0, named, None, None, "")


def column(name: str, kind: str = "string", **words: Any) -> Column:
    return Column(name, kind, "none", NOTHING, NOTHING, **words)


def held(rule: Rule, values: list[Any]) -> list[object]:
    """Of which values a rule holds."""
    return rule.holds(pa.array(values)).to_pylist()


def test_a_key_is_required_even_where_its_column_says_not() -> None:
    (rule,) = row_rules(contract_of(column("id", required=False, level="warning")))
    assert (rule.column, rule.name, rule.level) == ("id", "required", "critical")
    assert held(rule, ["1", None]) == [True, False]


def test_a_column_that_may_be_empty_has_no_rule_for_empty_values() -> None:
    rules = row_rules(contract_of(column("cases", "int", required=False, between=(0, None))))
    assert [(rule.name, rule.expected) for rule in rules] == [("between", "at least 0")]
    assert held(rules[0], [0, -1, None]) == [True, False, True]


@pytest.mark.parametrize(
    ("words", "good", "bad", "expected"),
    [
        ({"between": (1, 12)}, [1, 12], [0, 13], "1 to 12"),
        ({"between": (None, 0.5)}, [0.5, -1.0], [0.51], "at most 0.5"),
        ({"between": (2, None)}, [2.0, 1e300], [1.9], "at least 2"),
        ({"one_of": ("Tỉnh", "it's")}, ["Tỉnh", "it's"], ["tỉnh", "", "its"], "one of Tỉnh, it's"),
        ({"matches": r"^\d{2}$"}, ["01", "99"], ["1", "001", "a1"], r"the form ^\d{2}$"),
        ({"matches": "^(?!ZZ)[A-Z]{2}$"}, ["VN", "AZ"], ["ZZ", "vn", "VNM"], "the form ^(?!ZZ)[A-Z]{2}$"),
    ],
)
def test_every_word_of_a_column_becomes_a_condition(
    words: dict[str, Any], good: list[Any], bad: list[Any], expected: str
) -> None:
    (rule,) = row_rules(contract_of(column("x", required=False, **words)))
    assert rule.expected == expected
    assert held(rule, [*good, None, *bad]) == [True] * len(good) + [True] + [False] * len(bad)


def test_the_level_of_a_column_is_the_level_of_its_rules() -> None:
    rules = row_rules(contract_of(column("x", level="warning", one_of=("a",))))
    assert {(rule.name, rule.level) for rule in rules} == {("required", "warning"), ("one_of", "warning")}


def test_a_value_outside_a_seed_is_told_where_a_line_is_missing() -> None:
    contract = contract_of(column("x", required=False, refers_to="reference.diseases.code"))
    (rule,) = row_rules(contract, {"reference.diseases.code": frozenset({"TCM", "SXH"})})
    assert held(rule, ["SXH", "TCM", "sxh", None]) == [True, True, False, True]
    assert rule.remedy == "if the value is right, add a line for it to dbt/seeds/diseases.csv"


def test_what_a_column_refers_to_makes_no_rule_until_it_is_known() -> None:
    assert row_rules(contract_of(column("x", required=False, refers_to="city.wards.ward_code"))) == ()


def test_a_seed_without_lines_accepts_nothing() -> None:
    contract = contract_of(column("x", required=False, refers_to="reference.things.code"))
    (rule,) = row_rules(contract, {"reference.things.code": frozenset()})
    assert held(rule, ["SXH", None]) == [False, True]


def test_reference_values_are_read_from_the_seeds_themselves(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text('code,name\n26734,"Sài Gòn, phường"\n', encoding="utf-8")
    contract = contract_of(column("x", refers_to="reference.wards.name"), column("y", refers_to="city.wards.code"))
    assert reference_values(contract, tmp_path) == {"reference.wards.name": frozenset({"Sài Gòn, phường"})}


def test_a_seed_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"there is no reference wards\.name"):
        reference_values(contract_of(column("x", refers_to="reference.wards.name")), tmp_path)


def test_a_text_with_quotes_and_backslashes_stays_one_literal() -> None:
    assert literal(r"a'b\c") == r"'a\'b\\c'"
