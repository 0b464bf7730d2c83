"""Marks let a step skip what it has done; locks let the same step, started twice at once, have one effect.

A mark says: from these inputs came this Delta version. It is a cache, believed only while both still hold;
deleting `$KHO_LAKE/marks` costs time, never truth.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

WAIT_SECONDS = 0.2


@dataclass(frozen=True)
class Mark:
    """`inputs`: fingerprint of all a step read; `version`: the Delta version its output then had.

    `read`: versions of tables among the inputs, by name, of steps that ask what has changed since.
    `left`: when (ms), of a mark that was read.
    """

    inputs: str
    version: int | None
    read: Mapping[str, int] = field(default_factory=dict)
    left: int = field(default=0, compare=False)


def fingerprint(*parts: object) -> str:
    """One short text for many inputs; the order of `parts` counts, the order of a dict does not."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_mark(lake: Path, step: str, table: str) -> Mark | None:
    """What the step left, or None. A mark that cannot be read is no mark."""
    try:
        with _path(lake, step, table).open(encoding="utf-8") as file:
            found, left = json.load(file), os.fstat(file.fileno()).st_mtime_ns // 1_000_000
        return Mark(found["inputs"], found["version"], found.get("read", {}), left)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_mark(lake: Path, step: str, table: str, mark: Mark) -> None:
    """Whole or not at all."""
    path = _path(lake, step, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    said = {"inputs": mark.inputs, "version": mark.version, "read": dict(mark.read)}
    fresh.write_text(json.dumps(said), encoding="utf-8")
    fresh.replace(path)


@contextmanager
def one_at_a_time(lake: Path, step: str, table: str) -> Iterator[None]:
    """Holds the lock of a step on a table; whoever comes second waits, then finds the work done.

    The kernel frees the lock of a process that dies, so nothing has to be cleared by hand. Lies in the lake, which
    is why the lake's folder must be of one machine or of a file system with locks (NFS 4).
    """
    path = lake / "locks" / f"{step}.{table}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{step} {table}: waiting for another run of it to end", file=sys.stderr)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def one_of_few(lake: Path, name: str, count: int) -> Iterator[None]:
    """Holds one of `count` places, in this process and all others; whoever finds none free waits."""
    folder = lake / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        held = [stack.enter_context((folder / f"{name}.{number}.lock").open("w")) for number in range(count)]
        while not any(_locked(place) for place in held):
            time.sleep(WAIT_SECONDS)
        yield


def _locked(place: IO[str]) -> bool:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _path(lake: Path, step: str, table: str) -> Path:
    return lake / "marks" / step / f"{table}.json"
