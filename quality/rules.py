"""Contract → row rules: what every row must satisfy.

`ingest` rejects rows by them and keeps the rest; the gates state the same rules as expectations (`suite.py`).
A value that is no value of the column's type is no matter for a rule: that is found before.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import SEEDS, Column, Contract
from quality.refusal import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

CRITICAL = "critical"


@dataclass(frozen=True)
class Rule:
    """One rule of one column. `expected`: for people.

    Its `name` says which of the others counts: `least` and `most` of "between", `words` of "one_of" and "refers_to",
    `form` of "matches", a regular expression.
    """

    column: str
    name: str
    level: str
    expected: str
    remedy: str = ""
    least: float | None = None
    most: float | None = None
    words: tuple[str, ...] = ()
    form: str = ""

    def holds(self, values: pa.Array[Any]) -> pa.Array[Any]:
        """Of every value of the column, in its type, whether the rule holds: never null."""
        import pyarrow.compute as pc  # noqa: PLC0415

        if self.name == "required":
            return values.is_valid()
        held: pa.Array[Any] = pc.or_kleene(self._fits(values), values.is_null())
        return held  # a blank is the business of `required` alone

    def _fits(self, values: pa.Array[Any]) -> pa.Array[Any]:
        """Of values that are none it may say anything."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute  # noqa: PLC0415

        pc: Any = pyarrow.compute
        fits: pa.Array[Any]
        if self.name == "between":
            above = True if self.least is None else pc.greater_equal(values, pa.scalar(self.least))
            fits = pc.and_(above, True if self.most is None else pc.less_equal(values, pa.scalar(self.most)))
        elif self.name == "matches":
            fits = _matches(values, self.form)
        else:
            fits = pc.is_in(values.cast(pa.string()), pa.array(self.words, pa.string()))
        return fits


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
    name, level = column.name, column.level
    rules = []
    if column.required or is_key:
        rules.append(Rule(name, "required", CRITICAL if is_key else level, "a value"))
    if column.between:
        low, high = column.between
        rules.append(Rule(name, "between", level, _range(low, high), least=low, most=high))
    if column.one_of:
        rules.append(Rule(name, "one_of", level, f"one of {', '.join(column.one_of)}", words=column.one_of))
    if column.matches:
        rules.append(Rule(name, "matches", level, f"the form {column.matches}", form=column.matches))
    if column.refers_to in values:
        known, expected = tuple(sorted(values[column.refers_to])), f"a value of {column.refers_to}"
        rules.append(Rule(name, "refers_to", level, expected, _add_a_line(column.refers_to), words=known))
    return rules


def _add_a_line(refers_to: str) -> str:
    """What helps if a value is right that a seed does not know."""
    schema, table, _ = refers_to.split(".")
    return f"if the value is right, add a line for it to dbt/seeds/{table}.csv" if schema == "reference" else ""


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _matches(values: pa.Array[Any], form: str) -> pa.Array[Any]:
    """Python reads what looks ahead or behind, as the regular expressions of Arrow cannot, each value once."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not re.search(r"\(\?<?[=!]", form):
        return pc.match_substring_regex(values, form)
    texts: list[Any] = values.unique().drop_null().to_pylist()
    return pc.is_in(values, pa.array([text for text in texts if re.search(form, text)], pa.string()))


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
