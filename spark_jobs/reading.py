"""Files → rows as Parquet, read by processes that may take one gigabyte and no more.

Departments deliver what breaks readers: archives that unfold without end, sheets a million lines long, bytes that crash
a parser. Whatever a file does to its reader, it is that file's refusal and nobody else's.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from quality.contract import Contract
from quality.refusal import Refusal
from spark_jobs.layouts import AGAIN, Batch, ExtractMismatch, Tally, delivery_of, layout_named

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

READERS = 2
MEMORY_BYTES = 800 << 20  # of its own; with the libraries it shares a reader then stays below 1 GiB
FILE_SECONDS = 900  # the largest of a city's files takes half a minute
_SAME: Any = ["_file", "_sheet", "_cells"]  # columns in which a batch has one text for all its rows
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Reading:
    """What reading some files gave. The rows lie in Parquet files, one a file read."""

    rows: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    units: Mapping[str, frozenset[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One file to read: its name at the department, where it lies, and where its rows go."""

    name: str
    path: Path
    rows_to: Path


class Readers:
    """The processes that read; as a context manager they serve many deliveries, and end with it."""

    def __init__(self) -> None:
        """None runs yet."""
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """The first starts, which takes it half a second, beside whatever its parent has to do before it reads."""
        self._started().submit(_get_ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        self._end()

    def read(self, contract: Contract, period: str, tasks: Sequence[Task]) -> Reading:
        """Read all files of a delivery. Raises what speaks against each of them, all at once."""
        readings, refusals = [], []
        for task, outcome in self._outcomes(contract, period, tasks):
            if isinstance(outcome, Refusal):
                refusals.append(outcome)
            elif isinstance(outcome, BaseException):
                refusals.append(_ended(task, outcome))
            else:
                readings.append(outcome)
        if refusals:
            raise refusals[0] if len(refusals) == 1 else _several(refusals, len(tasks))
        return _sum(readings)

    def _outcomes(
        self, contract: Contract, period: str, tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Reading | BaseException]]:
        """Of every file what it gave. When a reader ends, the files then being read are read again, each alone."""
        left = list(tasks)
        while left:
            outcomes = self._each(contract, period, left)
            left = [task for task, outcome in outcomes if isinstance(outcome, BrokenProcessPool)]
            yield from ((task, outcome) for task, outcome in outcomes if not isinstance(outcome, BrokenProcessPool))
            # One more than are read at a time: it was on its way.
            suspects, left = left[: READERS + 1], left[READERS + 1 :]
            for task in suspects:
                yield from self._each(contract, period, [task])

    def _each(
        self, contract: Contract, period: str, tasks: Sequence[Task]
    ) -> list[tuple[Task, Reading | BaseException]]:
        """One try for each file. A reader that ends takes the others with it: the next try has new ones."""
        pool = self._started()
        try:
            futures = [pool.submit(_read, contract, period, task) for task in tasks]
        except BrokenProcessPool as broken:  # before all were submitted
            self._end()
            return [(task, broken) for task in tasks]
        outcomes = [(task, _outcome(future)) for task, future in zip(tasks, futures, strict=True)]
        if any(isinstance(outcome, BrokenProcessPool) for _, outcome in outcomes):
            self._end()
        return outcomes

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                READERS, mp_context=get_context("spawn"), initializer=_limit, initargs=(os.getpid(),)
            )
        return self._pool

    def _end(self) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def write_rows(batches: Iterator[Batch], contract: Contract, name: str, target: Path) -> int:
    """Rows of one file as Parquet: every column of the contract as text the engine can cast, and where it stood.

    `_unexpected` (by heading) and `_faults` (by column, what was expected) are maps, null where they would be empty.
    `_cells`, what stands over each column, is a JSON object: it is one text for all rows, a map would be one for each.
    """
    rows = 0
    with target.open("wb") as file, _Writer(file, contract, name) as writer, ThreadPoolExecutor(1) as beside:
        written: Future[None] | None = None
        for batch in batches:  # one is read while the one before it is written
            if written:
                written.result()
            written = beside.submit(writer.write, batch)
            rows += len(batch.lines)
        if written:
            written.result()
    if not rows:
        target.unlink()
    return rows


class _Writer:
    """Batches → one Parquet file. It is read once and removed: nothing is done to make it small or quick to search."""

    def __init__(self, file: BinaryIO, contract: Contract, name: str) -> None:
        self._file, self._contract, self._name = file, contract, name
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer:
            self._writer.close()

    def write(self, batch: Batch) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415  only readers pay for the import

        table = _table(batch, self._contract, self._name)
        self._writer = self._writer or pq.ParquetWriter(
            self._file, table.schema, compression="lz4", use_dictionary=_SAME, write_statistics=False
        )
        self._writer.write_table(table)


def _outcome(future: Future[Reading | Refusal]) -> Reading | BaseException:
    error = future.exception()
    return error or future.result()


def _limit(parent: int) -> None:
    """In a reader: little memory, Ctrl-C is for its parent to obey, and it does not outlive that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked for that
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def _get_ready() -> None:
    """In a reader: import what every file needs."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    import spark_jobs.forms  # noqa: F401, PLC0415

    pa.array([])  # the first makes pyarrow import pandas, to see whether a list is one of its own


def _read(contract: Contract, period: str, task: Task) -> Reading | Refusal:
    """In a reader: one file. What its layout unpacks lies beside the rows: a reader that is killed cannot clear it."""
    tally = Tally()
    scratch = task.rows_to.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = str(scratch)
    signal.alarm(FILE_SECONDS)  # nobody handles it: it ends the reader
    try:
        batches = layout_named(delivery_of(contract).layout)(task.path, contract, period, tally)
        rows = write_rows(batches, contract, task.name, task.rows_to)
    except Refusal as refusal:  # made plain, for its own class may not know how to travel between processes
        return ExtractMismatch(refusal.what, refusal.where, refusal.expected, refusal.found, refusal.remedy)
    finally:
        signal.alarm(0)
        ctypes.CDLL(None).malloc_trim(0)  # what a large file took is not kept for the next
    units = {sheet: frozenset(found) for sheet, found in tally.units.items()}
    return Reading(rows, dict(tally.skipped), units, tuple(tally.warnings))


def _table(batch: Batch, contract: Contract, name: str) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    from spark_jobs.forms import as_text  # noqa: PLC0415

    delivery = delivery_of(contract)
    size = len(batch.lines)
    faults: dict[int, dict[str, str]] = {}
    columns: dict[str, pa.Array[Any]] = {}
    for column in contract.columns.values():
        values = batch.columns.get(column.name)
        if values is None:
            kind = pa.binary() if column.type == "geometry" else pa.string()
            columns[column.name] = pa.nulls(size, kind)
            continue
        columns[column.name], misfits = as_text(values, column, delivery.numbers, delivery.dates)
        for index, expected in {**misfits, **batch.faults.get(column.name, {})}.items():
            faults.setdefault(index, {})[column.name] = expected
    ours = {
        "_file": _same(name, size),
        "_sheet": _same(batch.sheet, size),
        "_line": pa.array(batch.lines, pa.int32()),
        "_cells": _same(json.dumps(dict(batch.cells), ensure_ascii=False), size),
        "_unexpected": _unexpected(batch, size),
        "_faults": _maps([faults.get(index) for index in range(size)] if faults else [], size),
    }
    return pa.table({**ours, **columns})


def _same(text: str, size: int) -> pa.Array[Any]:
    import pyarrow as pa  # noqa: PLC0415

    return pa.DictionaryArray.from_arrays(pa.array([0] * size, pa.int32()), pa.array([text], pa.string()))


def _unexpected(batch: Batch, size: int) -> pa.Array[Any]:
    import pyarrow as pa  # noqa: PLC0415

    headings = list(batch.unexpected)
    lists = [v.to_pylist() if isinstance(v, pa.Array) else v for v in batch.unexpected.values()]
    held = [
        {heading: str(value) for heading, value in zip(headings, row, strict=True) if value is not None}
        for row in zip(*lists, strict=True)
    ]
    return _maps(held, size)


def _maps(told: Sequence[Mapping[str, str] | None], size: int) -> pa.Array[Any]:
    """Of every row a map, null if it is empty or nothing is told of any row."""
    import pyarrow as pa  # noqa: PLC0415

    kind = pa.map_(pa.string(), pa.string())
    return pa.array([list(one.items()) if one else None for one in told], kind) if told else pa.nulls(size, kind)


def _sum(readings: Sequence[Reading]) -> Reading:
    skipped: Counter[str] = Counter()
    units: dict[str, frozenset[str]] = {}
    for reading in readings:
        skipped.update(reading.skipped)
        for sheet, found in reading.units.items():
            units[sheet] = units.get(sheet, frozenset()) | found
    warnings = tuple(dict.fromkeys(warning for reading in readings for warning in reading.warnings))
    return Reading(sum(r.rows for r in readings), dict(sorted(skipped.items())), units, warnings)


def _ended(task: Task, error: BaseException) -> ExtractMismatch:
    """A file that its reader did not survive."""
    if isinstance(error, (BrokenProcessPool, MemoryError)):
        return ExtractMismatch(
            "the file cannot be read with what any honest file needs",
            where=str(task.path),
            expected=f"a file that is read within {MEMORY_BYTES >> 20:,} MiB of memory and {FILE_SECONDS:,} s",
            found=f"{task.path.stat().st_size:,} bytes that ended their reader",
            remedy=AGAIN,
        )
    if os.environ.get("KHO_DEBUG") or not isinstance(error, Exception):
        raise error
    return ExtractMismatch(
        "the file cannot be read, and we did not foresee why",
        where=str(task.path),
        expected="a file that its layout reads, or refuses in words",
        found=f"{type(error).__name__}: {error}",
        remedy=f"{AGAIN}; report the fault with this file (KHO_DEBUG=1 shows where it arose)",
    )


def _several(refusals: Sequence[Refusal], files: int) -> ExtractMismatch:
    listed = "\n".join(f"    {refusal.where}: {refusal.what}: {refusal.found}" for refusal in refusals)
    return ExtractMismatch(
        f"{len(refusals)} of {files} files are not what was promised",
        expected=refusals[0].expected,
        found=f"\n{listed}",
        remedy="; ".join(dict.fromkeys(refusal.remedy for refusal in refusals)),
    )
