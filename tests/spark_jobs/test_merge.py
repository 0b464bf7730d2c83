"""A table brought to what another says has its values exactly, whatever their type, and whoever writes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from uuid import uuid4

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from quality.contract import TYPES
from spark_jobs import merge as merging
from spark_jobs.environment import Environment
from spark_jobs.merge import Merge, made_from, merge
from spark_jobs.raw import SPARK_NAMES
from spark_jobs.session import connect, folder_of, version

# Of pyspark and deltalake; none is ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

COLUMNS = {"id": "int", **{f"a_{kind}": SPARK_NAMES.get(kind, kind) for kind in TYPES}}
FULL = """
    select id, concat('Số ', id, chr(10), {n}), id + {n}, 9007199254740993 + {n}, id / 3D + {n}, id % 2 = {n},
        date'1900-01-01' + {n}, timestamp'1950-03-01 04:05:06.789012' + make_interval(0, 0, 0, 0, 0, 0, {n}),
        unhex('00ff0{n}')
    from range(1, 4) as numbers(id)
"""
ODD = "select 4, '', -2147483648, -1, double('NaN'), false, date'9999-12-31', timestamp'1880-01-01 00:00:00', unhex('')"
NULL = f"select 5, {', '.join(['null'] * len(TYPES))}"


@pytest.mark.usefixtures("by_engine")
def test_values_of_every_type_come_through_a_merge(
    corner: Environment, ask: Callable[[str], list[tuple[object, ...]]]
) -> None:
    name = f"test_{uuid4().hex[:8]}"
    source, target = f"draft.{name}", f"city.{name}"
    columns = ", ".join(f"cast({column} as {kind}) as {column}" for column, kind in COLUMNS.items())

    def brought(*rows: str) -> str:
        with connect(corner.engine) as spark:
            for schema in ("draft", "city"):
                spark.sql(f"create schema if not exists {schema}")
            every = f"select {columns} from ({' union all '.join(rows)}) as rows({', '.join(COLUMNS)})"
            spark.sql(f"create or replace table {source} using delta as {every}")
            at = version(corner.warehouse, source) or 0
        told = merge(corner, Merge(source, at, target, COLUMNS, ("id",), {}))
        both = (
            f"select * from {one} except all select * from {other}"
            for one, other in ((source, target), (target, source))
        )
        assert [ask(query) for query in both] == [[], []]
        return told

    assert brought(FULL.format(n=0)) == "first version"
    assert brought(FULL.format(n=0), ODD) == "inserted 1, updated 0, deleted 0"
    assert brought(FULL.format(n=1), NULL) == "inserted 1, updated 3, deleted 1"
    assert brought(FULL.format(n=1), NULL) == ""
    assert ask(f"select count(*), count(a_timestamp) from {target}") == [(4, 3)]


def test_merged_by_turns_here_and_by_the_engine_a_table_keeps_its_rows_and_its_feed(
    corner: Environment, ask: Callable[[str], list[tuple[object, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"test_{uuid4().hex[:8]}"
    source, target = f"draft.{name}", f"city.{name}"
    columns = {"id": "int", "said": "string"}
    with connect(corner.engine) as spark:  # as tables were that the engine made: what is deleted is marked as such
        spark.sql("create schema if not exists city")
        spark.sql(
            f"create table {target} (id int, said string) using delta "
            "tblproperties ('delta.enableDeletionVectors' = 'true', 'delta.enableChangeDataFeed' = 'true')"
        )
    for number in range(13):  # with the tenth version, the log is put together
        monkeypatch.setattr(merging, "HELD_AT_MOST", 0 if number % 2 else 1 << 20)
        with connect(corner.engine) as spark:
            for schema in ("draft", "city"):
                spark.sql(f"create schema if not exists {schema}")
            spark.sql(
                f"create or replace table {source} using delta as "
                f"select cast(id as int), if(id = {number + 9}, 'now', 'then') as said "
                f"from range({number}, {number + 10})"
            )
        at = version(corner.warehouse, source) or 0
        told = merge(corner, Merge(source, at, target, columns, ("id",), {"nth": number}))
        assert told == f"inserted {1 if number else 10}, updated {min(number, 1)}, deleted {min(number, 1)}"
        assert made_from(corner.warehouse, target, number + 1) == {"nth": number}
    assert list(folder_of(corner.warehouse, target).glob("deletion_vector*"))
    assert ask(f"select min(id), max(id), count(*), count_if(said = 'now') from {target}") == [(12, 21, 10, 1)]
    assert ask(f"select min(id), max(id) from {target} version as of 8") == [(7, 16)]
    feed = f"select _commit_version - id, _change_type, said, count(*) from table_changes('{target}', 2) group by all"
    assert sorted(ask(feed), key=str) == [
        (-7, "update_postimage", "then", 12),
        (-7, "update_preimage", "now", 12),
        (-8, "insert", "now", 12),
        (2, "delete", "then", 12),
    ]


def test_a_table_that_is_made_without_the_engine_is_known_to_it(
    corner: Environment, ask: Callable[[str], list[tuple[object, ...]]]
) -> None:
    name = f"test_{uuid4().hex[:8]}"
    source, target = f"draft.{name}", f"city.{name}"
    write_deltalake(str(folder_of(corner.warehouse, source)), pa.table({"id": pa.array([1], pa.int32())}))
    without_engine = dataclasses.replace(corner, engine="sc://127.0.0.1:1")
    assert merge(without_engine, Merge(source, 0, target, {"id": "int"}, ("id",), {})) == "first version"
    assert ask(f"show tables in city like '{name}'") == [("city", name, False)]
    assert ask(f"select * from {target}") == [(1,)]
    assert merge(without_engine, Merge(source, 0, target, {"id": "int"}, ("id",), {})) == ""
    for table in (source, target):
        ask(f"drop table {table}")
        assert not folder_of(corner.warehouse, table).exists()
    assert ask(f"show tables in city like '{name}'") == []
