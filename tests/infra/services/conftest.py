"""An engine with a few tables in every schema, and those who ask it over Thrift."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pyhive import hive

from spark_jobs.merge import Merge, merge
from spark_jobs.session import connect
from tests.stack import Stack

# Of the two with a contract, the columns that may be personal are those that an analyst must not see.
PRACTITIONERS = "select 'L1' as licence_number, 'Lê Văn A' as full_name, 'răng' as scope"
PUPILS = "select 2025 as school_year, 'Khối 1' as grade, 20 as pupil_count, 9 as girl_count, 11 as boy_count"
TABLES = {
    "city.practitioners": PRACTITIONERS,
    "city.pupils": PUPILS,
    "city.without_contract": PRACTITIONERS,
    "reference.lists": "select 'A' as code",
    "raw_health.people": PRACTITIONERS,
    "raw_health.people__rejected": PRACTITIONERS,
    "draft.people": PRACTITIONERS,
}
VIEW, OPENED = "city.peek", "open.pupils"


@pytest.fixture(scope="session")
def tables(engine: Stack) -> Iterator[Stack]:
    """The tables, each with one row in its first version and two in its second, and a view on a closed one."""
    with connect(engine.env["KHO_ENGINE"]) as spark:
        for table, rows in TABLES.items():
            spark.sql(f"create schema if not exists {table.partition('.')[0]}")
            spark.sql(f"create table {table} using delta as {rows}")
            spark.sql(f"insert into {table} {rows}")
        opened = Merge("city.pupils", 0, OPENED, {"school_year": "int", "pupil_count": "int"}, ["school_year"], {})
        merge(engine.environment, opened)
        spark.sql(f"create view {VIEW} as select * from raw_health.people")
    yield engine
    with connect(engine.env["KHO_ENGINE"]) as spark:  # the engine may have been started anew
        spark.sql(f"drop view if exists {VIEW}")
        for table in (*TABLES, OPENED):
            spark.sql(f"drop table {table}")


Connect = Callable[..., Any]


@pytest.fixture
def thrift(engine: Stack) -> Iterator[Connect]:
    """Opens a connection as an account, the analyst's if none is named; all are closed at the end."""
    logging.getLogger("thrift").setLevel(logging.CRITICAL)  # it logs each refused connection
    opened = []

    def open_one(user: str = "analyst", password: str = "", settings: Mapping[str, str] | None = None) -> Any:
        connection = hive.connect(
            "127.0.0.1",
            port=engine.settings.ports["thrift"],
            username=user,
            auth="CUSTOM",
            password=password or engine.settings.secret(f"engine-{user}"),
            configuration=settings,
        )
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()
