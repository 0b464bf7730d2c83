"""A bench on which a poisoned file is read as the step reads it, and what is noted of that for the table."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quality.contract import Contract
from quality.refusal import Refusal
from quality.rules import row_rules
from spark_jobs.arrow_types import TEXTS, arrow_type
from spark_jobs.judging import Judge, unexpected_of
from spark_jobs.layouts import Batch
from spark_jobs.reading import Readers, Reading, Task

GIB = 1 << 30
SAMPLED_S = 0.02  # a reader that dies takes its last figure with it: what it took since the last look is not seen

Note = Callable[[str, str, int], None]


@dataclass
class Meter:
    """The most memory that any of some processes had at a time, in bytes, while the meter ran.

    What this process held before is that of tests before this one, and does not count.
    """

    pids: Callable[[], Iterable[int]]
    peak: int = 0
    _before: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Start anew."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # anew from here on: proc(5)
        self._before = _most(os.getpid())
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look a last time."""
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLED_S):
            self._look()

    def _look(self) -> None:
        for pid in self.pids():
            self.peak = max(self.peak, _most(pid) - (self._before if pid == os.getpid() else 0))


def _most(pid: int) -> int:
    """The peak of a process, 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)


class AsFound(Judge):
    """Judges as every judge, and gives back what it judged: columns as text, with what was expected of misfits."""

    def judge(self, batch: Batch, file: str) -> tuple[pa.Table, pa.Table | None]:
        """All rows."""
        super().judge(batch, file)
        found = {column.name: self.found(batch, column) for column in self.contract.columns.values()}
        faults: list[list[tuple[str, str]]] = [[] for _ in batch.lines]
        for name, (_, misfits) in found.items():
            for row, expected in misfits.items():
                faults[row].append((name, expected))
        ours = {"_line": pa.array(batch.lines), "_faults": pa.array(faults, arrow_type(TEXTS))}
        unexpected = {"_unexpected": unexpected_of(batch)}
        return pa.table({**{name: text for name, (text, _) in found.items()}, **ours, **unexpected}), None


@dataclass(frozen=True)
class Rows:
    """What a file gave: columns as text, and by line what was expected of values that do not fit."""

    reading: Reading
    columns: Mapping[str, list[Any]]
    faults: Mapping[int, Mapping[str, str]]

    def __getitem__(self, column: str) -> list[Any]:
        """The values of one column."""
        return self.columns[column]


@dataclass(frozen=True)
class Bench:
    """Where one test reads its files."""

    folder: Path
    readers: Readers
    note: Note

    def file(self, content: bytes | str, name: str = "delivered") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, contract: Contract, path: Path, period: str = "all") -> Rows:
        """The rows that would be judged. Raises what speaks against the file; notes either."""
        task = Task(path.name, path, self.folder / "000000")
        try:
            with self.measured(_readers) as meter:
                found = self.readers.read(AsFound(contract, period, "", row_rules(contract)), [task])
        except Refusal as refusal:
            self.note("refused", refusal.what, meter.peak)
            raise
        columns = pq.read_table(task.accepted).to_pydict() if found.rows else {}
        told = zip(columns.get("_line", []), columns.get("_faults", []), strict=True)
        faults = {line: dict(expected) for line, expected in told if expected}
        first = [
            f"line {line}: {name}: expected {text}" for line, told in faults.items() for name, text in told.items()
        ]
        self.note("rejected" if faults else "accepted", first[0] if first else f"{found.rows:,} rows", meter.peak)
        return Rows(found, columns, faults)

    def refused(self, contract: Contract, path: Path, period: str = "all") -> Refusal:
        """Why the file is refused, in all the parts that a message has."""
        with pytest.raises(Refusal) as caught:
            self.read(contract, path, period)
        refusal = caught.value
        assert str(path) in refusal.where
        assert refusal.expected
        assert refusal.found
        assert "the last good version stays" in refusal.remedy
        assert all(line.isprintable() for line in str(refusal).splitlines())
        return refusal

    def rejected(self, contract: Contract, path: Path, period: str = "all") -> Mapping[int, Mapping[str, str]]:
        """By line and column, what was expected of the values that do not fit."""
        rows = self.read(contract, path, period)
        assert rows.faults
        return rows.faults

    def accepted(self, contract: Contract, path: Path, period: str = "all") -> Rows:
        """The rows of a file in which nothing is wrong."""
        rows = self.read(contract, path, period)
        assert not rows.faults
        assert rows.reading.rows
        return rows

    @contextmanager
    def measured(self, pids: Callable[[], Iterable[int]] = lambda: [os.getpid()]) -> Iterator[Meter]:
        """Whatever happens inside, none of the processes passes a gigabyte."""
        meter = Meter(pids)
        try:
            with meter:
                yield meter
        finally:
            assert meter.peak < GIB, f"{meter.peak >> 20:,} MiB"


def _readers() -> Iterator[int]:
    """The processes that read for this one. One just started has for a moment our own memory, and our command."""
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # that thread has ended
            yield from filter(_is_reader, map(int, children.read_text(encoding="ascii").split()))


def _is_reader(pid: int) -> bool:
    try:
        return b"multiprocessing.spawn" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
