"""The raw tables: what they look like, what is in already, and how a delivery that was judged gets in.

This process writes them, by deltalake: a period of a thousand rows in 0.01 s, where the engine took 0.7 s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from quality.contract import Contract
from quality.refusal import Refusal
from quality.rules import literal
from spark_jobs.arrow_types import REASONS, TEXTS, arrow_type
from spark_jobs.asking import ask, differ, quoted, same_key
from spark_jobs.layouts import delivery_of
from spark_jobs.places import ensure_folder, remove_folder, saying, writing
from spark_jobs.session import UPKEEP, Earlier, delta_table, folder_of, schema, table_at, version

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
OURS = {
    "_period": "string",
    "_extract": "string",
    "_file": "string",
    "_sheet": "string",
    "_line": "int",
    "_unexpected": TEXTS,  # what the contract does not know: held aside, for nobody to read by chance
}
REJECTED = {
    "_period": "string",
    "_extract": "string",
    "_file": "string",
    "_sheet": "string",
    "_line": "int",
    "_values": TEXTS,
    "_broken": REASONS,
}
# Who asks in a year what a period was read from must get an answer: the default forgets after 30 days. And what a table
# was must stay readable: by default Delta 4.4 refuses every version older than 7 days, and whoever says VACUUM removes
# it. What goes, and when, is `compact`'s to say.
HISTORY = dict.fromkeys(("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"), "interval 36500 days")
DELTA_NAMES = {"int": "integer", "bigint": "long", "geometry": "binary"}
SPARK_NAMES = {"geometry": "binary"}
ROWS = 50_000  # in memory


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

    @property
    def said(self) -> str:
        """As a commit of Delta says it."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Scope:
    """Which rows of a raw table a delivery replaces: those of `files`, or of all files of the period (None)."""

    period: str
    files: frozenset[str] | None = None

    @property
    def condition(self) -> str:
        """The rows of the scope, for DataFusion."""
        return f"_period = {quoted(self.period)}" + (f" and _file in ({self._listed})" if self.files else "")

    @property
    def others(self) -> str:
        """The rows of the same period that stay, where some do."""
        return f"_period = {quoted(self.period)} and _file not in ({self._listed})"

    @property
    def _listed(self) -> str:
        return ", ".join(map(quoted, sorted(self.files or ())))


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
    return _commits(log, until) if log else {}


def commits_since(warehouse: str, table: str, since: Earlier) -> list[Commit] | None:
    """What was brought into a raw table after a version of it, in order, behind what was brought before that.

    None when that is not known: another table then had that version, or somebody else changed rows after it.
    """
    log = delta_table(warehouse, table)
    found: list[Commit] = []
    for entry in log.history() if log and log.version() >= since.version else []:  # the newest comes first
        commit = _commit_of(entry)
        if commit:
            found.append(commit)
        if entry["version"] > since.version:
            if not commit and entry["operation"] not in UPKEEP:
                return None
        elif entry["timestamp"] > since.seen:
            return None
        elif commit:
            return found[::-1]
    return None


@dataclass(frozen=True)
class Tables:
    """Both tables of a contract, for whoever holds its lock.

    Their logs are read once, and follow what is written here: each week of a year read them five times, 20 ms each.
    """

    warehouse: str
    contract: Contract
    accepted: DeltaTable
    rejected: DeltaTable

    @classmethod
    def made(cls, warehouse: str, contract: Contract) -> Self:
        """As the contract wants them. New columns are added; a retyped or removed one is refused."""
        wanted = {name: column.type for name, column in contract.columns.items()} | OURS
        # By period where periods stand beside each other, for a period is what is replaced.
        by_period = ["_period"] if delivery_of(contract).mode == "period" else []
        # Delta notes of each file the least and the greatest value of what rows are looked up by here, and of no more:
        # of all 16 columns of a million rows that took the engine 1.3 of 5.3 s.
        looked_up = [*contract.key, *(name for name in ("_file", "_period") if name not in by_period)]
        noted = {"delta.dataSkippingStatsColumns": ",".join(looked_up)}
        _make(warehouse, table_of(contract), wanted, by_period, {**HISTORY, **noted})
        _make(warehouse, rejected_of(contract), REJECTED, by_period, HISTORY)
        _refuse_other_columns(warehouse, contract, wanted)
        accepted, rejected = (table_at(warehouse, table) for table in (table_of(contract), rejected_of(contract)))
        return cls(warehouse, contract, accepted, rejected)

    def count(self, condition: str = "true") -> int:
        """How many accepted rows are such."""
        counted = ask(f"select count(*) as `rows` from raw where {condition}", raw=self.accepted)  # noqa: S608
        return int(counted.read_all()["rows"][0].as_py())

    def keys(self, scope: Scope) -> pa.RecordBatchReader:
        """The keys of the rows that stay beside a scope of their period."""
        listed = ", ".join(f"`{name}`" for name in self.contract.key)
        return ask(f"select {listed} from raw where {scope.others}", raw=self.accepted)  # noqa: S608

    def replace(self, commit: Commit, scope: Scope, files: Sequence[Path], *, is_first: bool) -> int:
        """The accepted rows in Parquet files take the place of the scope's; how many are in it then."""
        with writing(folder_of(self.warehouse, table_of(self.contract))):
            self._fill(self.accepted, commit, scope, files, is_first=is_first)
        return self.count(scope.condition)

    def merge(self, commit: Commit, files: Sequence[Path]) -> int:
        """The accepted rows in Parquet files are merged by key, in one commit; how many they are.

        A row gives way only to one whose watermark is no older: extracts may be merged again, in any order.
        """
        watermark = delivery_of(self.contract).watermark
        new = {f"`{name}`": f"new.`{name}`" for name in [*self.contract.columns, *OURS]}
        with writing(folder_of(self.warehouse, table_of(self.contract))):
            metrics = (
                self.accepted.merge(
                    _rows(files, self.accepted),
                    same_key(self.contract.key),
                    source_alias="new",
                    target_alias="old",
                    **saying(commit.said),
                )
                .when_matched_update(
                    new, f"new.`{watermark}` >= old.`{watermark}` and ({differ(self.contract.columns)})"
                )
                .when_not_matched_insert(new)
                .execute()
            )
        return int(metrics["num_source_rows"])

    def keep_rejected(self, commit: Commit, scope: Scope, files: Sequence[Path]) -> None:
        """Rejected rows as data, as found (personal values masked), with every rule they break."""
        before = _commits(self.rejected).get(commit.period)
        if before == commit or (before is None and not commit.rejected):
            return
        with writing(folder_of(self.warehouse, rejected_of(self.contract))):
            self._fill(self.rejected, commit, scope, files, is_first=before is None)

    def _fill(self, log: DeltaTable, commit: Commit, scope: Scope, files: Sequence[Path], *, is_first: bool) -> None:
        """What the files hold takes the place of a scope, in one commit; the first delivery has none to look for."""
        from deltalake import write_deltalake  # noqa: PLC0415

        is_all = delivery_of(self.contract).mode == "snapshot" and scope.files is None
        rows, said = _rows(files, log), saying(commit.said)
        if is_first:
            write_deltalake(log, rows, mode="append", **said)
        else:
            write_deltalake(log, rows, mode="overwrite", predicate=None if is_all else scope.condition, **said)


def _commits(log: DeltaTable, until: int | None = None) -> dict[str, Commit]:
    found: dict[str, Commit] = {}
    for entry in log.history():  # the newest comes first
        if until is not None and entry["timestamp"] > until:
            continue
        if commit := _commit_of(entry):
            found.setdefault(commit.period, commit)
    return found


def _commit_of(entry: Mapping[str, Any]) -> Commit | None:
    try:
        return Commit(**json.loads(entry.get("userMetadata") or ""))
    except (ValueError, TypeError):
        return None  # not a commit of ingest: creation, compaction


def _make(
    warehouse: str, table: str, columns: Mapping[str, str], by: Sequence[str], properties: Mapping[str, str]
) -> None:
    from deltalake import DeltaTable  # noqa: PLC0415

    if version(warehouse, table) is None:
        folder = folder_of(warehouse, table)
        remove_folder(folder)  # of a table that was not made to the end
        ensure_folder(folder.parent, is_open=False)
        with writing(folder):
            DeltaTable.create(str(folder), _arrow(columns), partition_by=list(by), configuration=dict(properties))


def _rows(files: Sequence[Path], log: DeltaTable) -> pa.RecordBatchReader:
    """Of Parquet files what a table has columns for, batch by batch."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    fields: Any = log.schema().to_arrow()
    wanted = pa.schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        for path in files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS, columns=wanted.names, use_threads=False):
                    yield batch.select(wanted.names).cast(wanted)

    return pa.RecordBatchReader.from_batches(wanted, batches())


def _arrow(columns: Mapping[str, str]) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def _refuse_other_columns(warehouse: str, contract: Contract, wanted: Mapping[str, str]) -> None:
    from deltalake import Schema  # noqa: PLC0415

    table = table_of(contract)
    known = schema(warehouse, table) or {}
    expected = {name: DELTA_NAMES.get(kind, kind) for name, kind in wanted.items()}
    if differences := sorted(
        f"{name} is {kind}, in the contract {expected.get(name, 'absent')}"
        for name, kind in known.items()
        if name != "_unexpected" and expected.get(name) != kind
    ):
        raise Refusal(
            f"{table} has other columns than the contract",
            where=str(contract.path),
            expected="the same columns and types; new ones may be added",
            found="; ".join(differences),
            remedy=f"keep the column, or drop {table} (in SQL) and ingest again: all extracts are kept",
        )
    if added := {name: kind for name, kind in wanted.items() if name not in known}:
        with writing(folder_of(warehouse, table)):
            table_at(warehouse, table).alter.add_columns(Schema.from_arrow(_arrow(added)).fields)
