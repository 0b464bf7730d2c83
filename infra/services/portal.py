"""The portal: CKAN behind gunicorn, and the worker of its background jobs.

Their configuration is one file, written anew at every start (mode 0600). The databases, users and the publisher's
token are made once: what has been made is written on the database itself, as its comment, so that the two cannot
disagree. The publisher is no sysadmin.
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

from infra.services import Command, Service, postgres, solr, valkey
from infra.settings import ROOT, Settings
from quality.contract import load_catalogue
from quality.refusal import Refusal

EXTENSION = ROOT / "infra" / "ckan"
PUBLISHER = "nha-xuat-ban"
_WRITER, _READER, _DATASTORE = "datastore", "datastore_reader", "datastore"
_TIMEOUT_S = 5

# Ours comes first: of two plugins that answer the same route, the first is asked.
_PLUGINS = [
    *("kho", "datastore", "datatables_view", "text_view", "image_view"),
    *("scheming_datasets", "scheming_organizations", "scheming_groups"),
    *("dcat", "structured_data", "croissant"),
]


def site_id(settings: Settings) -> str:
    """The name by which the portal's search index, queue and API know this installation."""
    return f"kho-{settings.secret('portal-site')[:12]}"


def _ini(settings: Settings) -> str:
    """CKAN's configuration. A `%` in a value would be taken for a reference: it is doubled."""
    database = f"@127.0.0.1:{settings.ports['postgres']}"
    secret = settings.secret

    def address(role: str, name: str) -> str:
        return f"postgresql://{role}:{secret(f'postgres-{role}')}{database}/{name}"

    values = {
        "use": "egg:ckan",
        "debug": "false",
        "SECRET_KEY": secret("portal-key"),
        "WTF_CSRF_SECRET_KEY": secret("portal-csrf"),
        "api_token.jwt.encode.secret": f"string:{secret('portal-tokens')}",
        "api_token.jwt.decode.secret": f"string:{secret('portal-tokens')}",
        "sqlalchemy.url": address("ckan", "ckan"),
        "sqlalchemy.pool_pre_ping": "true",
        "ckan.datastore.write_url": address(_WRITER, _DATASTORE),
        "ckan.datastore.read_url": address(_READER, _DATASTORE),
        "ckan.datastore.sqlalchemy.pool_size": "10",  # with CKAN's own 5, searches fail under load
        "ckan.datastore.sqlsearch.enabled": "false",
        "ckan.datastore.default_fts_lang": "public.viet",
        "ckan.datastore.default_fts_index_method": "gin",
        "ckan.datastore.sqlalchemy.executemany_mode": "values_plus_batch",  # many rows in one round trip
        "ckan.group_and_organization_list_all_fields_max": "1000",
        "ckan.redis.url": f"redis://:{secret('valkey')}@127.0.0.1:{settings.ports['valkey']}/0",
        "SESSION_TYPE": "redis",
        "solr_url": solr.url(settings),
        "ckan.site_url": settings.portal_url,
        "ckan.site_id": site_id(settings),
        "ckan.site_title": "Kho Mở",
        "ckan.site_description": "Dữ liệu mở Thành phố Hồ Chí Minh",
        "ckan.plugins": " ".join(_PLUGINS),
        "ckan.storage_path": str(settings.home / "portal" / "storage"),
        "ckan.webassets.path": str(settings.home / "portal" / "webassets"),
        "ckan.uploads_enabled": "true",
        "ckan.max_resource_size": "2048",
        "ckan.locale_default": "vi",
        "ckan.locales_offered": "vi en",
        "ckan.locale_order": "vi en",
        "ckan.display_timezone": "Asia/Ho_Chi_Minh",
        "ckan.hide_version": "true",
        "ckan.views.default_views": "",
        "ckan.auth.anon_create_dataset": "false",
        "ckan.auth.create_unowned_dataset": "false",
        "ckan.auth.create_dataset_if_not_in_organization": "false",
        "ckan.auth.user_create_groups": "true",  # the publisher makes them; nobody else can register
        "ckan.auth.user_create_organizations": "true",
        "ckan.auth.user_delete_groups": "true",
        "ckan.auth.user_delete_organizations": "true",
        "ckan.auth.create_user_via_api": "false",
        "ckan.auth.create_user_via_web": "false",
        "ckan.auth.public_user_details": "false",
        "ckan.cors.origin_allow_all": "true",  # open data: any page may ask the API
        "scheming.dataset_schemas": "ckanext_kho:schemas/dataset.yaml",
        "scheming.organization_schemas": "ckanext_kho:schemas/organization.yaml",
        "scheming.group_schemas": "ckanext_kho:schemas/group.yaml",
        "scheming.presets": "ckanext.scheming:presets.json ckanext_kho:schemas/presets.yaml",
        "ckan.feeds.date": "2026-01-01",  # or each look at a feed is a warning in the log
        "licenses_group_url": f"file://{_licences(settings)}",
        "ckanext.dcat.rdf.profiles": "kho_dcat",
        "ckanext.dcat.structured_data.profiles": "kho_schemaorg",
        "ckanext.dcat.croissant.profiles": "kho_croissant",
        "ckanext.dcat.resource.inherit.license": "true",
    }
    lines = [f"{name} = {value.replace('%', '%%')}" for name, value in values.items()]
    return "\n".join(["[app:main]", *lines, _LOGGING])


# Python's fileConfig silences every logger that it is not told of.
_LOGGING = """
[loggers]
keys = root, ckan, ckanext, gunicorn, rq
[handlers]
keys = console
[formatters]
keys = line
[logger_root]
level = WARNING
handlers = console
[logger_ckan]
level = WARNING
handlers =
qualname = ckan
[logger_ckanext]
level = WARNING
handlers =
qualname = ckanext
[logger_gunicorn]
level = WARNING
handlers =
qualname = gunicorn
[logger_rq]
level = WARNING
handlers =
qualname = rq
[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = line
[formatter_line]
format = %(asctime)s %(levelname)-7s %(name)s %(message)s
"""


def _licences(settings: Settings) -> Path:
    return settings.run / "licences.json"


def _write_licences(settings: Settings) -> None:
    """The licences that contracts may name, as CKAN reads them."""
    licences = [
        {
            "id": entry.id,
            "title": entry.title.vi,
            "title_translated": {"vi": entry.title.vi, "en": entry.title.en},
            "description": entry.description.vi,
            "description_translated": {"vi": entry.description.vi, "en": entry.description.en},
            # the city's own terms stand nowhere else
            "url": entry.url or f"{settings.portal_url}/about#{entry.id}",
            "status": "active",
        }
        for entry in load_catalogue().licences.values()
    ]
    _licences(settings).write_text(json.dumps(licences, ensure_ascii=False, indent=1), encoding="utf-8")


def _environment(settings: Settings) -> dict[str, str]:
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
    sources = [ROOT / "infra" / "locks" / "portal.txt", Path(__file__), EXTENSION / "ckanext_kho" / "prepare.py"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _prepare(settings: Settings) -> None:
    """Write the configuration; if the databases were not made by this very version, make them what they must be."""
    (settings.home / "portal" / "storage").mkdir(parents=True, exist_ok=True)
    settings.run.mkdir(parents=True, exist_ok=True)
    ini = settings.run / "ckan.ini"
    ini.touch(mode=0o600)
    ini.write_text(_ini(settings), encoding="utf-8")
    _write_licences(settings)
    mark = f"kho {_fingerprint()}"
    has_token = (settings.home / "secrets" / "publisher-token").exists()
    if has_token and _mark(settings) == mark and _is_indexed(settings):
        return
    for role in ("ckan", _WRITER, _READER):
        postgres.ensure_role(settings, role)
    postgres.ensure_database(settings, "ckan", "ckan")
    postgres.ensure_database(settings, _DATASTORE, _WRITER)
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
        datastoredb=f'"{_DATASTORE}"',
        mainuser='"ckan"',
        writeuser=f'"{_WRITER}"',
        readuser=f'"{_READER}"',
    )
    with postgres.connect(settings, _DATASTORE) as connection:
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
                sql.Identifier(_DATASTORE),
            ),
        )
        # a load that waits for a table has an autovacuum of it give way, within the time that it may wait
        connection.execute(sql.SQL("grant set on parameter deadlock_timeout to {}").format(sql.Identifier(_WRITER)))
        # the rows and the total of one answer come from one version of a table
        connection.execute(sql.SQL("grant select on _table_stats to {}").format(sql.Identifier(_READER)))
        connection.execute(
            sql.SQL("alter role {} set default_transaction_isolation = 'repeatable read'").format(
                sql.Identifier(_READER),
            ),
        )


def _prepare_ckan(settings: Settings) -> None:
    """Tables, users and the publisher's token, in one process of CKAN: each costs seconds of imports."""
    done = subprocess.run(
        [str(settings.python("portal")), "-m", "ckanext_kho.prepare"],
        cwd=settings.home / "portal",
        env={**os.environ, **_environment(settings)},
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
        _environment(settings),
    )


def _jobs_command(settings: Settings) -> Command:
    return Command(
        [str(settings.python("portal")), "-m", "ckanext_kho.worker"],
        settings.home / "portal",
        _environment(settings),
    )


def _ready(settings: Settings) -> str | None:
    expected = site_id(settings)
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
