"""Contract → row rules: what every row must satisfy, as Spark SQL conditions that are true for a good value.

`ingest` rejects rows by them and keeps the rest; the gates state the same rules as expectations (`suite.py`).
A value that is no value of the column's type is no matter for a rule: `try_cast` finds it before.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quality.contract import SEEDS, Column, Contract
from quality.refusal import Refusal

CRITICAL = "critical"


@dataclass(frozen=True)
class Rule:
    """One rule of one column.

    `holds`: Spark SQL over the typed columns, true or false for every row, never null. `expected`: for people.
    """

    column: str
    name: str
    level: str
    holds: str
    expected: str
    remedy: str = ""


def row_rules(contract: Contract, values: Mapping[str, frozenset[str]] | None = None) -> tuple[Rule, ...]:
    """All rules of a contract, in the order of its columns.

    `values`: for each `refers_to` ("reference.diseases.code") what it may be; those absent from it make no rule.
    """
    return tuple(
        rule
        for column in contract.columns.values()
        for rule in _column_rules(column, is_key=column.name in contract.key, values=values or {})
    )


def reference_values(contract: Contract, seeds: Path = SEEDS) -> dict[str, frozenset[str]]:
    """What the columns of a contract may refer to in dbt's seeds, by `refers_to`; read from the files themselves."""
    wanted = {column.refers_to for column in contract.columns.values() if column.refers_to.startswith("reference.")}
    return {name: _seed_values(seeds, *name.split(".")[1:]) for name in sorted(wanted)}


def _column_rules(column: Column, values: Mapping[str, frozenset[str]], *, is_key: bool) -> list[Rule]:
    name = f"`{column.name}`"
    rules = []
    if column.required or is_key:
        level = CRITICAL if is_key else column.level
        rules.append(Rule(column.name, "required", level, f"{name} is not null", "a value"))
    if column.between:
        low, high = column.between
        bounds = [f"{name} >= {low}"] * (low is not None) + [f"{name} <= {high}"] * (high is not None)
        rules.append(_rule(column, "between", " and ".join(bounds), _range(low, high)))
    if column.one_of:
        rules.append(
            _rule(column, "one_of", f"{name} in ({_list(column.one_of)})", f"one of {', '.join(column.one_of)}")
        )
    if column.matches:
        rules.append(_rule(column, "matches", f"{name} rlike {literal(column.matches)}", f"the form {column.matches}"))
    if column.refers_to in values:
        known = sorted(values[column.refers_to])
        condition = f"{name} in ({_list(known)})" if known else f"{name} is null"
        rules.append(_rule(column, "refers_to", condition, f"a value of {column.refers_to}"))
    return rules


def _rule(column: Column, name: str, condition: str, expected: str) -> Rule:
    schema, _, rest = column.refers_to.partition(".")
    is_seed = name == "refers_to" and schema == "reference"
    remedy = f"if the value is right, add a line for it to dbt/seeds/{rest.partition('.')[0]}.csv" if is_seed else ""
    holds = f"coalesce({condition}, true)"  # an empty value is the business of `required` alone
    return Rule(column.name, name, column.level, holds, expected, remedy)


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _list(values: tuple[str, ...] | list[str]) -> str:
    return ", ".join(literal(value) for value in values)


def literal(text: str) -> str:
    """A text as Spark SQL writes it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _seed_values(seeds: Path, table: str, column: str) -> frozenset[str]:
    path = seeds / f"{table}.csv"
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return frozenset(row[column] for row in csv.DictReader(lines))
    except (OSError, KeyError) as error:
        raise Refusal(
            f"there is no reference {table}.{column}",
            where=str(path),
            expected=f"a file with a column {column}",
            found=str(error),
            remedy="restore the seed, or correct refers_to in the contract",
        ) from error
