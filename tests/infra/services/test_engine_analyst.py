"""What an analyst may say to the engine and what comes back, asked by a real client."""

from __future__ import annotations

from typing import Any

import pytest
from pyhive import hive

pytestmark = [
    pytest.mark.usefixtures("tables"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

PERSON, PUPIL = (None, None, "răng"), (2025, "Khối 1", 20, None, None)
JAVA = "('java.lang.System', 'getProperty', 'user.home')"
NAME = "(select max(full_name) from raw_health.people)"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select * from city.practitioners", [PERSON] * 2),
        ("table spark_catalog.city.practitioners", [PERSON] * 2),
        ("select * from city.practitioners version as of 0", [PERSON]),
        ("select full_name, count(*) from city.practitioners group by full_name", [(None, 2)]),
        ("select count(*) from city.practitioners where full_name = 'Lê Văn A'", [(0,)]),
        ("select count(*) from city.practitioners where upper(full_name) like 'L%'", [(0,)]),
        ("select count(full_name), max(licence_number), count(*) from city.practitioners", [(0, None, 2)]),
        ("select distinct first(full_name) over (order by licence_number) from city.practitioners", [(None,)]),
        ("select count(*) from city.practitioners a join city.practitioners b using (full_name)", [(0,)]),
        ("select stack(2, full_name, scope) from city.practitioners limit 2", [(None,), ("răng",)]),
        ("select * from city.pupils where girl_count < 10", []),
        ("select (select max(girl_count) from city.pupils) + 1", [(None,)]),
        ("select 1 from open.pupils where pupil_count in (select girl_count + boy_count from city.pupils)", []),
        ("select 1 where exists (select 1 from city.pupils where girl_count = 9)", []),
        ("select g from open.pupils, lateral (select max(girl_count) as g from city.pupils)", [(None,)]),
        (
            "with p as (select girl_count from city.pupils) select * from p union select boy_count from city.pupils",
            [(None,)],
        ),
        ("from city.pupils |> where girl_count > 0 |> select girl_count", []),
        ("select * from city.pupils unpivot (n for what in (girl_count, boy_count))", []),
        ("select distinct _metadata from city.practitioners", [(None,)]),
        ("table city.without_contract", [(None, None, None)] * 2),
    ],
)
def test_what_may_be_personal_is_null_in_whatever_is_asked(thrift: Any, query: str, expected: list[Any]) -> None:
    cursor = thrift().cursor()
    cursor.execute(query)
    assert cursor.fetchall() == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select * from open.pupils", [(2025, 20)]),
        ("select * from reference.lists limit 1", [("A",)]),
        ("select sum(pupil_count) from city.pupils", [(40,)]),
        (
            "select grade, sum(pupil_count) from city.pupils group by all having count(*) > 1 order by 1",
            [("Khối 1", 40)],
        ),
        ("with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select sum(i) from n", [(6,)]),
        ("select transform(array(1, 2), x -> x + 1), current_user()", [("[2,3]", "analyst")]),
        ("select * from values (1, 'a') as t(x, y), range(1)", [(1, "a", 0)]),
        ("select '${env:HOME}', '${spark.sql.warehouse.dir}'", [("${env:HOME}", "${spark.sql.warehouse.dir}")]),
        ("show columns in open.pupils", [("school_year",), ("pupil_count",)]),
        ("describe open.pupils", [("school_year", "int", None), ("pupil_count", "int", None)]),
    ],
)
def test_the_rest_of_city_open_and_reference_is_read(thrift: Any, query: str, expected: list[Any]) -> None:
    cursor = thrift().cursor()
    cursor.execute(query)
    assert cursor.fetchall() == expected


def test_a_plan_is_explained_without_what_may_be_personal(thrift: Any) -> None:
    cursor = thrift().cursor()
    cursor.execute("explain extended select max(full_name), max(scope) from city.practitioners")
    ((plan,),) = cursor.fetchall()
    assert "null AS full_name" in plan
    assert "Lê Văn A" not in plan


def test_schemas_are_gone_through_but_closed_ones_not_read(thrift: Any) -> None:
    cursor = thrift().cursor()
    cursor.execute("use raw_health")
    cursor.execute("show tables")
    assert {name for _, name, _ in cursor.fetchall()} == {"people", "people__rejected"}
    for statement in ("table people", "describe people", "show columns in people", "describe select * from people"):
        with pytest.raises(hive.OperationalError, match=r"raw_health\.people is closed"):
            cursor.execute(statement)
    cursor.execute("explain select * from people")
    assert "is closed" in str(cursor.fetchall())


@pytest.mark.parametrize(
    ("statement", "closed"),
    [
        *(
            (f"select * from {t}", "raw_health")
            for t in ("raw_health.people", "raw_health.people__rejected", "city.peek")
        ),
        ("table RAW_HEALTH.people", "RAW_HEALTH"),
        ("select * from draft.people version as of 0", "draft"),
        ("select * from spark_catalog.draft.people", "spark_catalog.draft"),
        ("with city as (select 1) select * from raw_health.people", "raw_health"),
        *((f"select {q}", "raw_health") for q in (NAME, f"1 where exists {NAME}", f"1 where 'x' in {NAME}")),
        *((f"select 1 {q} table raw_health.people", "raw_health") for q in ("union all", "except", "intersect")),
        *((f"select * from {q}", "raw_health") for q in (f"explode({NAME})", f"range({NAME})", f"values ({NAME})")),
        (f"select transform(array(1), x -> {NAME})", "raw_health"),
        (f"select * from city.pupils, lateral {NAME}", "raw_health"),
        *((f"select 1 from city.pupils {q} {NAME}", "raw_health") for q in ("group by", "order by", "limit", "having")),
        (f"select sum(1) over (order by {NAME}) from city.pupils", "raw_health"),
        (f"select * from city.pupils timestamp as of {NAME}", "raw_health"),
        ("from city.pupils |> union all table raw_health.people", "raw_health"),
        ("explain cost select * from raw_health.people", "raw_health"),
        ("describe raw_health.people", "raw_health"),
        *((f"select * from {kind}.`/etc/passwd`", kind) for kind in ("text", "parquet", "delta", "csv", "binaryFile")),
        ("select * from global_temp.x", "global_temp"),
    ],
)
def test_whatever_else_is_read_is_refused_by_its_name(thrift: Any, statement: str, closed: str) -> None:
    with pytest.raises(hive.OperationalError) as caught:
        thrift().cursor().execute(statement)
    words = f"an analyst reads the schemas city, open and reference: {closed} is closed"
    assert words in caught.value.args[0].status.errorMessage


@pytest.mark.parametrize(
    "statement",
    [
        *(
            "insert into city.pupils values (1)",
            "insert overwrite city.pupils table city.pupils",
            "delete from city.pupils",
        ),
        *("update city.pupils set grade = ''", "truncate table city.pupils", "drop table city.pupils"),
        "merge into city.pupils a using city.pupils b on false when not matched then insert *",
        *("insert overwrite directory '/tmp/x' using csv select 1", "load data inpath '/x' into table city.pupils"),
        *("create table city.x (a int)", "create table city.x using delta as select 1", "create schema x"),
        *("create table x using csv location '/etc'", "create view city.x as select 1", "drop schema city cascade"),
        *("create temporary view x as select 1", "create temporary view x using csv options (path '/etc/passwd')"),
        *("alter table city.pupils add columns (x int)", "comment on table city.pupils is 'x'", "vacuum city.pupils"),
        *(
            "optimize city.pupils",
            "restore city.pupils version as of 0",
            "create table city.x shallow clone city.pupils",
        ),
        *("analyze table city.pupils compute statistics", "msck repair table city.pupils", "refresh table city.pupils"),
        *("cache table city.pupils", "uncache table city.pupils", "clear cache", "refresh '/etc'"),
        *("add jar '/tmp/x.jar'", "add file '/etc/passwd'", "list jars", "create function f as 'x.Y'"),
        *("create temporary function f as 'x.Y'", "create temporary function f() returns int return 1"),
        *("set", "set -v", "set a=b", "set spark.sql.variable.substitute=true", "set time zone 'UTC'", "reset"),
        *("declare x int", "set var x = 1", "set catalog x", "execute immediate 'select 1'", "begin select 1; end"),
        *(f"select {f}{JAVA}" for f in ("reflect", "java_method", "try_reflect", "builtin.reflect", "`reflect`")),
        *(f"use identifier(reflect{JAVA})", "select identifier('reflect')" + JAVA),
        *("select * from identifier('raw_health.people')", "show tables in identifier('city')"),
        *("select transform(*) using 'cat' from city.pupils", "map grade using 'cat' from city.pupils"),
        *("select * from table_changes('city.pupils', 0)", "select * from table_changes('raw_health.people', 0)"),
        *("select * from table_changes_by_path('/tmp', 0)", "select * from python_worker_logs()"),
        *("select from_xml('', 'a int', map('rowValidationXSDPath', '/etc/passwd'))", "select xpath_string('', 'a')"),
        *("select input_file_name() from city.pupils", "select * from city.pupils with (path = '/etc/passwd')"),
        *("describe city.practitioners full_name", "describe history city.pupils", "describe detail delta.`/etc`"),
        *("show create table city.pupils", "show tblproperties city.pupils", "show table extended in city like '*'"),
        *("explain insert into city.pupils values (1)", "with t as (select 1) insert into city.pupils table t"),
        "from city.pupils insert into city.pupils select * insert into city.pupils select *",
    ],
)
def test_an_analyst_does_nothing_but_read(thrift: Any, statement: str) -> None:
    with pytest.raises(hive.OperationalError) as caught:
        thrift().cursor().execute(statement)
    message = caught.value.args[0].status.errorMessage
    assert "kho.Refused: an analyst reads: " in message
    assert "is not allowed; SELECT, WITH, EXPLAIN, DESCRIBE, USE and SHOW" in message
