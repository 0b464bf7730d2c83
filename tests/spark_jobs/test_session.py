"""The engine, when it is there and when it is not, and tables that are known from their logs alone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from quality.refusal import Refusal
from spark_jobs.environment import Environment
from spark_jobs.session import (
    FEW_ROWS,
    UPKEEP,
    EngineDown,
    await_engine,
    connect,
    folder_of,
    plan_for,
    rows_at,
    rows_in,
    schema,
    settle,
    version,
)
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def test_an_engine_that_is_down_is_refused_with_what_to_do() -> None:
    with pytest.raises(EngineDown) as caught, connect("sc://127.0.0.1:1", patience_seconds=0.1):
        pass
    assert caught.value.where == "sc://127.0.0.1:1"
    assert "Connection refused" in caught.value.found
    assert "./kho up" in caught.value.remedy


def test_who_needs_an_engine_that_starts_waits_until_its_door_opens(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with socket.socket() as door:
        door.bind(("127.0.0.1", port))
        opening = threading.Timer(0.2, door.listen)
        opening.start()
        await_engine(f"127.0.0.1:{port}")
        opening.join()
    assert f"waiting up to 20 s for the engine at 127.0.0.1:{port}" in capsys.readouterr().err


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(Refusal, match="no address"), connect("localhost"):
        pass


def test_a_table_that_is_not_there_has_no_version_and_no_schema(tmp_path: Path) -> None:
    assert version(str(tmp_path), "city.wards") is None
    assert schema(str(tmp_path), "city.wards") is None
    (folder_of(str(tmp_path), "city.wards") / "_delta_log").mkdir(parents=True)
    assert version(str(tmp_path), "city.wards") is None


def test_rows_are_counted_from_the_logs_of_the_tables_that_there_are(tmp_path: Path) -> None:
    for count in (2, 3):
        rows = pa.table({"id": range(count)})
        write_deltalake(str(folder_of(str(tmp_path), "city.things")), rows, mode="append")
    assert rows_in(str(tmp_path), "city.things", "city.nothing") == 5
    assert rows_in(str(tmp_path), "city.nothing") == 0


def test_rows_that_are_only_marked_as_deleted_are_not_counted(corner: Environment) -> None:
    table = f"test_{uuid4().hex[:8]}.things"
    marks = "tblproperties ('delta.enableDeletionVectors' = 'true')"
    with connect(corner.engine) as spark:
        settle(spark, corner.warehouse, table)
        plan_for(spark, FEW_ROWS)  # of fewer, files are written anew
        for statement in (
            f"create table {table} using delta {marks} as select /*+ coalesce(1) */ id from range(1000)",
            f"delete from {table} where id % 10 = 3",
            f"insert into {table} values (1001), (1002)",
            f"delete from {table} where id > 990",
            f"delete from {table}",
        ):
            spark.sql(statement)
        assert list(folder_of(corner.warehouse, table).glob("deletion_vector*"))
        counted = [rows_at(corner.warehouse, table, at) for at in range(5)]
        asked = [spark.sql(f"select count(*) from {table} version as of {at}").collect()[0][0] for at in range(5)]
        spark.sql(f"drop schema {table.partition('.')[0]} cascade")
    assert counted == asked == [1000, 900, 902, 892, 0]


def test_version_and_schema_are_read_without_the_engine(corner: Environment) -> None:
    table = f"test_{uuid4().hex[:8]}.things"
    with connect(corner.engine) as spark:
        settle(spark, corner.warehouse, table)
        spark.sql(f"create table {table} (a string, b int, c bigint, d date) using delta")
        spark.sql(f"insert into {table} values ('x', 1, 2, null)")
    assert version(corner.warehouse, table) == 1
    assert schema(corner.warehouse, table) == {"a": "string", "b": "integer", "c": "long", "d": "date"}


def test_a_table_the_catalogue_knows_but_whose_folder_is_gone_can_be_made_again(corner: Environment) -> None:
    table = f"test_{uuid4().hex[:8]}.things"
    with connect(corner.engine) as spark:
        settle(spark, corner.warehouse, table)
        spark.sql(f"create table {table} (a string) using delta")
        folder = folder_of(corner.warehouse, table)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        settle(spark, corner.warehouse, table)
        spark.sql(f"create table {table} (b int) using delta")
        assert spark.table(table).columns == ["b"]


def test_a_step_with_nothing_to_do_imports_neither_spark_nor_pandas() -> None:
    """Nothing new must cost milliseconds: all eight steps together are to take less than 3 s."""
    steps = ("fetch", "ingest", "promote", "protect", "export")
    heavy = ("pyspark", "pandas", "pyarrow", "great_expectations", "grpc", "fsspec")
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                f"import sys\nfor step in {steps}: __import__('spark_jobs.' + step)\n"
                f"print([name for name in {heavy} if name in sys.modules])"
            ),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"


def test_what_upkeep_commits_is_no_version_that_is_new(tmp_path: Path) -> None:
    log = folder_of(str(tmp_path), "city.things") / "_delta_log"
    log.mkdir(parents=True)

    def commit(operation: str) -> int | None:
        info = {"commitInfo": {"operation": operation}}
        number = len(list(log.glob("*.json")))
        (log / f"{number:020}.json").write_text(f'{{"protocol": {{}}}}\n{json.dumps(info)}\n', encoding="utf-8")
        (log / f".{number:020}.json.crc").touch()
        (log / f"{number:020}.checkpoint.parquet").touch()
        return version(str(tmp_path), "city.things")

    assert commit("CREATE TABLE AS SELECT") == 0
    assert commit("MERGE") == 1
    for operation in sorted(UPKEEP):
        assert commit(operation) == 1
    assert commit("MERGE") == 2 + len(UPKEEP)
    assert commit("ADD COLUMNS") == 3 + len(UPKEEP)
