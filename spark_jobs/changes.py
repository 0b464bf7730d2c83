"""What changed in an open table between two of its exports, from Delta's change feed: by key, with before and after.

`export` writes it beside the files of a version, three times. `changes.parquet`, with which the portal is patched, and
`changes.csv` have a row for each state: `_change` (Delta's own words: insert, delete, update_preimage,
update_postimage), then the columns that are published. `changes.jsonl`, of which the public history is made, has an
object for each key: its `change` (insert, update, delete), and of the other columns `before` and `after`, of an update
those that differ. However many commits lie between, a key stands there with its first state before and its last state
after; what went and came back as it was is not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_jobs.formats import CSV, JSON_LINES, PARQUET, Csv, Kind, Parquet, as_json, values_of
from spark_jobs.session import delta_table

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

CHANGE = "_change"
INSERTED, BEFORE, AFTER, DELETED = "insert", "update_preimage", "update_postimage", "delete"
_MADE_ANEW = ("REPLACE TABLE", "CREATE OR REPLACE TABLE", "CREATE TABLE")


def can_be_told(warehouse: str, table: str, since: int, at: int) -> bool:
    """Whether the feed leads from the one version to the other: not across a commit that made the table anew."""
    log = delta_table(warehouse, table)
    if log is None or since >= at:
        return False
    between = [entry for entry in log.history() if since < entry["version"] <= at]
    return not any(entry["operation"].startswith(_MADE_ANEW) for entry in between)


def changes(
    spark: SparkSession, table: str, since: int, at: int, columns: Mapping[str, str], key: Sequence[str]
) -> Any:
    """A frame of what changed after version `since`, up to version `at`, sorted by key."""
    listed = ", ".join(f"`{name}`" for name in columns)
    by_key = ", ".join(f"`{name}`" for name in key)
    is_after = "_change_type in ('insert', 'update_postimage')"
    return spark.sql(
        f"""
        with feed as (
            select {listed}, _change_type, {is_after} as _is_after,
                row_number() over (partition by {by_key} order by _commit_version, {is_after}) as _nth,
                row_number() over (partition by {by_key} order by _commit_version desc, {is_after} desc) as _nth_last
            from table_changes('{table}', {since + 1}, {at})
        ),
        ends as (
            select *, max(_nth = 1 and not _is_after) over (partition by {by_key}) as _was,
                max(_nth_last = 1 and _is_after) over (partition by {by_key}) as _is
            from feed
        ),
        told as (
            select
                case when _is and _was then if(_is_after, 'update_postimage', 'update_preimage')
                    when _is then 'insert' else 'delete' end as {CHANGE},
                {listed},
                _is_after,
                count(*) over (partition by {listed}) as _alike
            from ends
            where (_nth = 1 and not _is_after) or (_nth_last = 1 and _is_after)
        )
        select {CHANGE}, {listed}
        from told
        where _alike = 1
        order by {by_key}, _is_after
        """  # noqa: S608
    )


def write_changes(
    batches: Iterable[pa.RecordBatch], columns: Mapping[str, str], key: Sequence[str], folder: Path
) -> tuple[dict[str, int], list[tuple[Kind, Path]]]:
    """Write what `changes` gives, as it comes. Returns how many keys were inserted, updated and deleted, and the files.

    Memory does not grow with the changes.
    """
    files = [(kind, folder / f"changes.{kind.ending}") for kind in (CSV, JSON_LINES, PARQUET)]
    (_, text), (_, lines), (_, binary) = files
    told: Counter[str] = Counter()
    stated = {CHANGE: "string", **columns}
    with ExitStack() as stack:
        sinks = [stack.enter_context(closing(sink)) for sink in (Csv(text, stated), Parquet(binary, stated))]
        objects = stack.enter_context(lines.open("w", encoding="utf-8", newline="\n"))

        def states() -> Iterator[dict[str, Any]]:
            for batch in batches:
                table, values = values_of(batch, stated)
                rows = list(zip(*values, strict=True))
                for sink in sinks:
                    sink.add(table, rows)
                for row in rows:
                    told[row[0]] += 1
                    yield dict(zip(stated, row, strict=True))

        objects.writelines(f"{as_json(one)}\n" for one in by_key(states(), key))
    counts = {"inserted": told[INSERTED], "updated": told[AFTER], "deleted": told[DELETED]}
    return counts, files


def by_key(states: Iterable[Mapping[str, Any]], key: Sequence[str]) -> Iterator[dict[str, Any]]:
    """An object for each key, of rows in the order that `changes` gives them: the state before stands first."""
    before: dict[str, Any] = {}
    for state in states:
        values = {name: value for name, value in state.items() if name not in (*key, CHANGE)}
        named = {name: state[name] for name in key}
        if state[CHANGE] == BEFORE:
            before = values
        elif state[CHANGE] == AFTER:
            differing = [name for name, value in values.items() if value != before[name]]
            sides = ({name: side[name] for name in differing} for side in (before, values))
            yield {"change": "update", "key": named, **dict(zip(("before", "after"), sides, strict=True))}
        else:
            side = "after" if state[CHANGE] == INSERTED else "before"
            yield {"change": state[CHANGE], "key": named, side: values}
