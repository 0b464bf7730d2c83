"""Contract → Great Expectations suite: the row count first, for an empty table passes all the rest.

Importing this module costs seconds (Great Expectations): only `spark_jobs/check.py` does, and only when there is
something to check. Every expectation carries in its `meta` what a report needs: rule, column, level, expected.
"""

# mypy: disable-error-code="attr-defined"
# (Great Expectations exports its expectations without saying so)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import great_expectations.expectations as gxe
from great_expectations import ExpectationSuite
from great_expectations.expectations.expectation import Expectation

from quality.contract import Contract
from quality.rules import CRITICAL, Rule, row_rules

SPARK_TYPES = {
    "string": "StringType",
    "int": "IntegerType",
    "bigint": "LongType",
    "double": "DoubleType",
    "boolean": "BooleanType",
    "date": "DateType",
    "timestamp": "TimestampType",
    "geometry": "BinaryType",
}
# Of the frames that `spark_jobs.frames` makes.
PANDAS_TYPES = {
    "string": "str",
    "int": "int32",
    "bigint": "int64",
    "double": "float64",
    "boolean": "bool",
    "date": "datetime64",
    "timestamp": "Timestamp",
    "geometry": "bytes",
}


def suite_for(
    contract: Contract,
    columns: tuple[str, ...],
    values: Mapping[str, frozenset[str]],
    types: Mapping[str, str],
    beside: tuple[str, ...] = (),
    elsewhere: int = 0,
) -> ExpectationSuite:
    """All that a table with these `columns` of a contract must be; `values`: what each `refers_to` may be.

    `types`: what the contract's types are called by who holds the rows, Spark or pandas.
    `beside`: columns of the lake's own that tell rows apart together with the key.
    `elsewhere`: how many rows the table has that are not looked at, for they were before.
    """
    expectations = [
        _expect(
            gxe.ExpectTableRowCountToBeBetween,
            Rule("", "at_least", CRITICAL, f"{contract.at_least} rows or more"),
            min_value=max(0, contract.at_least - elsewhere),
        ),
        _expect(
            gxe.ExpectTableColumnsToMatchSet,
            Rule("", "columns", CRITICAL, ", ".join([*columns, *beside])),
            column_set=[*columns, *beside],
            exact_match=True,
        ),
        _unique_key([*contract.key, *beside]),
        *(
            _expect(
                gxe.ExpectColumnValuesToBeOfType,
                Rule(name, "type", CRITICAL, contract.columns[name].type),
                column=name,
                type_=types[contract.columns[name].type],
            )
            for name in columns
        ),
        *_row_expectations(contract, columns, values),
    ]
    return ExpectationSuite(name=contract.table, expectations=expectations)


def _unique_key(key: list[str]) -> Expectation:
    rule = Rule(", ".join(key), "key", CRITICAL, "no two rows alike in the key")
    if len(key) == 1:
        return _expect(gxe.ExpectColumnValuesToBeUnique, rule, column=key[0])
    return _expect(gxe.ExpectCompoundColumnsToBeUnique, rule, column_list=key)


def _row_expectations(
    contract: Contract, columns: tuple[str, ...], values: Mapping[str, frozenset[str]]
) -> Iterator[Expectation]:
    for rule in row_rules(contract, values):
        if rule.column in columns:
            yield _of_rule(rule)


def _of_rule(rule: Rule) -> Expectation:
    name = {"column": rule.column}
    if rule.name == "required":
        return _expect(gxe.ExpectColumnValuesToNotBeNull, rule, **name)
    if rule.name == "between":
        return _expect(gxe.ExpectColumnValuesToBeBetween, rule, **name, min_value=rule.least, max_value=rule.most)
    if rule.name == "matches":
        return _expect(gxe.ExpectColumnValuesToMatchRegex, rule, **name, regex=rule.form)
    return _expect(gxe.ExpectColumnValuesToBeInSet, rule, **name, value_set=list(rule.words))


def _expect(kind: Callable[..., Expectation], rule: Rule, **arguments: object) -> Expectation:
    meta = {"rule": rule.name, "column": rule.column, "level": rule.level, "expected": rule.expected}
    return kind(**arguments, meta=meta, severity=rule.level)
