"""What changed in an open table between two of its exports, from Delta's change feed: by key, with before and after.

`export` writes it as `changes.parquet` beside the files of a version. The portal is patched with it, and the public
history is made of it. A row has `_change` (Delta's own words: insert, delete, update_preimage, update_postimage), then
the columns that are published. However many commits lie between, a key stands there with its first state before and
its last state after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spark_jobs.session import delta_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME = "changes.parquet"
CHANGE = "_change"
INSERTED, UPDATED, DELETED = "insert", "update_postimage", "delete"
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
        )
        select
            case when _is and _was then if(_is_after, 'update_postimage', 'update_preimage')
                when _is then 'insert' else 'delete' end as {CHANGE},
            {listed}
        from ends
        where (_nth = 1 and not _is_after) or (_nth_last = 1 and _is_after)
        order by {by_key}, _is_after
        """  # noqa: S608
    )
