"""What changed in an open table between two of its exports: by key, with before and after.

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

from spark_jobs.asking import ask, differ, same_key
from spark_jobs.formats import CSV, JSON_LINES, PARQUET, Csv, Kind, Parquet, as_json, values_of

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

CHANGE = "_change"
INSERTED, BEFORE, AFTER, DELETED = "insert", "update_preimage", "update_postimage", "delete"


def changes(old: DeltaTable, new: DeltaTable, columns: Mapping[str, str], key: Sequence[str]) -> pa.RecordBatchReader:
    """What differs between two versions of a table, sorted by key, of each the state before first."""
    others = [name for name in columns if name not in key]
    old_columns, new_columns = (", ".join(f"{side}.`{name}`" for name in columns) for side in ("old", "new"))
    query = f"""
        select case when old.`{key[0]}` is null then '{INSERTED}' else '{AFTER}' end as {CHANGE},
            {new_columns}, 1 as _nth
        from new left join old on {same_key(key)}
        where old.`{key[0]}` is null or {differ(others)}
        union all
        select case when new.`{key[0]}` is null then '{DELETED}' else '{BEFORE}' end as {CHANGE},
            {old_columns}, 0 as _nth
        from old left join new on {same_key(key)}
        where new.`{key[0]}` is null or {differ(others)}
        order by {", ".join(f"`{name}`" for name in key)}, _nth
        """  # noqa: S608
    return ask(query, old=old, new=new)


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
