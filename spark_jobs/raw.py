"""The raw tables: what they look like, what is in already, and how a delivery that was judged gets in."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from quality.contract import Contract
from quality.refusal import Refusal
from quality.rules import literal
from spark_jobs.layouts import delivery_of
from spark_jobs.session import delta_table, schema, settle, version

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
OURS = {
    "_period": "string",
    "_extract": "string",
    "_file": "string",
    "_sheet": "string",
    "_line": "int",
    "_unexpected": "map<string, string>",  # what the contract does not know: held aside, for nobody to read by chance
}
REJECTED = {
    "_period": "string",
    "_extract": "string",
    "_file": "string",
    "_sheet": "string",
    "_line": "int",
    "_values": "map<string, string>",
    "_broken": "array<struct<column: string, cell: string, value: string, rule: string, expected: string>>",
}
# Who asks in a year what a period was read from must get an answer: the default forgets after 30 days. And what a table
# was must stay readable: by default Delta 4.4 refuses every version older than 7 days, and whoever says VACUUM removes
# it. What goes, and when, is `compact`'s to say.
HISTORY = dict.fromkeys(("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"), "interval 36500 days")
# Of many rows, a changed file marks its old ones as deleted instead of rewriting those of all the others in the same
# Parquet file; of few (`planning_settings`) it does not.
PROPERTIES = {**HISTORY, "delta.enableDeletionVectors": "true"}
DELTA_NAMES = {"int": "integer", "bigint": "long", "geometry": "binary"}
SPARK_NAMES = {"geometry": "binary"}


@dataclass(frozen=True)
class Commit:
    """What a commit of a raw table brought: this extract of this period, read by these rules (a fingerprint).

    `read` rows of the files that were new, of which `rejected` were.
    """

    period: str
    extract: str
    reading: str
    read: int = field(default=0, compare=False)
    rejected: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Scope:
    """Which rows of a raw table a delivery replaces: those of `files`, or of all files of the period (None)."""

    period: str
    files: frozenset[str] | None = None

    @property
    def condition(self) -> str:
        """The rows of the scope, in Spark SQL."""
        return f"_period = {literal(self.period)}" + (f" and _file in ({self._listed})" if self.files else "")

    @property
    def others(self) -> str:
        """The rows of the same period that stay, where some do."""
        return f"_period = {literal(self.period)} and _file not in ({self._listed})"

    @property
    def _listed(self) -> str:
        return ", ".join(map(literal, sorted(self.files or ())))


def table_of(contract: Contract) -> str:
    """The Delta table of accepted rows."""
    return f"raw_{contract.table}"


def rejected_of(contract: Contract) -> str:
    """The Delta table of rejected rows."""
    return f"raw_{contract.table}__rejected"


def in_sql(properties: Mapping[str, str]) -> str:
    """Properties of a table as CREATE and ALTER want them."""
    return f"tblproperties ({', '.join(f'{literal(name)} = {literal(value)}' for name, value in properties.items())})"


def forgets(log: DeltaTable) -> bool:
    """Whether a table was made before tables kept their past."""
    return not HISTORY.items() <= log.metadata().configuration.items()


def remember(spark: SparkSession, table: str) -> None:
    """Have a table keep its past from now on: VACUUM can only spare what the log still knows to have been replaced."""
    spark.sql(f"alter table {table} set {in_sql(HISTORY)}")


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
    wanted = {name: SPARK_NAMES.get(column.type, column.type) for name, column in contract.columns.items()} | OURS
    # By period where periods stand beside each other, for a period is what is replaced.
    is_partitioned = delivery_of(contract).mode == "period"
    partitioned = "partitioned by (_period)" if is_partitioned else ""
    # Delta notes of each file the least and the greatest value of what rows are looked up by here, and of no more: of
    # all 16 columns of a million rows that took 1.3 of 5.3 s.
    looked_up = [*contract.key, "_file", *([] if is_partitioned else ["_period"])]
    noted = {"delta.dataSkippingStatsColumns": ",".join(looked_up)}
    for table, columns, properties in (
        (table_of(contract), wanted, {**PROPERTIES, **noted}),
        (rejected_of(contract), REJECTED, PROPERTIES),
    ):
        settle(spark, warehouse, table)
        if version(warehouse, table) is None:
            listed = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
            spark.sql(f"create table {table} ({listed}) using delta {partitioned} {in_sql(properties)}")
    _refuse_other_columns(spark, warehouse, contract, wanted)


def replace(
    spark: SparkSession, warehouse: str, contract: Contract, commit: Commit, scope: Scope, *, is_first: bool
) -> int:
    """The judged rows that break no rule take the place of the scope's, in one commit; how many it wrote."""
    table = table_of(contract)
    columns = ", ".join(f"`{name}`" for name in spark.table(table).columns)
    with_metadata(
        spark,
        commit,
        f"{_into(table, scope, is_first=is_first)} select {columns} from judged where _is_sound",  # noqa: S608
    )
    log = delta_table(warehouse, table)
    metrics = log.history(1)[0]["operationMetrics"] if log else {}
    # Delta counts as written also what it only marked: the rows that stay in files of which others were deleted.
    stayed = int(metrics.get("numCopiedRows", 0))
    return int(metrics.get("numOutputRows", stayed)) - stayed


def merge(spark: SparkSession, contract: Contract, commit: Commit) -> int:
    """The judged rows that break no rule are merged by key, in one commit; how many they are.

    A row gives way only to one whose watermark is no older: extracts may be merged again, in any order.
    """
    watermark = delivery_of(contract).watermark
    keys = " and ".join(f"old.`{name}` = new.`{name}`" for name in contract.key)
    given = ", ".join(f"old.`{name}`" for name in contract.columns)
    columns = ", ".join(f"`{name}`" for name in [*contract.columns, *OURS])
    brought = ", ".join(f"new.`{name}`" for name in contract.columns)
    with_metadata(
        spark,
        commit,
        f"""
        merge into {table_of(contract)} as old
        using (select {columns} from judged where _is_sound) as new on {keys}
        when matched and new.`{watermark}` >= old.`{watermark}` and struct({given}) is distinct from struct({brought})
            then update set *
        when not matched then insert *
        """,  # noqa: S608
    )
    return int(spark.sql("select count(*) from judged where _is_sound").collect()[0][0])


def keep_rejected(spark: SparkSession, warehouse: str, contract: Contract, commit: Commit, scope: Scope) -> None:
    """Rejected rows as data, as found (personal values masked), with every rule they break."""
    table = rejected_of(contract)
    before = contained(warehouse, table).get(commit.period)
    if before == commit or (before is None and not commit.rejected):
        return
    with_metadata(
        spark,
        commit,
        f"{_into(table, scope, is_first=before is None)} "  # noqa: S608
        f"select {', '.join(REJECTED)} from judged where not _is_sound",
    )


def _into(table: str, scope: Scope, *, is_first: bool) -> str:
    """The beginning of a statement that fills a scope. Of which no delivery is in, nothing needs to be looked for.

    That took 0.7 s, to add rows takes 0.15 s (Delta 4.4.0, an engine that is warm).
    """
    return f"insert into {table}{'' if is_first else f' replace where {scope.condition}'}"


def with_metadata(spark: SparkSession, commit: Commit, statement: str) -> None:
    """Run one statement whose Delta commit carries `commit`."""
    spark.conf.set(USER_METADATA, json.dumps(asdict(commit)))
    try:
        spark.sql(statement)
    finally:
        spark.conf.unset(USER_METADATA)


def _refuse_other_columns(spark: SparkSession, warehouse: str, contract: Contract, wanted: dict[str, str]) -> None:
    table = table_of(contract)
    present = {name: kind for name, kind in (schema(warehouse, table) or {}).items() if name != "_unexpected"}
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
    known: Collection[str] = schema(warehouse, table) or {}
    if added := [f"`{name}` {wanted[name]}" for name in wanted if name not in known]:
        spark.sql(f"alter table {table} add columns ({', '.join(added)})")
