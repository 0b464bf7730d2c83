"""What an engine knows that was killed and has started anew: the tables whose folders are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyhive.exc import OperationalError
from TCLIService import ttypes

from infra.services.registry import SERVICES
from spark_jobs.session import connect, settle
from tests.infra.services.conftest import PRACTITIONERS, TABLES, Connect
from tests.kills import process_of
from tests.running import until, until_ready
from tests.stack import Stack

pytestmark = [
    pytest.mark.disruptive,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

BROKEN, HALF, ASIDE = "city.broken", "draft.half_made", "city.wards (cũ)"


@pytest.fixture(scope="module")
def started_anew(tables: Stack) -> Iterator[Stack]:
    """An engine that has been killed, and folders in its warehouse that are no sound tables."""
    folders = [folder(tables, table) for table in (BROKEN, HALF, ASIDE)]
    for one in folders:
        (one / "_delta_log").mkdir(parents=True)
    (folders[0] / "_delta_log" / f"{0:020}.json").write_text("rubbish\n", encoding="utf-8")
    shutil.copytree(folder(tables, "city.pupils"), folders[2], dirs_exist_ok=True)
    process_of(tables.settings, "engine").kill()
    until(lambda: SERVICES["engine"].ready(tables.settings) is not None)
    until_ready("engine", tables.settings)
    yield tables
    for one in folders:
        shutil.rmtree(one, ignore_errors=True)


def folder(stack: Stack, table: str) -> Path:
    schema, _, name = table.partition(".")
    return Path(stack.env["KHO_WAREHOUSE"]) / f"{schema}.db" / name


def rows(connection: Any, query: str) -> Any:
    cursor = connection.cursor()
    cursor.execute(query)
    return cursor.fetchall()


@pytest.mark.usefixtures("started_anew")
def test_whoever_asks_first_finds_every_table(thrift: Connect) -> None:
    assert rows(thrift(), "select sum(pupil_count) from city.pupils") == [(40,)]
    assert rows(thrift("kho"), "select count(*) from city.pupils version as of 0") == [(1,)]
    for table in TABLES:
        assert rows(thrift("kho"), f"select count(*) from {table}") == [(2,)]


@pytest.mark.usefixtures("started_anew")
def test_a_jdbc_client_is_shown_the_columns_of_what_analysts_read(thrift: Connect) -> None:
    connection = thrift()
    found = {}
    for schema in ("city", "raw_health"):
        request = ttypes.TGetColumnsReq(connection.sessionHandle, schemaName=schema, tableName="%", columnName="%")
        asked = connection.client.GetColumns(request)
        wanted = ttypes.TFetchResultsReq(asked.operationHandle, ttypes.TFetchOrientation.FETCH_NEXT, 1000)
        columns = connection.client.FetchResults(wanted).results.columns
        found[schema] = set(zip(columns[2].stringVal.values, columns[3].stringVal.values, strict=True))
    assert {("pupils", "girl_count"), ("practitioners", "full_name")} <= found["city"]
    assert not found["raw_health"]


def test_what_is_half_made_is_no_table_and_a_broken_log_is_told_to_who_reads_it(
    started_anew: Stack, thrift: Connect
) -> None:
    assert not rows(thrift("kho"), f"show tables in draft like '{HALF.partition('.')[2]}'")
    assert ASIDE.partition(".")[2] not in {name for _, name, _ in rows(thrift(), "show tables in city")}
    with pytest.raises(OperationalError) as caught:
        rows(thrift(), f"select * from {BROKEN}")
    assert "rubbish" in str(caught.value)
    log = (started_anew.settings.logs / "engine.log").read_text(encoding="utf-8")
    assert f"{BROKEN} is there, but its log cannot be read" in log


def test_a_table_may_be_filled_replaced_and_dropped_as_before(started_anew: Stack) -> None:
    warehouse, table = started_anew.env["KHO_WAREHOUSE"], "draft.people"
    with connect(started_anew.env["KHO_ENGINE"]) as spark:
        settle(spark, warehouse, table)
        spark.sql(f"insert into {table} {PRACTITIONERS}")
        assert spark.table(table).count() == 3
        spark.sql(f"create or replace table {table} using delta as {PRACTITIONERS}")
        assert spark.table(table).count() == 1
        spark.sql(f"drop table {table}")
        assert not folder(started_anew, table).exists()
        spark.sql(f"create table {table} using delta as {PRACTITIONERS}")
        assert spark.table(table).count() == 1
