"""Contract → expectations. Importing Great Expectations takes seconds: only here, and only once a test runs."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from quality.contract import Column, Contract, Text

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

NOTHING = Text("-", "-")


def contract_of(*columns: Column, key: tuple[str, ...] = ("id",)) -> Contract:
    named = {column.name: column for column in columns}
    return Contract("city.things", Path("things.yml"), NOTHING, NOTHING, "", "", key, 7, named, None, None, "")


ID = Column("id", "string", "none", NOTHING, NOTHING, matches="^[0-9]$")
WARD = Column("ward", "string", "none", NOTHING, NOTHING, refers_to="city.wards.code", level="warning")
COUNT = Column("count", "int", "none", NOTHING, NOTHING, required=False, between=(0, None))


def suite_for(contract: Contract, columns: tuple[str, ...], values: dict[str, frozenset[str]]) -> ExpectationSuite:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations of its own
        from quality import suite  # noqa: PLC0415
    return suite.suite_for(contract, columns, values, suite.PANDAS_TYPES)


def rules_of(contract: Contract, columns: tuple[str, ...], **values: frozenset[str]) -> list[tuple[str, str, str]]:
    suite = suite_for(contract, columns, {name.replace("__", "."): found for name, found in values.items()})
    metas = [expectation.meta or {} for expectation in suite.expectations]
    return [(meta["rule"], meta["column"], meta["level"]) for meta in metas]


def test_the_row_count_comes_first_for_an_empty_table_passes_the_rest() -> None:
    suite = suite_for(contract_of(ID), ("id",), {})
    first = suite.expectations[0]
    assert first.expectation_type == "expect_table_row_count_to_be_between"
    assert first.configuration.kwargs["min_value"] == 7


def test_every_rule_of_a_contract_becomes_an_expectation_of_its_level() -> None:
    found = rules_of(contract_of(ID, WARD, COUNT), ("id", "ward", "count"), city__wards__code=frozenset({"1"}))
    assert sorted(found) == sorted(
        [
            ("at_least", "", "critical"),
            ("columns", "", "critical"),
            ("key", "id", "critical"),
            ("type", "id", "critical"),
            ("type", "ward", "critical"),
            ("type", "count", "critical"),
            ("required", "id", "critical"),
            ("matches", "id", "critical"),
            ("required", "ward", "warning"),
            ("refers_to", "ward", "warning"),
            ("between", "count", "critical"),
        ]
    )


def test_a_column_that_is_not_in_the_layer_has_no_rule_there() -> None:
    found = rules_of(contract_of(ID, COUNT), ("id",))
    assert "count" not in {column for _, column, _ in found}


def test_a_key_of_several_columns_is_unique_together() -> None:
    suite = suite_for(contract_of(ID, COUNT, key=("id", "count")), ("id", "count"), {})
    (key,) = [e.configuration for e in suite.expectations if (e.meta or {})["rule"] == "key"]
    assert key.kwargs["column_list"] == ["id", "count"]
