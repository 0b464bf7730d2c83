"""A table brought to what another says has its values exactly, whatever their type, and however few they are."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from quality.contract import TYPES
from spark_jobs.environment import Environment
from spark_jobs.merge import Merge, merge
from spark_jobs.raw import SPARK_NAMES
from spark_jobs.session import connect, version

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


@pytest.mark.usefixtures("few_rows_or_many")
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
            told = merge(spark, corner.warehouse, Merge(source, at, target, COLUMNS, ("id",), {}))
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
