import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from infra.departments import investment
from infra.services import postgres
from infra.settings import Settings, read_settings
from quality.contract import CONTRACTS, load_all
from quality.refusal import Refusal
from tests.running import postgres_server

PORT = 27960  # of one server: tests of a module run in one process
TABLES = ("fdi_duan", "fdi_dieuchinh", "fdi_gopvon", "dtc_duan", "dtc_kehoach", "dtc_giaingan")
OWNER = "so_tai_chinh"


@dataclass(frozen=True)
class Server:
    settings: Settings

    def address(self, user: str, database: str) -> str:
        password = self.settings.secret("postgres-superuser" if user == postgres.SUPERUSER else f"postgres-{user}")
        return f"postgresql://{user}:{password}@127.0.0.1:{PORT}/{database}"

    def fresh(self, database: str) -> str:
        """The owner's address of a new database."""
        postgres.ensure_database(self.settings, database, owner=OWNER)
        return self.address(OWNER, database)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of its own. Not below pytest's folder, which is closed to others: see tests/conftest.py."""
    now = read_settings()
    home = now.home / "cache" / f"Sở Tài chính để thử {os.getpid()}"
    home.mkdir(parents=True)
    settings = replace(now, home=home, ports={**now.ports, "postgres": PORT})
    try:
        with postgres_server(settings, "-c", "fsync=off"):
            postgres.ensure_role(settings, OWNER)
            yield Server(settings)
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def city(server: Server) -> str:
    """The address of a database at city size, as of the first period."""
    address = server.fresh("city")
    investment.deliver("city", 1, address)
    return address


def ask(address: str, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(question).fetchall()


def rows(address: str) -> dict[str, list[tuple[Any, ...]]]:
    return {table: ask(address, f"select * from dautu.{table} order by id") for table in TABLES}


def test_one_month_after_the_other_gives_the_same_rows_as_all_at_once(server: Server) -> None:
    slowly, at_once = server.fresh("slowly"), server.fresh("at_once")
    for period in (1, 2, 3, 4):
        investment.deliver("test", period, slowly)
    investment.deliver("test", 4, at_once)
    assert rows(slowly) == rows(at_once)
    assert {table: len(found) for table, found in rows(slowly).items()} == {
        "fdi_duan": 221,
        "fdi_dieuchinh": 38,
        "fdi_gopvon": 140,
        "dtc_duan": 63,
        "dtc_kehoach": 118,
        "dtc_giaingan": 1_301,
    }


def test_a_period_that_is_there_or_gone_by_changes_nothing(server: Server) -> None:
    address = server.fresh("again")
    investment.deliver("test", 2, address)
    physical = {table: ask(address, f"select ctid, xmin, id from dautu.{table} order by id") for table in TABLES}
    investment.deliver("test", 2, address)
    investment.deliver("test", 1, address)
    assert physical == {t: ask(address, f"select ctid, xmin, id from dautu.{t} order by id") for t in TABLES}


def test_two_deliveries_at_the_same_time_are_one(server: Server) -> None:
    address = server.fresh("twice")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda period: investment.deliver("test", period, address), (1, 2)))
    assert ask(address, "select ky from dautu.thong_tin") == [(2,)]
    assert ask(address, "select count(*), count(distinct id) from dautu.fdi_duan") == [(216, 216)]


def test_what_changed_can_be_told_by_a_watermark_that_only_grows(server: Server) -> None:
    address = server.fresh("watermark")
    investment.deliver("demo", 1, address)
    before = rows(address)
    for period, month_begins in ((2, "2026-08-01"), (3, "2026-09-01"), (4, "2026-10-01")):
        investment.deliver("demo", period, address)
        after = rows(address)
        for table in TABLES:
            known = {row[0]: row for row in before[table]}
            changed = [row for row in after[table] if known.get(row[0]) != row]
            assert known.keys() <= {row[0] for row in after[table]}
            assert changed
            assert all(row[0] not in known or row[-1] > known[row[0]][-1] for row in changed)
            month = f"timestamptz '{month_begins}+07'"
            told = f"updated_at >= {month} and updated_at < {month} + interval '1 month'"
            assert {row[0] for row in changed} == {
                row[0] for row in ask(address, f"select id from dautu.{table} where {told}")
            }
        before = after


def test_about_one_per_cent_of_the_projects_change_from_month_to_month(server: Server) -> None:
    address = server.fresh("city_in_august")
    investment.deliver("city", 2, address)
    (shares,) = ask(
        address,
        "select (select avg((updated_at >= '2026-08-01+07')::int) from dautu.fdi_duan),"
        " (select avg((updated_at >= '2026-08-01+07')::int) from dautu.dtc_duan)",
    )
    assert all(0.008 < share < 0.015 for share in shares)


def test_a_city_has_the_foreign_investment_that_was_announced_for_the_end_of_2025(city: str) -> None:
    valid = "dautu.fdi_duan where ngay_quyetdinh_capphep <= '2025-12-31'"
    assert ask(city, f"select count(*), count(distinct quocgia_ma) from {valid}") == [(20_310, 89)]
    assert ask(city, f"select count(*) from {valid} and nganh_cap1 = 'C'") == [(5_829,)]
    # What is registered now, without what was adjusted since.
    since = "from dautu.fdi_dieuchinh where ngay_dieuchinh > '2025-12-31'"
    then = f"sum(vontuongduong_usd) - (select sum(von_thaydoi_usd) {since})"
    assert ask(city, f"select {then} from {valid}") == [(141_900_000_000,)]
    in_2025 = "between '2025-01-01' and '2025-12-31'"
    new = f"{valid} and ngay_quyetdinh_capphep {in_2025}"
    then = (
        f"sum(vontuongduong_usd) - (select sum(von_thaydoi_usd) {since} and maso_duan in (select maso_duan from {new}))"
    )
    assert ask(city, f"select count(*), {then} from {new}") == [(1_865, 1_690_000_000)]
    adjusted = f"select count(*), sum(von_thaydoi_usd) from dautu.fdi_dieuchinh where ngay_dieuchinh {in_2025}"
    assert ask(city, adjusted) == [(432, 2_930_000_000)]
    bought = f"select count(*), sum(giatri_trieu_usd) from dautu.fdi_gopvon where ngay_thongbao {in_2025}"
    assert ask(city, bought) == [(2_700, 3_750)]


def test_a_city_has_the_public_investment_that_was_announced_for_2025(city: str) -> None:
    of_2025 = "from dautu.dtc_kehoach where nam_kehoach = 2025"
    assert ask(city, f"select sum(kehoach_ttg_giao), sum(kehoach_tp_phanbo) {of_2025}") == [(118_948_000, 153_615_000)]
    greatest = f"select sum(kehoach_tp_phanbo) as mvnd {of_2025} group by ma_duan order by 1 desc limit 35"
    assert ask(city, f"select round(1000 * sum(mvnd) / 153615000) from ({greatest})") == [(490,)]
    paid = "select sum(luyke_giaingan) from dautu.dtc_giaingan where nam_kehoach = 2025 and thang_baocao ="
    assert ask(city, f"{paid} '2025-11-01'") == [(73_812_000,)]
    assert ask(city, f"{paid} '2026-01-01'") == [(109_996_000,)]  # the thirteenth month


def test_what_was_paid_never_falls_and_stays_within_the_plan(city: str) -> None:
    falls = """
        select count(*) from (
            select luyke_giaingan - lag(luyke_giaingan, 1, 0::bigint) over (
                partition by ma_duan, nam_kehoach order by thang_baocao
            ) as more
            from dautu.dtc_giaingan where luyke_giaingan >= 0 and ma_duan <> ''
        ) where more < 0
    """
    assert ask(city, falls) == [(0,)]
    beyond = """
        select count(*) from dautu.dtc_giaingan
        join (
            select ma_duan, nam_kehoach, sum(kehoach_tp_phanbo) as mvnd from dautu.dtc_kehoach
            where nam_kehoach = 2025 group by ma_duan, nam_kehoach
        ) using (ma_duan, nam_kehoach)
        where luyke_giaingan > mvnd or luyke_giaingan <> luyke_nstw + luyke_nsdp
    """
    assert ask(city, beyond) == [(0,)]


@pytest.mark.parametrize("size", ["test", "demo"])
def test_a_project_had_capital_before_its_adjustments(server: Server, size: str) -> None:
    address = server.fresh(f"capital_{size}")
    investment.deliver(size, 4, address)
    without = """
        select count(*) from dautu.fdi_duan join (
            select maso_duan, sum(von_thaydoi_usd) as usd from dautu.fdi_dieuchinh group by maso_duan
        ) using (maso_duan) where vontuongduong_usd - usd <= 0
    """
    assert ask(address, without) == [(0,)]


def test_one_row_in_five_hundred_is_bad_and_a_blank_code_is_filled_in_later(server: Server, city: str) -> None:
    bad = """
        select count(*) filter (where maso_duan = ''), count(*) filter (where vontuongduong_usd < 0),
            count(*) filter (where quocgia_ma = 'ZZ'), count(*) filter (where ma_phuongxa = '99999'),
            count(*) filter (where ngay_hetphep_hoatdong < ngay_quyetdinh_capphep)
        from dautu.fdi_duan
    """
    assert ask(city, bad) == [(9, 9, 9, 8, 8)]
    address = server.fresh("bad")
    blank = "select id, maso_duan from dautu.fdi_duan where maso_duan !~ '^[0-9]{10}$'"
    investment.deliver("test", 1, address)
    ((project, code),) = ask(address, blank)
    assert code == ""
    investment.deliver("test", 2, address)
    assert ask(address, blank) == []
    ((code,),) = ask(address, f"select maso_duan from dautu.fdi_duan where id = {project}")
    assert ask(address, f"select count(*) from dautu.fdi_duan where maso_duan = '{code}'") == [(1,)]


def test_a_project_of_may_and_a_report_of_september_come_late(server: Server) -> None:
    address = server.fresh("late")
    september = "select count(*) from dautu.dtc_giaingan where thang_baocao = '2026-09-01'"
    august = "select count(*) from dautu.dtc_giaingan where thang_baocao = '2026-08-01'"
    investment.deliver("demo", 3, address)
    late = "ngay_quyetdinh_capphep < '2026-06-01' and updated_at >= '2026-09-01+07' and id > 2143"
    assert ask(address, f"select ngay_quyetdinh_capphep::text from dautu.fdi_duan where {late}") == [("2026-05-20",)]
    ((reported,),), ((expected,),) = ask(address, september), ask(address, august)
    assert 0 < reported < expected
    investment.deliver("demo", 4, address)
    assert ask(address, september) == [(expected,)]


def test_it_says_that_it_is_simulated(city: str) -> None:
    ((notice, size, period),) = ask(city, "select * from dautu.thong_tin")
    assert notice.startswith("Dữ liệu mô phỏng")
    assert (size, period) == ("city", 1)
    comments = ask(
        city, "select obj_description(oid) from pg_class where relnamespace = 'dautu'::regnamespace and relkind = 'r'"
    )
    assert len(comments) == 7
    assert all("mô phỏng" in comment.lower() for (comment,) in comments)


def test_the_lake_s_role_reads_everything_and_writes_nothing(server: Server) -> None:
    owner = server.fresh("door")
    investment.deliver("test", 1, owner)
    superuser = server.address(postgres.SUPERUSER, "door")
    old, new = "cũ", "mật khẩu"
    investment.open_door(superuser, "kho_mo", old)
    investment.open_door(superuser, "kho_mo", new)
    reader = psycopg.conninfo.make_conninfo(owner, user="kho_mo", password=new)
    assert ask(reader, "select count(*) from dautu.fdi_duan") == [(214,)]
    for statement in (
        "update dautu.fdi_duan set ten = ''",
        "delete from dautu.dtc_duan",
        "insert into dautu.thong_tin values ('', '', 1)",
        "create table dautu.mine (id int)",
        "create table public.mine (id int)",
        "create temporary table mine (id int)",
        "create schema mine",
    ):
        with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(reader, password=old)


def test_the_owner_opens_the_door_for_a_role_that_is_there(server: Server) -> None:
    owner = server.fresh("own_door")
    investment.deliver("test", 1, owner)
    postgres.ensure_role(server.settings, "reader")
    investment.open_door(owner, "reader")
    assert ask(server.address("reader", "own_door"), "select count(*) from dautu.dtc_duan") == [(60,)]


def test_another_size_is_refused_and_changes_nothing(server: Server) -> None:
    address = server.fresh("sizes")
    investment.deliver("test", 1, address)
    with pytest.raises(Refusal, match="another size"):
        investment.deliver("demo", 2, address)
    assert ask(address, "select quy_mo, ky from dautu.thong_tin") == [("test", 1)]


@pytest.mark.parametrize(("size", "period"), [("village", 1), ("test", 0), ("test", 5)])
def test_there_is_no_other_size_or_period(size: str, period: int) -> None:
    with pytest.raises(Refusal, match="no such delivery"):
        investment.deliver(size, period, "host=127.0.0.1 port=1")


def test_every_contract_s_query_gives_the_columns_of_the_contract_and_its_key_holds(server: Server) -> None:
    address = server.fresh("contracts")
    investment.deliver("demo", 4, address)
    found = sorted(path.stem for path in (CONTRACTS / "investment").glob("*.yml"))
    assert found == [
        "disbursements",
        "fdi_adjustments",
        "fdi_contributions",
        "fdi_projects",
        "public_plans",
        "public_projects",
    ]
    contracts = load_all()
    for name in found:
        contract = contracts[f"investment.{name}"]
        assert contract.delivery is not None
        with psycopg.connect(address) as connection:
            cursor = connection.execute(contract.delivery.query)
            assert [column.name for column in cursor.description or ()] == list(contract.columns)
        key = ", ".join(contract.key)
        codes = " and ".join(f"coalesce(trim({column}::text), '') <> ''" for column in contract.key)
        twins = f"select {key} from ({contract.delivery.query}) where {codes} group by {key} having count(*) > 1"
        assert ask(address, twins) == []
