"""Which rows of a delivery break a rule: the view `judged` over what the readers wrote, typed as the contract says.

A row carries in `_broken` every rule it breaks, at most one of form or type a column; `_is_sound` says that there is
none, without listing them, for most rows are. Rules of level `warning` are none of its business: gates report those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import Column, Contract
from quality.refusal import Refusal
from quality.rules import CRITICAL, Rule, literal
from spark_jobs.asking import ask, quoted
from spark_jobs.layouts import AGAIN, delivery_of
from spark_jobs.raw import OURS, REJECTED, SPARK_NAMES, Commit, Scope, table_of

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

MASK = "***"
TWINS_AT_MOST = 100_000
SHOWN = 5
BOOKS = ("workbook", "yearbook")  # layouts whose columns are the letters of Excel
_MAP = "'map<string, string>'"
# As people read: column Z stands before AA.
_PLACE = "_file, _sheet, _line, length(cell) nulls first, cell nulls first"
# The parts of one that stands in `_broken`, for DataFusion.
REASON = ", ".join(f"_reason['{name}'] as `{name}`" for name in ("column", "cell", "value", "rule", "expected"))


@dataclass(frozen=True)
class Reason:
    """A rule that a row breaks, for a message. `value` is masked if personal, None if blank."""

    file: str
    sheet: str
    line: int
    column: str
    cell: str | None
    value: str | None
    rule: str
    expected: str


@dataclass(frozen=True)
class Broken:
    """What is broken in a delivery: by column and rule how many rows, and a few that tell the most."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    samples: tuple[Reason, ...] = ()


def judge(
    spark: SparkSession, contract: Contract, rows: Path, commit: Commit, rules: tuple[Rule, ...], scope: Scope
) -> int:
    """Make the view `judged` of the Parquet files below `rows`; how many rows break a rule.

    Rows that share a key among themselves are all broken; of those that share one with rows that stay in raw (other
    files of the same period), the new ones are.
    """
    spark.read.parquet(str(rows)).createOrReplaceTempView("delivered")
    typed = [f"{_typed(column)} as `{name}`" for name, column in contract.columns.items()]
    found = [f"`{name}` as `_found_{name}`" for name, c in contract.columns.items() if c.type != "geometry"]
    is_book = delivery_of(contract).layout in BOOKS
    below = f"{'cast(_line as string)' if is_book else literal('')} as _below"  # what makes a cell of a column
    # For the rejected alone: Spark compiles no query as a whole that parses JSON. When all three maps came as JSON, to
    # judge a million rows took 3.1 s and to write them 6.5 s; since then 2.2 and 5.7 s.
    cells = f"from_json(_cells, {_MAP}) as _cells"
    spark.table("delivered").selectExpr(
        "_file", "_sheet", "_line", below, cells, "_unexpected", "_faults", *typed, *found
    ).createOrReplaceTempView("typed")
    unsound = _look(spark, contract, rules, scope)
    key = " and ".join(f"typed.`{name}` = twins.`_twin_{name}`" for name in contract.key)
    joined = f"left join twins on {key}" if unsound is None else ""
    is_twin = f"twins.`_twin_{contract.key[0]}` is not null" if unsound is None else "false"
    values = ", ".join(f"{literal(name)}, {_masked(column)}" for name, column in contract.columns.items())
    kept = ", ".join(f"typed.`{name}`" for name in contract.columns)
    spark.sql(
        f"""
        create or replace temporary view judged as
        select
            {kept},
            {literal(commit.period)} as _period,
            {literal(commit.extract)} as _extract,
            typed._file, typed._sheet, typed._line, typed._unexpected,
            {_sound(contract, rules, is_twin)} as _is_sound,
            {_broken(contract, rules, is_twin)} as _broken,
            map({values}) as _values
        from typed {joined}
        """  # noqa: S608
    )
    if unsound is None:
        unsound = int(spark.sql("select count(*) from judged where not _is_sound").collect()[0][0])
    return unsound


def judge_nothing(spark: SparkSession, contract: Contract) -> int:
    """The view `judged` of a delivery that only takes files away."""
    typed = [f"cast(null as {SPARK_NAMES.get(c.type, c.type)}) as `{c.name}`" for c in contract.columns.values()]
    ours = [f"cast(null as {kind}) as {name}" for name, kind in {**OURS, **REJECTED, "_is_sound": "boolean"}.items()]
    spark.sql(f"select {', '.join([*typed, *ours])} where false").createOrReplaceTempView("judged")
    return 0


def broken_in(rejected: DeltaTable, extract: str) -> Broken:
    """Of a table of rejected rows, what an extract broke. Samples: the first to break each rule, then others."""
    query = f"""
        with broken as (
            select _file, _sheet, _line, unnest(_broken) as _reason
            from rejected where _extract = {quoted(extract)}
        ),
        reasons as (
            select _file, _sheet, _line, {REASON} from broken
        ),
        ranked as (
            select
                *,
                count(*) over (partition by `column`, rule) as _rows,
                row_number() over (partition by `column`, rule order by {_PLACE}) as _nth
            from reasons
        )
        select * from ranked where _nth <= {SHOWN} order by {_PLACE}
        """  # noqa: S608
    found = ask(query, rejected=rejected).read_all().to_pylist()
    counts = {(row["column"], row["rule"]): row["_rows"] for row in found}
    shown = sorted(range(len(found)), key=lambda index: found[index]["_nth"])[:SHOWN]
    return Broken(dict(sorted(counts.items())), tuple(reason_of(found[index]) for index in sorted(shown)))


def reason_of(row: Mapping[str, Any]) -> Reason:
    """What a query found of one, by the names of REASON."""
    return Reason(
        row["_file"],
        row["_sheet"],
        row["_line"],
        *(row[name] for name in ("column", "cell", "value", "rule", "expected")),
    )


def _typed(column: Column) -> str:
    kind = SPARK_NAMES.get(column.type, column.type)
    return f"`{column.name}`" if kind in ("string", "binary") else f"try_cast(`{column.name}` as {kind})"


def _masked(column: Column) -> str:
    if column.type == "geometry":
        return "cast(null as string)"  # as text it would be longer than all the rest; the extract has it
    found = f"`_found_{column.name}`"
    return found if column.pii == "none" else f"if({found} is null, null, '{MASK}')"


def _look(spark: SparkSession, contract: Contract, rules: tuple[Rule, ...], scope: Scope) -> int | None:
    """How many rows break a rule of their own; None where keys stand more than once, which then are the view `twins`.

    Every row is looked at once: who breaks a rule is counted on the way to the keys.
    """
    from pyspark.sql.connect.functions import expr  # noqa: PLC0415 - who connects has paid for these imports
    from pyspark.sql.connect.observation import Observation  # noqa: PLC0415

    key = [f"`{name}`" for name in contract.key]
    sound = _sound(contract, rules, "false")
    seen: Any = Observation()
    looked_at = spark.table("typed").observe(seen, expr(f"count_if(not ({sound}))").alias("unsound"))
    keys = looked_at.where(" and ".join(f"{name} is not null" for name in key)).selectExpr(*key)
    if scope.files is not None:
        keys = keys.unionAll(spark.table(table_of(contract)).where(scope.others).selectExpr(*key))
    found = (
        keys.groupBy(*key)
        .agg(expr("count(*)").alias("_rows"))
        .where("_rows > 1")
        .selectExpr(*(f"`{name}` as `_twin_{name}`" for name in contract.key))
        .limit(TWINS_AT_MOST + 1)
        .toArrow()
    )
    if found.num_rows > TWINS_AT_MOST:
        raise Refusal(
            f"{', '.join(contract.key)} is no key of this delivery",
            where=contract.table,
            expected=f"one row per {', '.join(contract.key)}",
            found=f"more than {TWINS_AT_MOST:,} of them stand in several rows",
            remedy=f"{AGAIN}, or correct the key in {contract.path.name}",
        )
    if not found.num_rows:
        return int(seen.get["unsound"])
    spark.createDataFrame(found).createOrReplaceTempView("twins")
    return None


def _sound(contract: Contract, rules: tuple[Rule, ...], is_twin: str) -> str:
    """Whether `_broken` is empty: to see that nothing is wrong costs less than to list what is."""
    typed = [f"not ({_mistyped(column)})" for column in contract.columns.values()]
    own = [f"({rule.holds})" for rule in rules if rule.level == CRITICAL]
    return " and ".join([f"not ({is_twin})", "_faults is null", *typed, *own])


def _mistyped(column: Column) -> str:
    if column.type == "geometry":
        return "false"
    return f"`_found_{column.name}` is not null and `{column.name}` is null"


def _broken(contract: Contract, rules: tuple[Rule, ...], is_twin: str) -> str:
    """The array of what a row breaks: for each column what is wrong with its form, else its type, else its rules."""
    key = Rule(contract.key[0], "key", CRITICAL, "", f"one row per {', '.join(contract.key)}")
    arrays = [f"if({is_twin}, array({_reason(contract.columns[key.column], key)}), {_NONE})"]
    for column in contract.columns.values():
        form = Rule(column.name, "form", CRITICAL, "", "")
        kind = Rule(column.name, "type", CRITICAL, "", f"a value of type {column.type}")
        own = [rule for rule in rules if rule.column == column.name and rule.level == CRITICAL]
        reasons = ", ".join(f"if({rule.holds}, null, {_reason(column, rule)})" for rule in own)
        fault = f"_faults[{literal(column.name)}]"
        arrays.append(
            f"case when _faults is not null and {fault} is not null then array({_reason(column, form, fault)}) "
            f"when {_mistyped(column)} then array({_reason(column, kind)}) "
            f"else {f'array_compact(array({reasons}))' if own else _NONE} end"
        )
    return f"concat({', '.join(arrays)})"


_NONE = "cast(array() as array<struct<column: string, cell: string, value: string, rule: string, expected: string>>)"


def _reason(column: Column, rule: Rule, expected: str | None = None) -> str:
    cell = f"_cells[{literal(column.name)}]"
    return (
        f"named_struct('column', {literal(column.name)}, "
        f"'cell', concat({cell}, _below), "
        f"'value', {_masked(column)}, 'rule', {literal(rule.name)}, 'expected', {expected or literal(rule.expected)})"
    )
