from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from infra.services import postgres
from infra.settings import Settings, read_settings
from quality.delivery import Delivery
from quality.refusal import Refusal
from spark_jobs.connectors import Offer, sql
from spark_jobs.connectors.refusals import LoginRefused, NotThere, Unreachable
from spark_jobs.connectors.sql import WatermarkWentBack, connect
from tests.ports import free_port
from tests.running import postgres_server
from tests.spark_jobs.connectors.servers import HOST, cutting_line, delivery, extract

PORT = 27950  # of one server: tests of a module run in one process
READER, PASSWORD = "reader", "p@ss/w:rd%#?"
NOON = datetime(2026, 7, 31, 12, tzinfo=UTC)

Execute = Callable[..., None]


@pytest.fixture(scope="module")
def server() -> Iterator[Settings]:
    """PostgreSQL with a role that may read."""
    # Not in pytest's own folder: that is closed to others, and as root the server runs as somebody else.
    home = read_settings().home / "cache" / f"connectors {os.getpid()}"
    home.mkdir(parents=True)
    settings = dataclasses.replace(read_settings(), home=home, ports={**read_settings().ports, "postgres": PORT})
    try:
        with postgres_server(settings):
            settings.keep_secret(f"postgres-{READER}", PASSWORD)
            postgres.ensure_role(settings, READER)
            with postgres.connect(settings) as connection:
                connection.execute(f"grant pg_read_all_data to {READER}")
            yield settings
    finally:
        shutil.rmtree(home)


@pytest.fixture
def database(server: Settings) -> Iterator[str]:
    """A database of the test's own."""
    name = f"d{uuid4().hex[:8]}"
    with postgres.connect(server) as connection:
        connection.execute(f"create database {name}")
        yield name
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def execute(server: Settings, database: str) -> Execute:
    """As the department itself."""

    def execute(statement: str, *parameters: object) -> None:
        with postgres.connect(server, database) as connection:
            connection.execute(statement, parameters or None)

    return execute


@pytest.fixture
def projects(execute: Execute) -> Delivery:
    """A table `projects` with three rows, of 10, 11 and 12 o'clock."""
    execute("create table projects (id int, name text, updated_at timestamptz)")
    for hour in (10, 11, 12):
        execute("insert into projects values (%s, %s, %s)", hour, f"dự án {hour}", NOON.replace(hour=hour))
    return changes("select id, name, updated_at from projects")


def changes(query: str) -> Delivery:
    return delivery("sql", mode="changes", query=query, watermark="updated_at")


def address(database: str, password: str = PASSWORD, port: int = PORT, scheme: str = "postgresql") -> str:
    return f"{scheme}://{READER}:{quote(password, safe='')}@{HOST}:{port}/{database}"


def take(address: str, delivery: Delivery, folder: Path, last: str | None = None) -> dict[str, list[Any]]:
    """The columns of all rows that changed."""
    folder.mkdir(exist_ok=True)
    with connect(address) as source:
        (offer,), _ = source.offers(delivery, extract(last) if last else None)
        assert source.take(offer, delivery, folder) == ["rows.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == ["rows.parquet", "rows.sql"]
    columns: dict[str, list[Any]] = pq.read_table(folder / "rows.parquet").to_pydict()
    return columns


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_highest_watermark_is_offered(database: str, projects: Delivery, scheme: str) -> None:
    with connect(address(database, scheme=scheme)) as source:
        assert source.offers(projects, None) == ([Offer("20260731T120000000000Z", "rows", NOON.isoformat())], [])
        assert source.where == f"postgresql://{READER}@{HOST}:{PORT}/{database}"


def test_a_table_without_rows_offers_nothing(database: str, projects: Delivery, execute: Execute) -> None:
    execute("delete from projects")
    with connect(address(database)) as source:
        assert source.offers(projects, None) == ([], [])


def test_unchanged_rows_are_the_same_offer(database: str, projects: Delivery) -> None:
    with connect(address(database)) as source:
        (before,), _ = source.offers(projects, None)
        assert source.offers(projects, extract(before.stamp)) == ([before], [])


def test_the_first_time_all_rows_are_taken_in_order(database: str, projects: Delivery, tmp_path: Path) -> None:
    found = take(address(database), projects, tmp_path / "x")
    assert found["id"] == [10, 11, 12]
    assert found["name"] == ["dự án 10", "dự án 11", "dự án 12"]


def test_later_only_what_changed_since_an_hour_before_the_last_row(
    database: str, projects: Delivery, execute: Execute, tmp_path: Path
) -> None:
    execute("insert into projects values (13, 'late', '2026-07-31 11:00:01+00'), (14, 'new', '2026-07-31 18:00:00+00')")
    assert take(address(database), projects, tmp_path / "x", NOON.isoformat())["id"] == [13, 12, 14]


def test_rows_that_come_after_the_offer_are_left_for_the_next(
    database: str, projects: Delivery, execute: Execute, tmp_path: Path
) -> None:
    with connect(address(database)) as source:
        (offer,), _ = source.offers(projects, None)
        execute("insert into projects values (15, 'too late', '2026-07-31 12:00:00.000001+00')")
        source.take(offer, projects, tmp_path)
    assert pq.read_table(tmp_path / "rows.parquet")["id"].to_pylist() == [10, 11, 12]


def test_the_statement_stands_beside_the_rows_with_its_parameters(
    database: str, projects: Delivery, tmp_path: Path
) -> None:
    take(address(database), projects, tmp_path / "x", NOON.isoformat())
    assert (tmp_path / "x/rows.sql").read_text() == (
        f"-- postgresql://{READER}@{HOST}:{PORT}/{database}\n"
        "-- :high = 2026-07-31 12:00:00+00:00\n"
        "-- :low = 2026-07-31 11:00:00+00:00\n"
        "select *\nfrom (\nselect id, name, updated_at from projects\n) delivered\n"
        "where updated_at > :low and updated_at <= :high\norder by updated_at\n"
    )


def test_a_watermark_that_went_back_is_refused_with_both_sides(
    database: str, projects: Delivery, execute: Execute
) -> None:
    execute("delete from projects where id = 12")
    with connect(address(database)) as source:
        with pytest.raises(WatermarkWentBack) as caught:
            source.offers(projects, extract(NOON.isoformat()))
        assert caught.value.found == "2026-07-31T11:00:00+00:00"
        assert caught.value.expected.startswith("2026-07-31T12:00:00+00:00 or later")
        execute("delete from projects")
        with pytest.raises(WatermarkWentBack, match="no rows at all"):
            source.offers(projects, extract(NOON.isoformat()))


def test_the_same_moment_in_another_zone_is_unchanged(database: str, projects: Delivery) -> None:
    there = NOON.astimezone(timezone(timedelta(hours=7))).isoformat()
    with connect(address(database)) as source:
        assert source.offers(projects, extract(there))[0][0].period == "20260731T120000000000Z"


def test_after_an_extract_of_files_all_rows_are_taken(database: str, projects: Delivery, tmp_path: Path) -> None:
    assert take(address(database), projects, tmp_path / "x", "123-456")["id"] == [10, 11, 12]


def test_a_watermark_without_zone_is_local_time(database: str, execute: Execute, tmp_path: Path) -> None:
    execute("create table plain as select timestamp '2026-07-31 12:00' updated_at")
    wanted = changes("select updated_at from plain")
    with connect(address(database)) as source:
        assert source.offers(wanted, None)[0] == [Offer("20260731T050000000000Z", "rows", "2026-07-31T12:00:00")]
    found = take(address(database), wanted, tmp_path / "x", "2026-07-31T12:00:00")
    assert found["updated_at"] == [datetime(2026, 7, 31, 12)]  # noqa: DTZ001 - it has no zone


def test_a_watermark_that_is_no_moment_is_refused(database: str, projects: Delivery) -> None:
    with connect(address(database)) as source, pytest.raises(Refusal, match="is no moment") as caught:
        source.offers(dataclasses.replace(projects, watermark="id"), None)
    assert caught.value.found == "int 12"


def test_every_type_is_kept_as_it_was(database: str, execute: Execute, tmp_path: Path) -> None:
    execute("""create table t as select 1::smallint i, 9007199254740993::bigint b, 1.5::float8 f,
        12.30::numeric(15,2) money, 0.1::numeric loose, true flag, 'Đ' name, date '2026-02-28' as day,
        timestamp '2026-01-01 08:00' local, timestamptz '2026-01-01 08:00+07' updated_at, '\\x00ff'::bytea shape,
        '{"a": "đ"}'::jsonb doc, null::int nothing, null::timestamptz never, null::text silent, interval '1 day' span,
        '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid uid""")
    take(address(database), changes("select * from t"), tmp_path / "x")
    table = pq.read_table(tmp_path / "x/rows.parquet")
    assert {field.name: field.type for field in table.schema} == {
        "i": pa.int64(), "b": pa.int64(), "f": pa.float64(), "money": pa.decimal128(15, 2), "loose": pa.string(),
        "flag": pa.bool_(), "name": pa.string(), "day": pa.date32(), "local": pa.timestamp("us"),
        "updated_at": pa.timestamp("us", tz="UTC"), "shape": pa.binary(), "doc": pa.string(), "nothing": pa.int64(),
        "never": pa.timestamp("us", tz="UTC"), "silent": pa.string(), "span": pa.string(), "uid": pa.string(),
    }  # fmt: skip
    (row,) = table.to_pylist()
    assert row["b"] == 9007199254740993
    assert row["money"] == Decimal("12.30")
    assert row["loose"] == "0.1"
    assert row["day"] == date(2026, 2, 28)
    assert row["local"] == datetime(2026, 1, 1, 8)  # noqa: DTZ001 - it has no zone
    assert row["updated_at"] == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert row["shape"] == b"\x00\xff"
    assert row["doc"] == '{"a": "đ"}'
    assert row["uid"] == "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def test_a_number_that_is_none_makes_its_column_text(
    database: str, execute: Execute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "BATCH_ROWS", 1)
    execute("""create table t as select * from (values (1.50::numeric(9,2), timestamptz '2026-01-01'),
        ('NaN'::numeric(9,2), timestamptz '2026-01-02'), (null, timestamptz '2026-01-03')) v (amount, updated_at)""")
    query = "select amount::numeric(9,2) amount, updated_at from t"
    assert take(address(database), changes(query), tmp_path / "x")["amount"] == ["1.50", "NaN", None]


def test_many_rows_come_in_batches_that_keep_their_types(database: str, execute: Execute, tmp_path: Path) -> None:
    # The first 10,000 rows have no number at all.
    execute("""create table t as select i, case when i > 10000 then i end late,
        timestamptz '2026-01-01' + i * interval '1 s' updated_at from generate_series(1, 25000) i""")
    found = take(address(database), changes("select * from t"), tmp_path / "x")
    assert found["i"] == list(range(1, 25001))
    assert found["late"][9999:10001] == [None, 10001]
    assert pq.ParquetFile(tmp_path / "x/rows.parquet").metadata.num_row_groups == 3


def test_colons_and_percents_in_a_query_are_no_parameters(database: str, projects: Delivery, tmp_path: Path) -> None:
    query = "select id::text as id, '8 :30, 100 %(x)s' as note, updated_at from projects where name like 'dự%10' -- :x"
    found = take(address(database), dataclasses.replace(projects, query=query), tmp_path / "x")
    assert (found["id"], found["note"]) == (["10"], ["8 :30, 100 %(x)s"])
    assert query in (tmp_path / "x/rows.sql").read_text()


def test_nothing_can_be_written(database: str, projects: Delivery, execute: Execute) -> None:
    execute("""create function spoil() returns int language sql volatile security definer
        as 'delete from projects returning 1'""")
    query = "select spoil() as id, updated_at from projects"
    with connect(address(database)) as source, pytest.raises(Refusal, match="read-only transaction"):
        source.take(Offer("", "rows", NOON.isoformat()), dataclasses.replace(projects, query=query), Path("/nowhere"))


def test_what_an_earlier_run_completed_is_not_asked_for_again(
    database: str, projects: Delivery, execute: Execute, tmp_path: Path
) -> None:
    take(address(database), projects, tmp_path)
    (tmp_path / "rows.parquet.partial").write_bytes(b"half")
    with connect(address(database)) as source:
        (offer,), _ = source.offers(projects, None)
        execute("drop table projects")
        assert source.take(offer, projects, tmp_path) == ["rows.parquet"]


def test_a_lost_connection_begins_anew(database: str, execute: Execute, tmp_path: Path, waits: list[float]) -> None:
    execute("""create table t as select i, repeat('x', 100) name, timestamptz '2026-01-01' updated_at
        from generate_series(1, 50000) i""")
    with ExitStack() as stack:
        # The first connection breaks while it logs in, the third in the middle of the rows.
        port = stack.enter_context(cutting_line(PORT, [50, 10**9, 3_000_000]))
        found = take(address(database, port=port), changes("select * from t"), tmp_path / "x")
    assert sorted(found["i"]) == list(range(1, 50001))
    assert len(waits) == 2


def test_nobody_at_the_port_is_refused_after_five_tries(projects: Delivery, waits: list[float]) -> None:
    with connect(address("d", port=free_port())) as source, pytest.raises(Unreachable) as caught:
        source.offers(projects, None)
    assert len(waits) == 4
    assert PASSWORD not in str(caught.value)


def test_a_wrong_password_is_refused_at_once(database: str, projects: Delivery, waits: list[float]) -> None:
    with connect(address(database, "wrong-secret")) as source, pytest.raises(LoginRefused) as caught:
        source.offers(projects, None)
    assert "password authentication failed" in caught.value.found
    assert "wrong-secret" not in str(caught.value)
    assert waits == []


def test_a_database_that_is_not_there_is_refused_at_once(
    server: Settings, projects: Delivery, waits: list[float]
) -> None:
    assert server
    with connect(address("nowhere")) as source, pytest.raises(LoginRefused, match='"nowhere" does not exist'):
        source.offers(projects, None)
    assert waits == []


@pytest.mark.parametrize("query", ["select updated_at from gone", "select gone, updated_at from projects"])
def test_a_missing_table_or_column_is_refused_in_the_databases_words(
    database: str, projects: Delivery, waits: list[float], query: str
) -> None:
    with connect(address(database)) as source, pytest.raises(NotThere, match='"gone" does not exist'):
        source.offers(dataclasses.replace(projects, query=query), None)
    assert waits == []


def test_a_table_that_may_not_be_read_is_refused_in_the_databases_words(
    database: str, projects: Delivery, server: Settings
) -> None:
    with postgres.connect(server) as connection:
        connection.execute(f"revoke pg_read_all_data from {READER}")
    try:
        with connect(address(database)) as source, pytest.raises(Refusal, match="permission denied for table projects"):
            source.offers(projects, None)
    finally:
        with postgres.connect(server) as connection:
            connection.execute(f"grant pg_read_all_data to {READER}")


def test_a_query_that_takes_too_long_is_stopped(
    database: str, projects: Delivery, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(sql, "STATEMENT_S", 0.1)
    query = "select updated_at, pg_sleep(60) from projects"
    with connect(address(database)) as source, pytest.raises(Refusal, match="takes too long"):
        source.offers(dataclasses.replace(projects, query=f"{query} offset 0"), None)
    assert waits == []


def test_two_columns_of_one_name_are_refused(database: str, projects: Delivery, tmp_path: Path) -> None:
    query = "select id, id as id, updated_at from projects"
    with pytest.raises(Refusal, match="two columns of one name") as caught:
        take(address(database), dataclasses.replace(projects, query=query), tmp_path / "x")
    assert caught.value.found == "id"


def test_another_database_does_as_well(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'lite.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("create table t (id, updated_at datetime)"))
        for value, day in ((1, 1), ("một", 2)):
            at = f"2026-01-0{day} 00:00:00.000000"
            connection.execute(sa.text("insert into t values (:value, :at)"), {"value": value, "at": at})
    engine.dispose()
    found = take(f"sqlite:///{tmp_path / 'lite.db'}", changes("select * from t"), tmp_path / "x")
    assert found["id"] == ["1", "một"]


@pytest.mark.parametrize(
    "wrong",
    [
        "geheim",
        "postgresql://u:gehe@im@host/d",
        "postgresql://u:geheim@host:port/d",
        "oracle+nosuch://u:geheim@host/d",
        "nosuch://u:geheim@host/d",
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_its_password(wrong: str) -> None:
    with pytest.raises(Refusal, match="address of a department") as caught:
        connect(wrong)
    assert "gehe" not in str(caught.value)


def test_nothing_is_put_anywhere(tmp_path: Path) -> None:
    with connect(address("d")) as source, pytest.raises(Refusal, match="takes no files back"):
        source.put("a", tmp_path)


def test_a_password_that_a_driver_quotes_is_blotted_out(database: str, projects: Delivery) -> None:
    query = f"select '{PASSWORD.replace('%', '')}x'::int as id, updated_at from projects"
    secret = PASSWORD.replace("%", "")
    with connect(address(database)) as source:
        source._password = secret  # noqa: SLF001 - no driver is known to do it
        with pytest.raises(Refusal, match=r"\*\*\*") as caught:
            source.take(Offer("", "rows", NOON.isoformat()), dataclasses.replace(projects, query=query), Path("/no"))
    assert secret not in str(caught.value)
