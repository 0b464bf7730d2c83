"""Kills while something is published, with readers that watch: what the test and `tests/bench/kills.py` share.

A publisher of its own process brings one dataset from version to version. At a point that a seed has drawn - before or
within one of its questions, or at any moment - somebody is killed: the publisher itself, a process of the portal's, of
its jobs', or of the database's. What readers are given meanwhile must be the version before or the one after, whole,
and two more runs must mend whatever was left.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

import psutil
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from infra.services import postgres
from infra.settings import Settings
from portal_sync import whole
from portal_sync.client import Client
from portal_sync.portal import Changes, Entry, State
from quality.refusal import Refusal
from tests.portal import changes_for, dataset, publish, publisher, state
from tests.readers import ABSENT, Readers, Rows
from tests.running import PATIENCE_SECONDS, until, until_ready
from tests.stack import Stack

NAME = "thu-giet"
VICTIMS = ("publisher", "portal", "portal-jobs", "postgres")
KINDS = ("replace", "patch", "create", "jobs", "patch")  # five, so that each meets each of the four victims
FEW, MANY = 300, 100_100  # rows; of more than 100,000 the portal makes a table in a job
RUNS = 2  # that may be needed to mend what a kill left
_WORKERS = 2  # of gunicorn
_GIVE_UP = 10

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Point:
    """Who is killed in a publication of which kind, and when.

    `question`: at which of those that the publisher asks, counted from 0; None at any moment. `after`: the share of
    that question's time, or of the whole publication's, that goes by first.
    """

    victim: str
    kind: str
    question: int | None
    after: float


@dataclass(frozen=True)
class Told:
    """What came of a point. `runs`: how many it took to mend it; `faults`: what ought not to be."""

    point: Point
    at: str
    answers: int
    failed: int
    runs: int
    faults: tuple[str, ...]

    def __str__(self) -> str:
        """One line, and one for each fault."""
        line = f"{self.point.kind:8} {self.point.victim:12} {self.at:60} {self.answers:4} answers, {self.failed} failed"
        return "\n    ".join([f"{line}; mended by {self.runs} runs", *self.faults])


class Asking(Client):
    """A publisher that tells what it is about to ask, and waits until it may."""

    def __init__(self, url: str, token: str, ask: Connection) -> None:
        """Nothing is sent yet."""
        super().__init__(url, token)
        self._ask, self._one_at_a_time = ask, threading.Lock()

    def call(self, action: str, data: dict[str, Any] | None = None, files: dict[str, Any] | None = None) -> Any:
        self._wait(action)
        return super().call(action, data, files)

    def put(self, path: str, stream: IO[bytes] | Iterable[bytes], **parameters: str) -> Any:
        self._wait(f"PUT {path.split('/')[2]}")
        return super().put(path, stream, **parameters)

    def sha256(self, path: str) -> str:
        self._wait("GET download")
        return super().sha256(path)

    def _wait(self, what: str) -> None:
        with self._one_at_a_time:
            self._ask.send(what)
            self._ask.recv()


def run_publisher(url: str, token: str, wanted: State, ask: Connection, told: str) -> None:
    """Plan and apply, in a process of its own. What it is refused for, the next run meets or mends; `told` holds it."""
    with Path(told).open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
        try:
            publish(Asking(url, token, ask), wanted)
        except Refusal as refusal:
            print(refusal, file=sys.stderr, flush=True)


class Run:
    """A publisher at work. It waits before the question that `waits` picks, told all so far, until `go`."""

    def __init__(self, stack: Stack, wanted: State, waits: Callable[[list[str]], bool] | None = None) -> None:
        """It is started."""
        self.asked: list[tuple[str, float]] = []  # and when
        self.reached, self.go = threading.Event(), threading.Event()
        ours, theirs = _forks.Pipe()
        self._told = tempfile.NamedTemporaryFile(encoding="utf-8", mode="r")  # noqa: SIM115 - until the run is gone
        arguments = (stack.settings.portal_url, stack.env["KHO_PORTAL_TOKEN"], wanted, theirs, self._told.name)
        self.process: BaseProcess = _forks.Process(target=run_publisher, args=arguments)
        self.process.start()
        theirs.close()
        self._letting = threading.Thread(target=self._let, args=(ours, waits))
        self._letting.start()

    def end(self) -> None:
        """Let it go on to its end."""
        self.go.set()
        self.process.join()
        self._letting.join()

    @property
    def told(self) -> str:
        """What it was refused for, if it was."""
        return self._told.read()

    def _let(self, ask: Connection, waits: Callable[[list[str]], bool] | None) -> None:
        with suppress(EOFError, OSError), ask:
            while True:
                what = ask.recv()
                self.asked.append((what, time.monotonic()))
                if waits and not self.reached.is_set() and waits([name for name, _ in self.asked]):
                    self.reached.set()
                    self.go.wait()
                ask.send(None)
        self.reached.set()


@dataclass
class Trial:
    """One dataset that is published again and again.

    `questions` by kind: what a publisher asks, and the seconds until the next question.
    """

    stack: Stack
    folder: Path
    random: random.Random
    readers: Readers
    version: int = ABSENT
    rows: Rows = field(default_factory=dict)
    questions: dict[str, list[tuple[str, float]]] = field(default_factory=dict)

    def undisturbed(self) -> list[str]:
        """Once of each kind. Returns what went wrong: nothing."""
        faults = []
        for kind in sorted(set(KINDS)):
            run = Run(self.stack, self._next(kind))
            run.end()
            ends = [*[at for _, at in run.asked[1:]], time.monotonic()]
            self.questions[kind] = [(name, end - at) for (name, at), end in zip(run.asked, ends, strict=True)]
            runs, unmended = self._mend()
            faults += [*unmended, *self._misread("", 0, 0), *([f"{kind}: {runs} runs; {run.told}"] if runs else [])]
        return faults

    def points(self, number: int) -> list[Point]:
        """A third of them before a question, a third within one, a third at any moment."""
        drawn = []
        for place in range(number):
            victim, kind = VICTIMS[place % len(VICTIMS)], KINDS[place % len(KINDS)]
            question = None if place % 3 == 2 else self.random.randrange(len(self.questions[kind]))
            drawn.append(Point(victim, kind, question, 0.0 if place % 3 == 0 else self.random.random()))
        return drawn

    def kill(self, point: Point) -> Told:
        """Publish, kill, mend, and judge what was seen."""
        if "jobs" in point.kind + point.victim:
            until_ready("portal-jobs", self.stack.settings)
        run = Run(self.stack, self._next(point.kind), lambda asked: len(asked) - 1 == point.question)
        seconds = [taken for _, taken in self.questions[point.kind]]
        if point.question is None:
            run.process.join(sum(seconds) * point.after)
        else:
            run.reached.wait(PATIENCE_SECONDS)
            if point.after:
                run.go.set()
                run.process.join(seconds[point.question] * point.after)
        place, killed = len(run.asked), time.monotonic()
        with _killing(self.stack.settings, point.victim, run.process, self.random) as who:
            run.end()
        back = time.monotonic()
        runs, faults = self._mend()
        failed = sum(1 for answer in self.readers.answers if answer.failed)
        answers = len(self.readers.answers)
        faults += self._misread(point.victim, killed, back)
        moment = "before" if point.question is not None and not point.after else "within"
        name = f"{moment} {place - 1} {run.asked[place - 1][0]}" if place else "at the start"
        return Told(point, f"{name}: {who}", answers, failed, runs, tuple(faults))

    def _next(self, kind: str) -> State:
        """What is to be published: the next version, which readers may see from now on."""
        if kind == "create":
            self.readers.allowed |= {ABSENT}
            publish(publisher(self.stack), {}, also=[NAME])
            self.version, self.rows = self.version, {}
        before, self.version = self.version, self.version + 1
        rows = _rows(kind, self.rows, self.version)
        self.readers.learn(self.version, rows)
        self.readers.allowed = frozenset({ABSENT if kind == "create" else before, self.version})
        entry = dataset(NAME, self.folder, rows.items(), self.version)
        if kind == "patch":
            entry = _with_changes(entry, self.rows, rows, before)
        self.rows = rows
        self._wanted = state(entry)
        return self._wanted

    def _mend(self) -> tuple[int, list[str]]:
        """Publishers run until there is nothing left to do: how many had to, and what is wrong then."""
        client, runs, faults = publisher(self.stack), 0, []
        while runs < _GIVE_UP and changes_for(client, self._wanted)[0]:
            runs += 1
            try:
                publish(client, self._wanted)
            except Refusal as refusal:
                faults.append(str(refusal))
        if runs <= RUNS:
            faults = []
        (entry,) = (entry for (_, name), entry in self._wanted.items() if name == NAME)
        return runs, faults + self._unproven(client, entry)

    def _unproven(self, client: Client, entry: Entry) -> list[str]:
        try:
            (shown,) = client.call("package_show", {"id": NAME})["resources"]
            assert entry.table
            whole.prove(client, shown["id"], entry.table)
            if client.sha256(f"download/{NAME}/cases.csv") != entry.files["cases.csv"].sha256:
                return ["the file is not the one that was published"]
        except Refusal as refusal:
            return [str(refusal)]
        return []

    def _misread(self, victim: str, killed: float, back: float) -> list[str]:
        """What readers should not have been given. Who is killed may fail, until it is back; nobody else."""
        answers, self.readers.answers = self.readers.answers, []
        may_fail = victim in ("portal", "postgres")
        faults = []
        for answer in answers:
            if answer.failed:
                if not (may_fail and answer.began <= back and answer.ended >= killed):
                    faults.append(f"{answer.asked} failed {answer.began - killed:.2f} s after: {answer.failed}")
            elif answer.version not in answer.allowed:
                seen = "no version" if answer.version is None else answer.version
                faults.append(f"{answer.asked} gave {seen} instead of {sorted(answer.allowed)}")
        return faults


def _rows(kind: str, before: Rows, version: int) -> Rows:
    """Of a version: all rows say its number, or after a patch a few do, and one is new."""
    if kind != "patch":
        return {f"dòng {number:05}": version for number in range(MANY if kind == "jobs" else FEW)}
    kept = {name: value for name, value in before.items() if not name.startswith("thêm")}
    return kept | dict.fromkeys(sorted(kept)[:5], version) | {f"thêm {version}": version}


def _with_changes(entry: Entry, before: Rows, after: Rows, since: int) -> Entry:
    """The same, with what leads to it from the version before."""
    updated = [name for name in sorted(before.keys() & after.keys()) if before[name] != after[name]]
    inserted, deleted = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    told = [("update_preimage", name, before[name]) for name in updated]
    told += [("update_postimage", name, after[name]) for name in updated]
    told += [("insert", name, after[name]) for name in inserted] + [("delete", name, before[name]) for name in deleted]
    table = entry.table
    assert table
    assert table.path
    path = table.path.with_name("changes.parquet")
    kinds, names, values = zip(*told, strict=True)
    arrays: list[Any] = [pa.array(kinds), pa.array(names), pa.array(values, pa.int32())]
    pq.write_table(pa.table(arrays, names=["_change", "ten", "so_ca"]), path)
    changes = Changes(since, len(inserted), len(updated), len(deleted), path)
    return replace(entry, table=replace(table, changes=changes))


@contextmanager
def _killing(settings: Settings, victim: str, process: BaseProcess, rng: random.Random) -> Iterator[str]:
    """Kill; at the end wait until it is back, which takes whoever looks after it."""
    if victim == "publisher":
        process.kill()
        yield "the publisher"
    elif victim == "postgres":
        with postgres.connect(settings) as witness:
            yield _kill(lambda: _backend(witness, rng))[0]
            until(lambda: _is_lost(witness))  # the server ends all connections, for its memory may be spoilt
        until_ready("postgres", settings)
    else:
        service = process_of(settings, victim)

        def choose() -> tuple[str, psutil.Process]:
            below = service.children(recursive=True)
            chosen = _serving(below, process.pid, rng) if victim == "portal" else rng.choice([service, *below])
            return f"{'its own' if chosen in below else 'the'} process of {victim}", chosen

        who, chosen = _kill(choose)
        yield who
        if victim == "portal":
            until(lambda: len(service.children()) >= _WORKERS and chosen not in service.children())


def _kill(choose: Callable[[], tuple[str, psutil.Process]]) -> tuple[str, psutil.Process]:
    """Who is chosen; another one, if that has just ended by itself."""
    while True:
        with suppress(psutil.NoSuchProcess):
            who, chosen = choose()
            chosen.kill()
            return who, chosen


def _serving(workers: list[psutil.Process], publisher: int | None, rng: random.Random) -> psutil.Process:
    """That which the publisher is talking to, if it is to any."""
    with suppress(psutil.Error):
        ports = {one.laddr.port for one in psutil.Process(publisher).net_connections()}
        for worker in workers:
            if any(one.raddr and one.raddr.port in ports for one in worker.net_connections()):
                return worker
    return rng.choice(workers)


def _backend(witness: psycopg.Connection[Any], rng: random.Random) -> tuple[str, psutil.Process]:
    """One that loads a table, if there is any."""
    found = witness.execute(
        "select application_name, datname, pid from pg_stat_activity where backend_type = 'client backend'"
        " and pid <> pg_backend_pid() order by application_name <> 'kho tables', pid"
    ).fetchall()
    loading = [row for row in found if row[0] == "kho tables"]
    name, database, pid = rng.choice(loading or found)
    return f"a backend of {database} {name}".strip(), psutil.Process(pid)


def _is_lost(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("select 1")
    except psycopg.OperationalError:
        return True
    return False


def process_of(settings: Settings, service: str) -> psutil.Process:
    """That of a service, which has started the others."""
    return psutil.Process(int((settings.run / f"{service}.started").read_text()))
