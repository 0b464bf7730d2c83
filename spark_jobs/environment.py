"""What every step is told by its environment, and which tables it is to work on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

from quality.refusal import NotYet, Refusal
from spark_jobs.places import place

Item = TypeVar("Item")
INTERRUPT = {signal.SIGINT}


@dataclass(frozen=True)
class Environment:
    """`lake`: extracts, exports, checks, marks; `warehouse`: the Delta tables; `engine`: address of Spark Connect."""

    lake: Path
    warehouse: str
    engine: str


def read_environment() -> Environment:
    """Of this process. Whatever is missing is named."""
    return Environment(place(setting("KHO_LAKE")), setting("KHO_WAREHOUSE"), setting("KHO_ENGINE"))


def setting(name: str) -> str:
    """One variable, which must be there."""
    value = os.environ.get(name, "")
    if not value:
        raise Refusal(f"{name} is not set", remedy="start this step through `./kho`, which sets it")
    return value


def chosen(tables: Sequence[str], known: Collection[str], what: str) -> list[str]:
    """The tables named on the command line, all known ones if none is; sorted. `what` they are, for the message."""
    if unknown := [table for table in tables if table not in known]:
        raise Refusal(
            f"there is no table {', '.join(unknown)}", where=what, expected=", ".join(sorted(known)), found=unknown[0]
        )
    return sorted(set(tables) or known)


class Several(Refusal):
    """More than one refusal; what could be done was done."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        """From two or more."""
        self.refusals = refusals
        told = dict.fromkeys(str(refusal) for refusal in refusals)  # one department may refuse all of its tables alike
        super().__init__("\n".join([f"{len(refusals)} refusals", *told]))

    @property
    def lasts(self) -> bool:  # type: ignore[override]
        """Whether all of them do."""
        return all(refusal.lasts for refusal in self.refusals)


def for_each(items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Do the work for every item; a refusal of one does not keep the others from theirs. All refusals at the end.

    What has to wait is told and is no refusal, unless all there is has to wait.
    """
    refusals: list[Refusal] = []
    waiting: list[NotYet] = []
    count = 0
    for item in items:
        count += 1
        try:
            work(item)
        except NotYet as not_yet:
            waiting.append(not_yet)
        except Several as several:
            refusals += several.refusals
        except Refusal as refusal:
            refusals.append(refusal)
    if waiting and len(waiting) == count:
        raise waiting[0]
    for later in waiting:
        print(f"not yet: {later.what}: {later.remedy}")
    if len(refusals) > 1:
        raise Several(refusals)
    if refusals:
        raise refusals[0]


def for_each_at_once(items: Sequence[Item], work: Callable[[Item], object]) -> None:
    """As `for_each`, but all at the same time, each in a process. Who interrupts need not wait for any of them.

    Not in threads: with nothing new, most of the time is Python's own, and one lock would have them take turns.
    """
    if len(items) == 1:
        work(items[0])
        return
    fork = multiprocessing.get_context("fork")  # what is imported already is not imported again
    running: list[tuple[BaseProcess, Connection]] = []

    def start() -> None:
        for item in items:
            answer, tell = fork.Pipe(duplex=False)
            process = fork.Process(target=_one, args=(work, item, tell), daemon=True)  # it ends with this one
            process.start()
            tell.close()
            running.append((process, answer))

    def result(number: int) -> None:
        process, answer = running[number]
        try:
            failed: Exception | None = answer.recv()
        except EOFError:
            process.join()
            raise Refusal("a part of the work ended early", found=f"exit code {process.exitcode}") from None
        process.join()
        if failed:
            raise failed

    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPT)  # else one that was just started might be left over
        try:
            start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPT)
        for_each(range(len(items)), result)
    finally:
        for process, _ in running:
            process.terminate()


def _one(work: Callable[[Item], object], item: Item, tell: Connection) -> None:
    failed = None
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPT)
        work(item)
    except Exception as error:  # noqa: BLE001 - raised again by the one that started it
        failed = error
    except KeyboardInterrupt:  # who started it says so
        sys.exit(1)
    tell.send(failed)
