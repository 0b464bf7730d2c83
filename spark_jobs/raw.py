"""The raw tables: how a reading gets in, how rejected rows are kept, and what is in already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quality.contract import Contract
from quality.refusal import Refusal
from quality.rules import CRITICAL, Rule, literal
from spark_jobs.session import delta_table, schema, settle, version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_jobs.layouts import Reading

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
OURS = {"_period": "string", "_extract": "string", "_sheet": "string", "_line": "int"}
REJECTED = {
    "_period": "string",
    "_extract": "string",
    "_sheet": "string",
    "_line": "int",
    "_values": "map<string, string>",
    "_broken": "array<struct<column: string, cell: string, value: string, rule: string, expected: string>>",
}
# Who asks in a year what a period was read from must get an answer: the default forgets after 30 days.
PROPERTIES = "tblproperties ('delta.logRetentionDuration' = 'interval 36500 days')"
DELTA_NAMES = {"int": "integer", "bigint": "long"}

Broken = Mapping[int, tuple[Rule, ...]]


@dataclass(frozen=True)
class Commit:
    """What a commit of a raw table brought: this extract of this period, read by these rules (a fingerprint)."""

    period: str
    extract: str
    reading: str


def table_of(contract: Contract) -> str:
    """The Delta table of accepted rows."""
    return f"raw_{contract.table}"


def rejected_of(contract: Contract) -> str:
    """The Delta table of rejected rows."""
    return f"raw_{contract.table}__rejected"


def contained(warehouse: str, table: str, until: int | None = None) -> dict[str, Commit]:
    """By period, what a raw table holds: its newest commits, from the log alone. `until`: as of that time (ms)."""
    log = delta_table(warehouse, table)
    found: dict[str, Commit] = {}
    for entry in log.history() if log else []:  # the newest comes first
        if until is not None and entry["timestamp"] > until:
            continue
        try:
            commit = Commit(**json.loads(entry.get("userMetadata") or ""))
        except (ValueError, TypeError):
            continue  # not a commit of ingest: creation, compaction
        found.setdefault(commit.period, commit)
    return found


def make_tables(spark: SparkSession, warehouse: str, contract: Contract) -> None:
    """Both tables as the contract wants them. New columns are added; a retyped or removed one is refused."""
    wanted = {name: column.type for name, column in contract.columns.items()} | OURS
    for table, columns in ((table_of(contract), wanted), (rejected_of(contract), REJECTED)):
        settle(spark, warehouse, table)
        if version(warehouse, table) is None:
            listed = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
            # By period, for a period is what is replaced.
            spark.sql(f"create table {table} ({listed}) using delta partitioned by (_period) {PROPERTIES}")
    table = table_of(contract)
    present = dict(schema(warehouse, table) or {})
    expected = {name: DELTA_NAMES.get(kind, kind) for name, kind in wanted.items()}
    if differences := sorted(
        f"{name} is {kind}, in the contract {expected.get(name, 'absent')}"
        for name, kind in present.items()
        if expected.get(name) != kind
    ):
        raise Refusal(
            f"{table} has other columns than the contract",
            where=str(contract.path),
            expected="the same columns and types; new ones may be added",
            found="; ".join(differences),
            remedy=f"keep the column, or drop {table} (in SQL) and ingest again: all extracts are kept",
        )
    if added := [f"`{name}` {wanted[name]}" for name in wanted if name not in present]:
        spark.sql(f"alter table {table} add columns ({', '.join(added)})")


def stage(
    spark: SparkSession, contract: Contract, reading: Reading, commit: Commit, rules: tuple[Rule, ...]
) -> dict[int, tuple[Rule, ...]]:
    """Give the rows to the engine as the view `staged`, typed; the rows (by index) that break rules, and which.

    Rows that break only rules of level `warning` are not among them: the gates report those.
    """
    _send(spark, contract, reading)
    type_rules = [
        Rule(name, "type", CRITICAL, "", f"a value of type {column.type}") for name, column in contract.columns.items()
    ]
    key_rule = Rule(contract.key[0], "key", CRITICAL, "", f"one row per {', '.join(contract.key)}")
    row_rules = [rule for rule in rules if rule.level == CRITICAL]
    checks = [
        *(f"`_found_{rule.column}` is null or `{rule.column}` is not null" for rule in type_rules),
        "_twins = 1",
        *(rule.holds for rule in row_rules),
    ]
    every = [*type_rules, key_rule, *row_rules]
    typed = [
        f"try_cast(`{name}` as {c.type}) as `{name}`, `{name}` as `_found_{name}`"
        for name, c in contract.columns.items()
    ]
    broken = ", ".join(f"if({check}, null, {number})" for number, check in enumerate(checks))
    key = ", ".join(f"`{name}`" for name in contract.key)
    spark.sql(
        f"""
        create or replace temporary view staged as
        with typed as (
            select _row, _sheet, _line, {", ".join(typed)} from delivered
        ),
        counted as (
            select *, if({" and ".join(f"`{name}` is not null" for name in contract.key)},
                         count(*) over (partition by {key}), 1) as _twins
            from typed
        )
        select
            *,
            {literal(commit.period)} as _period,
            {literal(commit.extract)} as _extract,
            array_compact(array({broken})) as _broken
        from counted
        """  # noqa: S608
    )
    found = spark.sql("select _row, _broken from staged where size(_broken) > 0").toArrow().to_pylist()
    return {row["_row"]: _first_per_column([every[number] for number in row["_broken"]]) for row in found}


def replace_period(spark: SparkSession, contract: Contract, commit: Commit) -> None:
    """The staged rows that break no rule become the period's rows in raw, in one commit that says where from."""
    columns = ", ".join(f"`{name}`" for name in spark.table(table_of(contract)).columns)
    with_metadata(
        spark,
        commit,
        f"insert into {table_of(contract)} replace where _period = {literal(commit.period)} "  # noqa: S608
        f"select {columns} from staged where size(_broken) = 0",
    )


def keep_rejected(
    spark: SparkSession, warehouse: str, contract: Contract, commit: Commit, reading: Reading, broken: Broken
) -> None:
    """Rejected rows as data: as found, with every rule they break. Those of the same extract are replaced."""
    table = rejected_of(contract)
    before = contained(warehouse, table).get(commit.period)
    if before == commit or (before is None and not broken):
        return
    import pyarrow as pa  # noqa: PLC0415

    text = pa.string()
    broken_rule = pa.struct([(name, text) for name in ("column", "cell", "value", "rule", "expected")])
    types: list[pa.DataType] = [text, text, text, pa.int32(), pa.map_(text, text), pa.list_(broken_rule)]
    arrow = pa.schema(dict(zip(REJECTED, types, strict=True)))
    rows = [_rejected(contract, commit, reading, index, rules) for index, rules in sorted(broken.items())]
    spark.createDataFrame(pa.Table.from_pylist(rows, arrow)).createOrReplaceTempView("rejected")
    with_metadata(
        spark,
        commit,
        f"insert into {table} replace where _extract = {literal(commit.extract)} "  # noqa: S608
        f"select {', '.join(REJECTED)} from rejected",
    )


def with_metadata(spark: SparkSession, commit: Commit, statement: str) -> None:
    """Run one statement whose Delta commit carries `commit`."""
    spark.conf.set(USER_METADATA, json.dumps(asdict(commit)))
    try:
        spark.sql(statement)
    finally:
        spark.conf.unset(USER_METADATA)


def shown(contract: Contract, column: str, value: object) -> str:
    """A value for people; a personal one is masked."""
    if value is None:
        return "blank"
    known = contract.columns.get(column)
    return repr(value) if known is None or known.pii == "none" else "(personal, not shown)"


def _rejected(
    contract: Contract, commit: Commit, reading: Reading, index: int, rules: tuple[Rule, ...]
) -> dict[str, object]:
    row = reading.rows[index]
    masked = {
        name: None if row.values.get(name) is None else _masked(contract, name, str(row.values[name]))
        for name in contract.columns
    }
    return {
        "_period": commit.period,
        "_extract": commit.extract,
        "_sheet": row.sheet,
        "_line": row.line,
        "_values": list(masked.items()),
        "_broken": [
            {
                "column": rule.column,
                "cell": f"{row.columns[rule.column]}{row.line}" if rule.column in row.columns else None,
                "value": masked[rule.column],
                "rule": rule.name,
                "expected": rule.expected,
            }
            for rule in rules
        ],
    }


def _masked(contract: Contract, column: str, value: str) -> str:
    return value if contract.columns[column].pii == "none" else "***"


def _send(spark: SparkSession, contract: Contract, reading: Reading) -> None:
    """The rows as text, as the view `delivered`: the engine tries the types, so what is no number keeps its words."""
    import pyarrow as pa  # noqa: PLC0415

    columns: dict[str, pa.Array[Any]] = {
        "_row": pa.array(range(len(reading.rows)), pa.int32()),
        "_sheet": pa.array([row.sheet for row in reading.rows], pa.string()),
        "_line": pa.array([row.line for row in reading.rows], pa.int32()),
    }
    for name in contract.columns:
        values = (row.values.get(name) for row in reading.rows)
        columns[name] = pa.array([None if value is None else str(value) for value in values], pa.string())
    spark.createDataFrame(pa.table(columns)).createOrReplaceTempView("delivered")


def _first_per_column(rules: list[Rule]) -> tuple[Rule, ...]:
    """A value of the wrong type breaks others of its column too (it became null): one reason is enough."""
    first: dict[str, Rule] = {}
    for rule in rules:
        first.setdefault(rule.column, rule)
    return tuple(first.values())
