"""The portal: CKAN behind gunicorn, and the worker of its background jobs.

Their configuration (`portal_config`) is one file, written anew at every start (mode 0600). The databases, users and the
publisher's token are made once: what has been made is written on the database itself, as its comment, so that the two
cannot disagree. The publisher is no sysadmin.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from psycopg import sql
from valkey.exceptions import ValkeyError

from infra.services import Command, Service, portal_config, postgres, solr, valkey
from infra.services.portal_config import DATASTORE, READER, WRITER
from infra.settings import ROOT, Settings
from quality.refusal import Refusal

EXTENSION = ROOT / "infra" / "ckan"
PUBLISHER = "nha-xuat-ban"
_TIMEOUT_S = 5


def environment(settings: Settings) -> dict[str, str]:
    """What a process of CKAN's needs beside the variables that every service has."""
    packages = settings.site_packages("portal")
    magic = packages / "pylibmagic"
    return {
        "CKAN_INI": str(settings.run / "ckan.ini"),
        "PYTHONPATH": str(EXTENSION),
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "ignore",
        "LD_LIBRARY_PATH": str(magic),  # file types: the system may have no libmagic
        "MAGIC": str(magic / "magic.mgc"),
        "HOME": str(settings.home / "portal"),
        "TZ": "Asia/Ho_Chi_Minh",
    }


def _fingerprint() -> str:
    """What the databases are made from: when it changes, they are prepared again (which loses nothing)."""
    own = [Path(file) for file in (__file__, portal_config.__file__)]
    sources = [ROOT / "infra" / "locks" / "portal.txt", *own, EXTENSION / "ckanext_kho" / "prepare.py"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _prepare(settings: Settings) -> None:
    """Write the configuration; if the databases were not made by this very version, make them what they must be."""
    (settings.home / "portal" / "storage").mkdir(parents=True, exist_ok=True)
    # Else the first page makes it (webassets 3.0), and of two first pages at once one is answered with 500.
    (settings.home / "portal" / "webassets" / ".webassets-cache").mkdir(parents=True, exist_ok=True)
    settings.run.mkdir(parents=True, exist_ok=True)
    ini = settings.run / "ckan.ini"
    ini.touch(mode=0o600)
    ini.write_text(portal_config.ini(settings), encoding="utf-8")
    portal_config.write_licences(settings)
    mark = f"kho {_fingerprint()}"
    has_token = (settings.home / "secrets" / "publisher-token").exists()
    if has_token and _mark(settings) == mark and _is_indexed(settings):
        return
    for role in ("ckan", WRITER, READER):
        postgres.ensure_role(settings, role)
    postgres.ensure_database(settings, "ckan", "ckan")
    postgres.ensure_database(settings, DATASTORE, WRITER)
    _prepare_datastore(settings)
    _prepare_ckan(settings)
    with postgres.connect(settings) as connection:
        connection.execute(sql.SQL("comment on database ckan is {}").format(sql.Literal(mark)))


def _mark(settings: Settings) -> str | None:
    with postgres.connect(settings) as connection:
        row = connection.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = 'ckan'",
        ).fetchone()
    return row[0] if row else None


def _is_indexed(settings: Settings) -> bool:
    """Whether search knows as many datasets as the database holds: Solr's folder may be younger, or lost."""
    with postgres.connect(settings, "ckan") as connection:
        row = connection.execute("select count(*) from package where state in ('active', 'draft')").fetchone()
    query = "q=*:*&fq=entity_type:package&rows=0&wt=json"
    with urllib.request.urlopen(f"{solr.url(settings)}/select?{query}", timeout=_TIMEOUT_S) as answer:  # noqa: S310
        found = json.load(answer)["response"]["numFound"]
    return bool(row and row[0] == found)


def _prepare_datastore(settings: Settings) -> None:
    """Rights of the two DataStore roles (CKAN's own script) and a full text search that folds Vietnamese accents."""
    script = (settings.site_packages("portal") / "ckanext/datastore/set_permissions.sql").read_text(encoding="utf-8")
    rights = "\n".join(line for line in script.splitlines() if not line.startswith("\\connect")).format(
        maindb='"ckan"',
        datastoredb=f'"{DATASTORE}"',
        mainuser='"ckan"',
        writeuser=f'"{WRITER}"',
        readuser=f'"{READER}"',
    )
    with postgres.connect(settings, DATASTORE) as connection:
        connection.execute(rights.encode())
        connection.execute("revoke connect on database ckan from public")
        connection.execute("create extension if not exists unaccent")
        if not connection.execute("select 1 from pg_ts_config where cfgname = 'viet'").fetchone():
            with connection.transaction():
                connection.execute("create text search configuration public.viet (copy = simple)")
                connection.execute(
                    "alter text search configuration public.viet alter mapping for hword, hword_part, word"
                    " with unaccent, simple",
                )
        connection.execute(
            sql.SQL("alter database {} set default_text_search_config = 'public.viet'").format(
                sql.Identifier(DATASTORE),
            ),
        )
        # a load that waits for a table has an autovacuum of it give way, within the time that it may wait
        connection.execute(sql.SQL("grant set on parameter deadlock_timeout to {}").format(sql.Identifier(WRITER)))
        # the rows and the total of one answer come from one version of a table
        connection.execute(sql.SQL("grant select on _table_stats to {}").format(sql.Identifier(READER)))
        connection.execute(
            sql.SQL("alter role {} set default_transaction_isolation = 'repeatable read'").format(
                sql.Identifier(READER),
            ),
        )


def _prepare_ckan(settings: Settings) -> None:
    """Tables, users and the publisher's token, in one process of CKAN: each costs seconds of imports."""
    done = subprocess.run(
        [str(settings.python("portal")), "-m", "ckanext_kho.prepare"],
        cwd=settings.home / "portal",
        env={**os.environ, **environment(settings)},
        input=json.dumps(
            {
                "admin": "quan-tri",
                "admin_password": settings.secret("portal-admin-password"),
                "publisher": PUBLISHER,
                "publisher_password": settings.secret("publisher-password"),
                "old_token": settings.environment()["KHO_PORTAL_TOKEN"],
            },
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Refusal(
            "the portal's database could not be prepared",
            where="python -m ckanext_kho.prepare",
            found="\n".join((done.stderr or done.stdout).strip().splitlines()[-15:]),
            remedy="run the same command again; what was finished stays",
        )
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    if answer["token"]:
        settings.keep_secret("publisher-token", answer["token"])


def _command(settings: Settings) -> Command:
    return Command(
        [
            *(str(settings.python("portal")), "-m", "gunicorn", "--config", "python:ckanext_kho.gunicorn"),
            *("--bind", f"127.0.0.1:{settings.ports['portal']}", "ckanext_kho.wsgi:application"),
        ],
        settings.home / "portal",
        environment(settings),
    )


def _jobs_command(settings: Settings) -> Command:
    return Command(
        [str(settings.python("portal")), "-m", "ckanext_kho.worker"],
        settings.home / "portal",
        environment(settings),
    )


def _ready(settings: Settings) -> str | None:
    expected = portal_config.site_id(settings)
    try:
        address = f"{settings.portal_url}/api/3/action/status_show"
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - our own loopback address
            found = json.load(answer)["result"]["site_id"]
    except (OSError, ValueError, KeyError) as error:
        return f"expected the portal {expected}, found: {error}"
    return None if found == expected else f"expected the portal {expected}, found {found}"


def _jobs_ready(settings: Settings) -> str | None:
    """Ask the queue who works for it: one of them must be alive on this machine."""
    try:
        ask: Callable[..., Any] = valkey.client(settings).execute_command
        pids = [pid for worker in ask("SMEMBERS", "rq:workers") if (pid := ask("HGET", worker, "pid"))]
    except ValkeyError as error:
        return f"expected a worker in the queue's register, found: {error}"
    if any(_is_worker(int(pid)) for pid in pids):
        return None
    return f"expected a living worker in the queue's register, found {' '.join(pids) or 'none'}"


def _is_worker(pid: int) -> bool:
    """Whether that process is there and still a worker: a number may have been given to another one since."""
    try:
        return "ckanext_kho.worker" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


PORTAL = Service(
    "portal",
    _command,
    _ready,
    needs=("postgres", "valkey", "solr"),
    ports=("portal",),
    prepare=_prepare,
)
JOBS = Service("portal-jobs", _jobs_command, _jobs_ready, needs=("portal",))
