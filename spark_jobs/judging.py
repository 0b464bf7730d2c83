"""Which rows of a delivery break a rule: batches of a layout → rows typed as the contract says, and those set apart.

A row that is set apart carries in `_broken` every rule it breaks, at most one of form or type a column. Rules of level
`warning` are none of its business: gates report those. Readers judge what they read, each file for itself; which keys
stand in several rows shows only when all are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quality.contract import Column, Contract
from quality.rules import CRITICAL, Rule
from spark_jobs.arrow_types import REASON, REASONS, TEXTS, arrow_type, as_type
from spark_jobs.asking import ask, quoted
from spark_jobs.forms import as_text
from spark_jobs.layouts import Batch, delivery_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from deltalake import DeltaTable

MASK = "***"
KEY = "_key_"  # before the names of the key's columns, typed, beside a row that is set apart
OVER = "_over"  # beside every row: what stands over the first column of its key
SHOWN = 5
BOOKS = ("workbook", "yearbook")  # layouts whose columns are the letters of Excel
# As people read: column Z stands before AA.
_PLACE = "_file, _sheet, _line, length(cell) nulls first, cell nulls first"
# The parts of one that stands in `_broken`, for DataFusion.
REASON_COLUMNS = ", ".join(f"_reason['{name}'] as `{name}`" for name in REASON)


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


@dataclass(frozen=True)
class Judge:
    """What is asked of the rows of an extract."""

    contract: Contract
    period: str
    extract: str
    rules: tuple[Rule, ...] = ()

    def judge(self, batch: Batch, file: str) -> tuple[pa.Table, pa.Table | None]:
        """Rows as raw has them; and, if there are any, those set apart, as the table of these has them. OVER beside."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        columns = self.contract.columns.values()
        found = {column.name: self.found(batch, column) for column in columns}
        typed = {column.name: self._typed(column, *found[column.name]) for column in columns}
        texts = {name: text for name, (text, _) in found.items()}
        breaks = [one for column in columns for one in self._breaks(column, found, typed)]
        rows = {"_period": self.period, "_extract": self.extract, "_file": file, "_sheet": batch.sheet}
        size = len(batch.lines)
        ours = {name: _same(text, size) for name, text in rows.items()} | {"_line": pa.array(batch.lines, pa.int32())}
        ours[OVER] = _same(batch.cells.get(self.contract.key[0]), size)
        accepted = pa.table({**typed, **ours, "_unexpected": unexpected_of(batch)})
        if not breaks:
            return accepted, None
        unsound = np.unique(np.concatenate([one.rows for one in breaks]))
        shown = {name: masked(text, self.contract.columns[name]) for name, text in texts.items()}
        rejected = pa.table(
            {
                **{name: values.take(unsound) for name, values in ours.items()},
                "_values": by_name({name: values.take(unsound) for name, values in shown.items()}),
                "_broken": self._reasons(batch, breaks, shown, unsound),
                **{f"{KEY}{name}": typed[name].take(unsound) for name in self.contract.key},
            }
        )
        return accepted.take(np.delete(np.arange(size), unsound)), rejected

    def found(self, batch: Batch, column: Column) -> tuple[pa.Array[Any], Mapping[int, str]]:
        """The values of a column as text, and by index what was expected of those that do not fit."""
        import pyarrow as pa  # noqa: PLC0415

        values = batch.columns.get(column.name)
        if values is None:
            return pa.nulls(len(batch.lines), pa.binary() if column.type == "geometry" else pa.string()), {}
        delivery = delivery_of(self.contract)
        text, misfits = as_text(values, column, delivery.numbers, delivery.dates)
        return text, {**misfits, **batch.faults.get(column.name, {})}

    @staticmethod
    def _typed(column: Column, text: pa.Array[Any], faults: Mapping[int, str]) -> pa.Array[Any]:
        """The values in the column's type; null where it has none for them."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        if faults:
            fits = np.ones(len(text), bool)
            fits[list(faults)] = False
            text = pc.if_else(pa.array(fits), text, pa.scalar(None, text.type))
        return as_type(text, column.type)

    def _breaks(
        self,
        column: Column,
        found: Mapping[str, tuple[pa.Array[Any], Mapping[int, str]]],
        typed: Mapping[str, pa.Array[Any]],
    ) -> Iterable[_Break]:
        """What is wrong with the form of a column's values, else with their type, else by its rules."""
        import numpy as np  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        text, faults = found[column.name]
        values = typed[column.name]
        told = np.array(sorted(faults), np.int64)
        if faults:
            yield _Break(Rule(column.name, "form", CRITICAL, ""), told, faults)
        if values.null_count > text.null_count:
            lost = _where(pc.and_(pc.is_valid(text), pc.is_null(values)))
            if len(mistyped := np.setdiff1d(lost, told)):
                yield _Break(Rule(column.name, "type", CRITICAL, f"a value of type {column.type}"), mistyped)
            told = np.union1d(told, lost)
        for rule in self.rules:
            if rule.column == column.name and rule.level == CRITICAL:
                holds = rule.holds(values)
                if not pc.all(holds).as_py() and len(broken := np.setdiff1d(_where(pc.invert(holds)), told)):
                    yield _Break(rule, broken)

    def _reasons(
        self,
        batch: Batch,
        breaks: Iterable[_Break],
        shown: Mapping[str, pa.Array[Any]],
        unsound: np.ndarray[Any, Any],
    ) -> pa.Array[Any]:
        """Of every row that is set apart, what it breaks."""
        import pyarrow as pa  # noqa: PLC0415

        reasons: dict[int, list[dict[str, str | None]]] = {row: [] for row in unsound.tolist()}
        for one in breaks:
            over = batch.cells.get(one.rule.column)
            rows = one.rows.tolist()
            for row, value in zip(rows, shown[one.rule.column].take(one.rows).to_pylist(), strict=True):
                cell = cell_of(self.contract, over, batch.lines[row])
                expected = one.expected.get(row, one.rule.expected)
                reasons[row].append(reason(one.rule, cell, value, expected))
        return pa.array(list(reasons.values()), arrow_type(REASONS))


@dataclass(frozen=True)
class _Break:
    """A rule and the rows of a batch that break it, in order. `expected`: by row, where the rule says no more."""

    rule: Rule
    rows: np.ndarray[Any, Any]
    expected: Mapping[int, str] = field(default_factory=dict)


def broken_in(rejected: DeltaTable, extract: str) -> Broken:
    """Of a table of rejected rows, what an extract broke. Samples: the first to break each rule, then others."""
    query = f"""
        with broken as (
            select _file, _sheet, _line, unnest(_broken) as _reason
            from rejected where _extract = {quoted(extract)}
        ),
        reasons as (
            select _file, _sheet, _line, {REASON_COLUMNS} from broken
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
    """What a query found of one, by the names of REASON_COLUMNS."""
    return Reason(row["_file"], row["_sheet"], row["_line"], *(row[name] for name in REASON))


def cell_of(contract: Contract, over: str | None, line: int) -> str | None:
    """Where a value stands, of whose column it is known what stands over it."""
    return f"{over}{line}" if over is not None and delivery_of(contract).layout in BOOKS else over


def masked(text: pa.Array[Any], column: Column) -> pa.Array[Any]:
    """Text as it may be kept beside a reason."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if column.type == "geometry":
        return pa.nulls(len(text), pa.string())  # as text it would be longer than all the rest; the extract has it
    return text if column.pii == "none" else pc.if_else(pc.is_valid(text), MASK, text)


def by_name(columns: Mapping[str, pa.Array[Any]]) -> pa.Array[Any]:
    """Of every row a map of all its values."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    arrays = list(columns.values())
    width, size = len(arrays), len(arrays[0])
    by_row = np.arange(width * size).reshape(width, size).T.ravel()
    names = pa.array(list(columns), pa.string()).take(np.tile(np.arange(width), size))
    offsets: Any = pa.array(np.arange(size + 1, dtype=np.int32) * width)
    maps: pa.Array[Any] = pa.MapArray.from_arrays(offsets, names, pa.concat_arrays(arrays).take(by_row))
    return maps


def unexpected_of(batch: Batch) -> pa.Array[Any]:
    """Of every row a map of what no column of the contract holds, null if it is empty."""
    import pyarrow as pa  # noqa: PLC0415

    headings = list(batch.unexpected)
    lists = [v.to_pylist() if isinstance(v, pa.Array) else v for v in batch.unexpected.values()]
    held = [
        [(heading, str(value)) for heading, value in zip(headings, row, strict=True) if value is not None] or None
        for row in zip(*lists, strict=True)
    ]
    return pa.array(held or [None] * len(batch.lines), arrow_type(TEXTS))


def reason(rule: Rule, cell: str | None, value: str | None, expected: str) -> dict[str, str | None]:
    """One that stands in `_broken`."""
    return dict(zip(REASON, (rule.column, cell, value, rule.name, expected), strict=True))


def _same(text: str | None, size: int) -> pa.Array[Any]:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    of_none = np.full(size, text is None)
    return pa.DictionaryArray.from_arrays(np.zeros(size, np.int32), pa.array([text or ""], pa.string()), mask=of_none)


def _where(holds: pa.Array[Any]) -> np.ndarray[Any, Any]:
    import numpy as np  # noqa: PLC0415

    found: np.ndarray[Any, Any] = np.flatnonzero(holds.to_numpy(zero_copy_only=False))
    return found
