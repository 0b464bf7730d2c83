"""The simulated Sở Tài chính: a PostgreSQL database with foreign direct and public investment, all of it invented.

Schema `dautu` (`investment/schema.sql`), tables `fdi_duan`, `fdi_dieuchinh`, `fdi_gopvon`, `dtc_duan`, `dtc_kehoach`,
`dtc_giaingan`. Every row has `updated_at`, which grows whenever it changes; what is older than the merger of 2025-07-01
was all entered at that one moment. Nothing is ever deleted.

Periods 1 … 4 are the ends of July … October 2026. From one to the next: a month of new projects, adjustments, purchases
and payments; projects that end, move, take longer; plans that go from one project to another; corrections of the past
(wards, dates and shares; the last report of fiscal year 2025); about 1 % of the projects in all. In period 2 a blank
code of a project and of a payment are filled in; in period 3 a project of May is entered at last, and one owner does
not report its September, which comes in period 4.

About 0.2 % of the rows are bad: blank or missing codes, negative money, unknown countries and wards, a fiscal year 206,
an end before the licence. All are of the first half of 2026, so the announced figures of 2025 hold, as of period 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psycopg
from psycopg import sql

from infra.departments.investment import fdi, public
from infra.departments.investment.rows import Row, Table, end_of
from quality.refusal import Refusal

SCHEMA = Path(__file__).with_name("schema.sql")
SIZES = {"test": (200, 60), "demo": (2_031, 400), "city": (20_310, 2_500)}  # FDI and public projects
PERIODS = range(1, 5)
NOTICE = "Dữ liệu mô phỏng: mọi dòng do máy sinh ra, không có dự án hay người thật"
_LOCK = 79_2026  # of the database: two deliveries at the same time are one after the other


def rows_of(size: str, period: int) -> list[Table]:
    """Every table as of a period."""
    foreign, domestic = SIZES[size]
    return [*fdi.rows_of(foreign, period), *public.rows_of(domestic, period)]


def deliver(size: str, period: int, address: str) -> None:
    """Bring the database to what it holds as of a period; one that is as far already stays as it is.

    `address` is psycopg's, of the role that owns the database. All or nothing, and safe to run again.
    """
    if size not in SIZES or period not in PERIODS:
        raise Refusal(
            "there is no such delivery of investment",
            expected=f"a size of {', '.join(SIZES)} and a period of 1 to {PERIODS[-1]}",
            found=f"{size!r}, {period}",
        )
    with psycopg.connect(address) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        connection.execute("set local client_min_messages to warning")  # "already exists, skipping" is no news
        connection.execute(sql.SQL(SCHEMA.read_text(encoding="utf-8")))
        done = _done(connection, size)
        if done >= period:
            return
        for table in rows_of(size, period):
            _put(connection, table.name, list(table.changed_after(end_of(done))), is_first=not done)
        connection.execute("delete from dautu.thong_tin")
        connection.execute("insert into dautu.thong_tin values (%s, %s, %s)", [NOTICE, size, period])


def open_door(address: str, role: str, password: str | None = None) -> None:
    """Let a role read the schema and write nothing. Safe to run again. Comes after the first `deliver`.

    `address` is psycopg's, of the role that owns the database. With a password the role is made, or given that one;
    then `address` is of one that may make roles.
    """
    with psycopg.connect(address) as connection:
        if password is not None:
            _ensure_role(connection, role, password)
        names = {"role": sql.Identifier(role), "database": sql.Identifier(connection.info.dbname)}
        for statement in (
            "revoke temporary on database {database} from public",
            "grant connect on database {database} to {role}",
            "grant usage on schema dautu to {role}",
            "grant select on all tables in schema dautu to {role}",
        ):
            connection.execute(sql.SQL(statement).format(**names))


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    """The server is told the verifier, not the password, for it may log its statements."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    known = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
    statement = sql.SQL("alter role {} login password {}" if known else "create role {} login password {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))


def _done(connection: psycopg.Connection, size: str) -> int:
    """The period that the database holds, 0 if none."""
    found = connection.execute("select quy_mo, ky from dautu.thong_tin").fetchone()
    if found and found[0] != size:
        raise Refusal(
            "the department's database was laid out at another size",
            where=f"database {connection.info.dbname} on port {connection.info.port}",
            expected=size,
            found=found[0],
            remedy="go on with that size, or drop the schema dautu",
        )
    return found[1] if found else 0


def _put(connection: psycopg.Connection, table: str, rows: Iterable[Row], *, is_first: bool) -> None:
    """Insert or replace rows by their id."""
    rows = list(rows)
    if not rows:
        return
    name = sql.Identifier("dautu", table)
    if not is_first:
        wanted = [row["id"] for row in rows]
        connection.execute(sql.SQL("delete from {} where id = any(%s)").format(name), [wanted])
    columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    with connection.cursor().copy(sql.SQL("copy {} ({}) from stdin").format(name, columns)) as copy:
        for row in rows:
            copy.write_row(list(row.values()))
