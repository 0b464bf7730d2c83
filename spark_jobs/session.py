"""The engine, and what can be known of a Delta table without it."""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from quality.contract import READABLE
from quality.refusal import Refusal
from spark_jobs.places import ensure_folder, place, remove_folder

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

# The session of each engine, one a process: opening one takes a second. None is ever collected: the finalizer of a
# session (pyspark 4.1.4) joins a thread pool that all sessions share, and when the garbage collector happens to run it
# in a thread of that very pool, the process hangs for ever (seen in `promote`).
_OPEN: dict[str, Any] = {}
_KEPT: list[Any] = []
_GONE = re.compile("UNAVAILABLE|RETRIES_EXCEEDED|SESSION_(NOT_FOUND|CHANGED|CLOSED)|NO_ACTIVE_SESSION|Connection re")
PATIENCE_SECONDS = 20.0  # a killed engine is back within 7 to 15 s (supervisor)
LEAVE_SECONDS = 5.0
FEW_ROWS = 100_000
# Commits that change no row. OPTIMIZE writes the same rows into fewer files; the others write none at all.
UPKEEP = {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES"}
_COMMIT = re.compile(r"\d{20}\.json")


class Earlier(NamedTuple):
    """A version of a table that was there at a time (ms): of one that was made anew, another has the same number."""

    version: int
    seen: int


class EngineDown(Refusal):
    """Nobody answers, or nobody answers any more."""


class TokenRefused(Refusal):
    """Spark Connect is for the steps alone."""


@contextmanager
def connect(engine: str, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[SparkSession]:
    """A Spark Connect session, this process's own, open until it ends.

    `engine` is `sc://host:port/;token=…`. Importing pyspark takes a second: call this only when there is work to do.
    """
    await_engine(_address(engine)[0], patience_seconds)
    from pyspark.errors.exceptions.connect import SparkConnectException  # noqa: PLC0415

    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")  # told below, once and in words
    logging.getLogger("SQLQueryContextLogger").disabled = True  # prints every failed query's Java stack on stderr
    try:
        try:
            plan_for(_OPEN[engine], 0)
        except (KeyError, SparkConnectException):  # none yet, or one of an engine that was started anew since
            _open(engine)
        yield _OPEN[engine]
    except KeyboardInterrupt:
        _end_soon()
        raise
    except SparkConnectException as error:
        _OPEN.pop(engine, None)
        if "UNAUTHENTICATED" in str(error):
            raise TokenRefused(
                "the engine does not know the token",
                where=_address(engine)[0],
                expected="the secret engine-connect of the installation that it belongs to",
                found="another token, or none",
                remedy="start this step through `./kho` of that installation",
            ) from error
        if not _GONE.search(str(error)):
            raise
        raise EngineDown(
            "the engine went away in the middle",
            where=_address(engine)[0],
            found=_said(str(error)),
            remedy="run the same command again, what was finished stays; `./kho logs engine` says why",
        ) from error


def await_engine(address: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Return when somebody listens at one of its doors, `sc://host:port` or `host:port`. Raises EngineDown."""
    host, _, port = address.removeprefix("sc://").rpartition(":")
    deadline = time.monotonic() + patience_seconds
    told = False
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
        except OSError as error:
            if time.monotonic() >= deadline:
                raise EngineDown(
                    "the engine does not answer",
                    where=address,
                    expected="somebody listening there",
                    found=f"{error.strerror or error}, for {patience_seconds:.0f} s",
                    remedy="`./kho up` starts it; `./kho status` and `./kho logs engine` say why it is down",
                ) from error
        else:
            return
        if not told:
            print(f"waiting up to {patience_seconds:.0f} s for the engine at {address}", file=sys.stderr)
            told = True
        time.sleep(0.5)


def _open(engine: str) -> None:
    from pyspark.sql import SparkSession  # noqa: PLC0415
    from pyspark.sql.connect.client.retries import DefaultPolicy  # noqa: PLC0415

    address, token = _address(engine)
    # Not as `;token=`, with which this client (4.1.4) demands TLS, or the host name localhost, of which a server on the
    # other loopback address (::1) may be somebody else's.
    spark: Any = SparkSession.builder.remote(f"{address}/;authorization=Bearer%20{token}").create()
    # The default policy retries for more than ten minutes, silently.
    spark.client.set_retry_policies([DefaultPolicy(max_retries=6, max_backoff=5000)])
    plan_for(spark, 0)
    _OPEN[engine] = spark
    _KEPT.append(spark)


def _end_soon() -> None:
    """Who stopped us need not wait for what the client still has to tell the engine: that took over a minute at times.

    Python waits at its end for the threads of a pool that the client has (pyspark 4.1.4); a daemon outlives that.
    """

    def end() -> None:
        time.sleep(LEAVE_SECONDS)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


@atexit.register
def _close() -> None:
    for spark in _OPEN.values():
        with suppress(Exception):  # an engine that died has forgotten the session already
            spark.stop()


def is_large(rows: int) -> bool:
    """Whether a table of so many rows is one of many."""
    return rows >= FEW_ROWS


def plan_for(spark: SparkSession, rows: int) -> None:
    """Have this session's queries, over so many rows, planned as suits them. At first few."""
    for name, value in planning_settings(is_large=is_large(rows)).items():
        spark.conf.set(name, value)


def planning_settings(*, is_large: bool) -> dict[str, str]:
    """Spark's settings for large queries, whose plans are changed as they run and compiled to Java; for others not.

    The compiler costs what thousands of rows cost: a sequence of seven small ingests after a cold start took the engine
    128 s of processor time with it and 97 s without (Spark 4.1.4, two cores). Without change, and with one task after a
    shuffle, all drafts of few rows, their tests and some promotions took it 183 s instead of 221 s; with one task for
    what is read as well, 198 s instead of 207 s, side by side.
    """
    return {
        "spark.sql.codegen.wholeStage": "true" if is_large else "false",
        "spark.sql.codegen.factoryMode": "FALLBACK" if is_large else "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "true" if is_large else "false",
        "spark.sql.shuffle.partitions": "4" if is_large else "1",
        "spark.sql.leafNodeDefaultParallelism": "2" if is_large else "1",
        "spark.sql.files.minPartitionNum": "2" if is_large else "1",
    }


def rows_in(warehouse: str, *tables: str) -> int:
    """How many rows the files of tables hold, from their logs alone. Rows deleted since may count too."""
    logs = [log for table in tables if (log := delta_table(warehouse, table))]
    return sum(map(_held, logs))


def rows_at(warehouse: str, table: str, at: int) -> int:
    """How many rows a version of a table that is there holds, exactly, without the engine.

    Those of its files, less those that were marked as deleted. 24 tables of a city: 0.2 s, not 7.6 s of a young engine.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    log = table_at(warehouse, table, at)
    held = _held(log)
    for remains in pa.table(log.deletion_vectors().read_all())["selection_vector"]:  # of each file that has a mark
        held -= pc.sum(pc.invert(remains.values)).as_py() or 0
    return held


def _held(log: DeltaTable) -> int:
    """How many rows the files of a table hold, those marked as deleted too."""
    return sum(log.get_add_actions(flatten=True)["num_records"].to_pylist())


def version(warehouse: str, table: str) -> int | None:
    """The newest version of `schema.table` that changed it, from its log alone; None when there is no such table.

    Every step compares versions to know whether there is something new, so upkeep does not count; what it puts
    together stays readable as this version (`compact`). Without a library: importing one takes 0.35 s, this 0.5 ms.
    """
    log = folder_of(warehouse, table) / "_delta_log"
    if not log.is_dir():
        return None
    commits = sorted((path for path in log.iterdir() if _COMMIT.fullmatch(path.name)), reverse=True)
    changes = (path for path in commits if _operation(path) not in UPKEEP)
    newest = next(changes, commits[-1] if commits else None)
    return int(newest.stem) if newest else None  # none: its creation was killed before the first commit


def _operation(commit: Path) -> str:
    with commit.open(encoding="utf-8") as lines:  # Spark writes it first
        for line in lines:
            if info := json.loads(line).get("commitInfo"):
                return str(info.get("operation", ""))
    return ""


def schema(warehouse: str, table: str) -> Mapping[str, str] | None:
    """Column → type as Delta writes it (`string`, `integer`, `long`, …), in order; None when there is no such table."""
    found = delta_table(warehouse, table)
    return None if found is None else {field.name: str(field.type.type) for field in found.schema().fields}


def delta_table(warehouse: str, table: str) -> DeltaTable | None:
    """The log of a table, or None."""
    folder = folder_of(warehouse, table)
    if not (folder / "_delta_log").is_dir():
        return None
    from deltalake import DeltaTable  # noqa: PLC0415
    from deltalake.exceptions import TableNotFoundError  # noqa: PLC0415

    try:
        return DeltaTable(str(folder))
    except TableNotFoundError:
        return None  # its creation was killed before the first commit


def table_at(warehouse: str, table: str, at: int | None = None) -> DeltaTable:
    """The log of a table that is there, as it is or as a version of it was."""
    log = delta_table(warehouse, table)
    if log is None:
        raise AssertionError(table)
    if at is not None:
        log.load_as_version(at)
    return log


def lineage(warehouse: str, table: str) -> str:
    """Delta's id of a table that is there. One that was made anew has another, and its versions begin again."""
    return str(table_at(warehouse, table).metadata().id)


def folder_of(warehouse: str, table: str) -> Path:
    """Where the engine keeps a managed table."""
    schema_name, _, name = table.partition(".")
    return place(warehouse) / f"{schema_name}.db" / name


def settle(spark: SparkSession, warehouse: str, table: str) -> None:
    """Before the engine makes a table: undo what a killed CREATE or DROP left of it, and have its schema.

    Only for the one step that writes `table`, while it holds its lock.
    """
    schema_name, _, name = table.partition(".")
    ensure_folder(place(warehouse) / f"{schema_name}.db", is_open=schema_name in READABLE)
    spark.sql(f"create schema if not exists {schema_name}")
    if version(warehouse, table) is not None:
        return
    # Not `tableExists`: it raises when the catalogue knows a table whose folder is gone.
    if name in {row["tableName"] for row in spark.sql(f"show tables in {schema_name}").collect()}:
        spark.sql(f"drop table {table}")
    remove_folder(folder_of(warehouse, table))


def _said(error: str) -> str:
    """What gRPC says happened, without its own wrapping."""
    details = re.search(r'details = "(.+?)"', error)
    return details[1] if details else error.strip().partition("\n")[0]


def _address(engine: str) -> tuple[str, str]:
    """Where the engine is, which may be shown, and the token that it asks for, which may not."""
    found = re.fullmatch(r"(sc://[^:/;]+:\d+)(?:/;token=(\w+))?", engine)
    if not found:
        shown = engine.partition(";")[0]
        raise Refusal("KHO_ENGINE is no address of Spark Connect", expected="sc://host:port/;token=…", found=shown)
    return found[1], found[2] or ""
