"""Files → rows as Parquet, read and judged by processes that may take one gigabyte and no more.

Departments deliver what breaks readers: archives that unfold without end, sheets a million lines long, bytes that crash
a parser. Whatever a file does to its reader, it is that file's refusal and nobody else's.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from quality.refusal import Refusal
from spark_jobs.layouts import AGAIN, Batch, ExtractMismatch, Tally, delivery_of, layout_named

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from spark_jobs.judging import Judge

READERS = 2
MEMORY_BYTES = 800 << 20  # of its own; with the libraries it shares a reader then stays below 1 GiB
FILE_SECONDS = 900  # the largest of a city's files takes half a minute
_SAME: Any = ["_period", "_extract", "_file", "_sheet", "_over"]  # in which a batch has one text for all its rows
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Reading:
    """What reading some files gave. `rows`: also those that are set apart."""

    rows: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    units: Mapping[str, frozenset[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One file to read: its name at the department, where it lies, and how the files begin to which its rows go.

    Of which none come, there is no file.
    """

    name: str
    path: Path
    rows_to: Path

    @property
    def accepted(self) -> Path:
        """The Parquet file of rows that break no rule."""
        return self.rows_to.with_name(f"{self.rows_to.name}.accepted.parquet")

    @property
    def rejected(self) -> Path:
        """The Parquet file of those that are set apart."""
        return self.rows_to.with_name(f"{self.rows_to.name}.rejected.parquet")


class Readers:
    """The processes that read; as a context manager they serve many deliveries, and end with it."""

    def __init__(self) -> None:
        """None runs yet."""
        self._pool: ProcessPoolExecutor | None = None
        self._first: Future[None] | None = None

    def __enter__(self) -> Self:
        """The first starts, which takes it half a second, beside whatever its parent has to do before it reads."""
        self._first = self._started().submit(_get_ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        self._end()

    def read(self, judge: Judge, tasks: Sequence[Task]) -> Reading:
        """Read and judge all files of a delivery. Raises what speaks against each of them, all at once."""
        readings, refusals = [], []
        for task, outcome in self._outcomes(judge, tasks):
            if isinstance(outcome, Refusal):
                refusals.append(outcome)
            elif isinstance(outcome, BaseException):
                refusals.append(_ended(task, outcome))
            else:
                readings.append(outcome)
        if refusals:
            raise refusals[0] if len(refusals) == 1 else _several(refusals, len(tasks))
        return _sum(readings)

    def _outcomes(self, judge: Judge, tasks: Sequence[Task]) -> Iterator[tuple[Task, Reading | BaseException]]:
        """Of every file what it gave. When a reader ends, the files then being read are read again, each alone."""
        left = list(tasks)
        while left:
            outcomes = self._each(judge, left)
            left = [task for task, outcome in outcomes if isinstance(outcome, BrokenProcessPool)]
            yield from ((task, outcome) for task, outcome in outcomes if not isinstance(outcome, BrokenProcessPool))
            # One more than are read at a time: it was on its way.
            suspects, left = left[: READERS + 1], left[READERS + 1 :]
            for task in suspects:
                yield from self._each(judge, [task])

    def _each(self, judge: Judge, tasks: Sequence[Task]) -> list[tuple[Task, Reading | BaseException]]:
        """One try for each file. A reader that ends takes the others with it: the next try has new ones."""
        pool = self._started()
        if len(tasks) == 1 and self._first:
            wait([self._first])  # else a second one starts for nothing
        try:
            futures = [pool.submit(_read, judge, task) for task in tasks]
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


def write_rows(batches: Iterator[Batch], judge: Judge, task: Task) -> int:
    """The rows of one file, judged; how many they are. What an earlier try left is not among them."""
    rows = 0
    for left in (task.accepted, task.rejected):
        left.unlink(missing_ok=True)
    with Writer(task.accepted) as accepted, Writer(task.rejected) as rejected, ThreadPoolExecutor(1) as beside:

        def write(batch: Batch) -> None:
            sound, unsound = judge.judge(batch, task.name)
            accepted.write(sound)
            if unsound is not None:
                rejected.write(unsound)

        written: Future[None] | None = None
        for batch in batches:  # one is read while the one before it is written
            if written:
                written.result()
            written = beside.submit(write, batch)
            rows += len(batch.lines)
        if written:
            written.result()
    return rows


class Writer:
    """Rows → one Parquet file. It is read once and removed: nothing is done to make it small or quick to search."""

    def __init__(self, path: Path) -> None:
        """There is no file before a row comes."""
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        """Ready."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        if self._writer:
            self._writer.close()

    def write(self, rows: pa.Table) -> None:
        """Some more, if there are any."""
        import pyarrow.parquet as pq  # noqa: PLC0415  only readers pay for the import

        if rows.num_rows:
            self._writer = self._writer or pq.ParquetWriter(
                self._path, rows.schema, compression="lz4", use_dictionary=_SAME, write_statistics=False
            )
            self._writer.write_table(rows)


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

    import spark_jobs.judging  # noqa: F401, PLC0415

    pa.array([])  # the first makes pyarrow import pandas, to see whether a list is one of its own


def _read(judge: Judge, task: Task) -> Reading | Refusal:
    """In a reader: one file. What its layout unpacks lies beside the rows: a reader that is killed cannot clear it."""
    tally = Tally()
    scratch = task.rows_to.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = str(scratch)
    signal.alarm(FILE_SECONDS)  # nobody handles it: it ends the reader
    try:
        layout = layout_named(delivery_of(judge.contract).layout)
        rows = write_rows(layout(task.path, judge.contract, judge.period, tally), judge, task)
    except Refusal as refusal:  # made plain, for its own class may not know how to travel between processes
        return ExtractMismatch(refusal.what, refusal.where, refusal.expected, refusal.found, refusal.remedy)
    finally:
        signal.alarm(0)
        ctypes.CDLL(None).malloc_trim(0)  # what a large file took is not kept for the next
    units = {sheet: frozenset(found) for sheet, found in tally.units.items()}
    return Reading(rows, dict(tally.skipped), units, tuple(tally.warnings))


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
