"""Rows of a delivery that share a key: when all is read, they are set apart too.

Rows that share a key among themselves are all broken; of those that share one with rows that stay in raw (other files
of the same period), the new ones are. Blank keys are alike to none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from quality.contract import Contract
from quality.refusal import Refusal
from quality.rules import CRITICAL, Rule
from spark_jobs.arrow_types import REASONS, arrow_type
from spark_jobs.judging import KEY, OVER, by_name, cell_of, masked, reason
from spark_jobs.layouts import AGAIN
from spark_jobs.places import PART
from spark_jobs.raw import ROWS
from spark_jobs.reading import Task, Writer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

AT_MOST = 100_000


def set_apart(contract: Contract, tasks: Sequence[Task], staying: pa.RecordBatchReader | None) -> None:
    """Move them from the accepted to the rejected rows of each file. `staying`: the keys in raw that stay."""
    import pyarrow as pa  # noqa: PLC0415

    key = list(contract.key)
    given = [keys for number, task in enumerate(tasks) for keys in _keys(task, number, key)]
    if not given:
        return
    rows = pa.concat_tables(given)
    twins = _twins(contract, rows, staying)
    if not twins.num_rows:
        return
    having = rows.join(twins, key, join_type="left semi")["_task"].unique().to_numpy()
    for number in sorted(having):
        _move(contract, tasks[number], twins)


def _twins(contract: Contract, rows: pa.Table, staying: pa.RecordBatchReader | None) -> pa.Table:
    """The keys that several rows have. `rows`: the keys of all that were read."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    key = list(contract.key)
    seen = rows.group_by(key).aggregate([([], "count_all")])
    several = seen.filter(pc.field("count_all") > 1).select(key)
    if staying is not None:
        met = _met(seen.select(key), staying)
        several = pa.concat_tables([several, *met]).group_by(key).aggregate([])
    if several.num_rows > AT_MOST:
        raise Refusal(
            f"{', '.join(key)} is no key of this delivery",
            where=contract.table,
            expected=f"one row per {', '.join(key)}",
            found=f"more than {AT_MOST:,} of them stand in several rows",
            remedy=f"{AGAIN}, or correct the key in {contract.path.name}",
        )
    return several


def _met(seen: pa.Table, staying: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """What of `seen` stays in raw too.

    A join holds its right side as a hash table, 540 MB of the 2.5 million keys of a city's pupils: so that is what was
    seen, and the others come in parts, no smaller than it, else making that table would take longer than asking it.
    """
    import pyarrow as pa  # noqa: PLC0415

    part: list[pa.RecordBatch] = []
    for batch in chain(staying, [None]):
        if batch is not None:
            part.append(batch)
        if part and (batch is None or sum(map(len, part)) >= max(len(seen), ROWS)):
            yield pa.Table.from_batches(part).join(seen, seen.column_names, join_type="right semi")
            part = []


def _keys(task: Task, number: int, key: Sequence[str]) -> Iterator[pa.Table]:
    """Of every row that was read of a file the key, typed, unless a part of it is blank."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    for path, prefix in ((task.accepted, ""), (task.rejected, KEY)):
        if path.exists():
            keys = pq.read_table(path, columns=[f"{prefix}{name}" for name in key])
            keys = keys.rename_columns(list(key)).drop_null()
            yield keys.append_column("_task", pa.array([number] * len(keys), pa.int32()))


def _move(contract: Contract, task: Task, twins: pa.Table) -> None:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    parts = {path: path.with_name(f"{path.name}{PART}") for path in (task.accepted, task.rejected)}
    with Writer(parts[task.accepted]) as accepted, Writer(parts[task.rejected]) as rejected:
        before = pq.read_table(task.rejected) if task.rejected.exists() else None
        if before is not None:
            rejected.write(_broken_too(contract, before, twins))
        if task.accepted.exists():
            with pq.ParquetFile(task.accepted) as file:
                for batch in file.iter_batches(ROWS, use_threads=False):
                    rows = pa.Table.from_batches([batch])
                    at = _places(rows, contract.key, twins)
                    accepted.write(rows.take(np.delete(np.arange(len(rows)), at)))
                    moved = _rejected(contract, rows.take(at))
                    rejected.write(moved if before is None else moved.cast(before.schema))
    for path, part in parts.items():
        path.unlink(missing_ok=True)
        if part.exists():
            part.rename(path)


def _places(rows: pa.Table, columns: Sequence[str], twins: pa.Table) -> np.ndarray[Any, Any]:
    """Which rows have a key of twins, that stands in these columns."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    keys = rows.select(list(columns)).append_column("_row", pa.array(np.arange(len(rows))))
    found = keys.join(twins, list(columns), twins.column_names, join_type="left semi")
    return np.sort(found["_row"].to_numpy())


def _rejected(contract: Contract, rows: pa.Table) -> pa.Table:
    """Accepted rows as rejected ones, values in plain text."""
    import pyarrow as pa  # noqa: PLC0415

    texts = {}
    for name, column in contract.columns.items():
        values: Any = rows[name].combine_chunks()
        texts[name] = masked(values if column.type == "geometry" else values.cast(pa.string()), column)
    told: list[list[Any]] = [rows[OVER].to_pylist(), rows["_line"].to_pylist(), texts[contract.key[0]].to_pylist()]
    broken = [[_reason(contract, over, line, value)] for over, line, value in zip(*told, strict=True)]
    rejected = rows.select(["_period", "_extract", "_file", "_sheet", "_line", OVER])
    rejected = rejected.append_column("_values", by_name(texts))
    rejected = rejected.append_column("_broken", pa.array(broken, arrow_type(REASONS)))
    for name in contract.key:
        rejected = rejected.append_column(f"{KEY}{name}", rows[name])
    return rejected


def _broken_too(contract: Contract, rows: pa.Table, twins: pa.Table) -> pa.Table:
    """Rejected rows, of which some break this too."""
    import pyarrow as pa  # noqa: PLC0415

    broken: list[Any] = rows["_broken"].to_pylist()
    for at in _places(rows, [f"{KEY}{name}" for name in contract.key], twins).tolist():
        over, line, values = (rows[name][at].as_py() for name in (OVER, "_line", "_values"))
        broken[at].insert(0, _reason(contract, over, line, dict(values)[contract.key[0]]))
    place = rows.schema.get_field_index("_broken")
    return rows.set_column(place, rows.schema.field(place), pa.array(broken, rows.schema.field(place).type))


def _reason(contract: Contract, over: str | None, line: int, value: str | None) -> dict[str, str | None]:
    rule = Rule(contract.key[0], "key", CRITICAL, f"one row per {', '.join(contract.key)}")
    return reason(rule, cell_of(contract, over, line), value, rule.expected)
