"""One command measured: seconds, processor time, and the memory of every process it starts.

Linux tells all of it: `/proc/PID/status` a process's memory now and at its peak, `wait4` the processor time of a
process and of all it waited for. Looking at the tree through `/proc/PID/task/*/children` costs a tenth of what a walk
over all processes of the machine does, so that looking ten times a second does not slow down what is looked at.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.1
STOP_SECONDS = 20
KIB = 1024
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measure:
    """What one command took. Memory in bytes, resident; what processes share counts in each of them.

    `together`: the largest sum over its processes at one moment, of samples. `largest`: the peak of the largest of
    them, as the kernel kept it. `engine_cpu_seconds` and `engine_bytes` are the JVM's meanwhile, of all its clients.
    """

    command: str
    code: int
    seconds: float
    cpu_seconds: float
    together: int
    largest: int
    engine_cpu_seconds: float
    engine_bytes: int
    printed: str


@dataclass
class _Watched:
    """What the samples showed so far."""

    together: int = 0
    engine_bytes: int = 0
    peaks: dict[int, int] = field(default_factory=dict)

    def look(self, pid: int, engine: int) -> None:
        now = 0
        for each in tree(pid):
            resident, peak = _memory(each)
            now += resident
            self.peaks[each] = max(peak, self.peaks.get(each, 0))
        self.together = max(self.together, now)
        self.engine_bytes = max(self.engine_bytes, sum(_memory(each)[0] for each in tree(engine)))


def _ends_within(seconds: float, pid: int) -> bool:
    """Told at once when it does: half a sample more would be a tenth of the shortest commands."""
    process = os.pidfd_open(pid)
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


def measure(argv: Sequence[str], environment: Mapping[str, str], folder: Path, engine: int) -> Measure:
    """Run it to its end, whatever that is. `engine`: pid of the engine's service. No process of it is left."""
    watched = _Watched()
    cpu_before = _cpu_seconds(engine)
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(argv, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            watched.look(process.pid, engine)
            while not _ends_within(SAMPLE_SECONDS, process.pid):
                watched.look(process.pid, engine)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait(STOP_SECONDS)
            raise
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    return Measure(
        command=" ".join(map(str, argv[1:])),
        code=process.returncode,
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        together=watched.together,
        largest=max(watched.peaks.values(), default=0),
        engine_cpu_seconds=max(0.0, _cpu_seconds(engine) - cpu_before),  # it may have been started anew
        engine_bytes=watched.engine_bytes,
        printed=printed,
    )


def tree(pid: int) -> list[int]:
    """A process and all below it that live; nothing for 0."""
    found = [pid] if pid else []
    for parent in found:  # grows while it is walked
        with suppress(OSError):  # it, or a thread of it, has just ended
            for path in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, path.read_text().split())
    return found


def _memory(pid: int) -> tuple[int, int]:
    """Resident now, and at its peak; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    kib = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines) if name in _ROWS}
    return kib.get("VmRSS", 0) * KIB, kib.get("VmHWM", 0) * KIB


_ROWS = ("VmRSS", "VmHWM")


def _cpu_seconds(pid: int) -> float:
    """Used so far by a process and all below it that live."""
    ticks = 0
    for each in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # utime and stime, counted from the state
    return ticks / TICKS
