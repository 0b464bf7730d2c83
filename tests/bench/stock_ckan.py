"""CKAN as its makers ship it, in three versions: `.kho/tools/dev/bin/python -m tests.bench.stock_ckan --folder FOLDER`.

Each gets a database, a search core and files of its own, beside an installation's PostgreSQL, Valkey and Solr, and a
publisher who is no sysadmin. One dataset for each contract is published and planned again, then one dataset lives
through what `tests/stock.py` tries. Versions other than the portal's own are installed into FOLDER from `ckan-*.txt`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.install import LOCKS
from infra.services import Command, postgres, solr
from infra.services.portal_config import LOGGING, READER, WRITER
from infra.settings import ROOT, Settings, read_settings
from portal_sync.client import Client
from quality.contract import load_all
from tests.bench.installation import installation
from tests.bench.published import write_exports
from tests.portal import publish
from tests.running import HOST, running
from tests.stock import NAME, PLUGINS, Told, trial

VERSIONS = ("2.10", "2.11", "2.12")
OURS = "2.12"  # which the portal has
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Stock:
    """One that runs. `token` is that of a user who is no sysadmin."""

    url: str
    token: str


def main() -> None:
    """One version after the other; exit 1 if one of them does not do as it must."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for the installation, which must not be there yet")
    parser.add_argument("--port-base", type=int, default=33_000)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True)
    wrong = 0
    with installation(arguments.folder / "home", read_settings().tools, arguments.port_base, "up", "portal") as started:
        many = write_exports(load_all(), started.settings.lake / "exports")
        for version in VERSIONS:
            for one in _try(version, started.settings, arguments.folder, many):
                is_right = one.found == one.expected
                wrong += not is_right
                shown = "" if is_right else f": expected {one.expected}, found {one.found}"
                print(f"CKAN {version}: {'ok' if is_right else 'WRONG'}: {one.what}{shown}", flush=True)
    sys.exit(f"{wrong} of these went wrong" if wrong else None)


def _try(version: str, settings: Settings, folder: Path, many: int) -> Iterator[Told]:
    python = settings.python("portal") if version == OURS else _installed(version, settings, folder)
    with stock_ckan(settings, python, f"ckan-{version}", settings.ports["portal"] + 50) as stock:
        applied = _last_line(settings, stock, "apply")
        yield Told("every dataset is published", f"{many} datasets published", applied.rpartition("; ")[2])
        nothing = "plan: 0 to create, 0 to update, 0 to remove"
        yield Told("then nothing is left to do", nothing, _last_line(settings, stock, "plan"))
        yield from trial(stock.url, stock.token, folder / version)
        publish(Client(stock.url, stock.token), {}, also=[NAME])
        found = Client(stock.url, "").call("package_search", {"q": f"name:{NAME}"})
        yield Told("what is removed is gone", 0, found["count"])


def _installed(version: str, settings: Settings, folder: Path) -> Path:
    """The Python that has that CKAN."""
    home, uv = folder / f"python-{version}", str(settings.tools / "uv" / "bin" / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
    python = home / "bin" / "python"
    argv = [uv, "pip", "sync", "--quiet", "--require-hashes", "--build-constraints", str(LOCKS / "build.txt")]
    lock = Path(__file__).with_name(f"ckan-{version}.txt")
    environment = {**os.environ, "UV_CACHE_DIR": str(folder / "cache")}
    subprocess.run([*argv, "--python", str(python), str(lock)], env=environment, check=True)
    return python


def _last_line(settings: Settings, stock: Stock, verb: str) -> str:
    """What `kho plan` or `kho apply` says in the end."""
    ours = {"KHO_PORTAL_URL": stock.url, "KHO_PORTAL_TOKEN": stock.token, "PYTHONPATH": str(ROOT)}
    argv = [str(settings.python("lake")), "-m", "portal_sync", verb]
    environment = {**os.environ, **settings.environment(), **ours}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


@contextmanager
def stock_ckan(settings: Settings, python: Path, name: str, port: int) -> Iterator[Stock]:
    """The CKAN that is installed for a Python, from nothing; `name` is that of its databases and its folder."""
    home = settings.home / name
    (home / "storage").mkdir(parents=True)
    url = f"http://{HOST}:{port}"
    (home / "ckan.ini").touch(mode=0o600)
    (home / "ckan.ini").write_text(_ini(settings, name, home, url), encoding="utf-8")
    environment = _environment(python, home)
    argv = [str(python), "-m", "gunicorn", "--config", "python:ckanext_kho.gunicorn", "ckanext_kho.wsgi:application"]
    with _search_core(settings, python, name):
        token = _prepare(settings, [str(python.parent / "ckan")], name, environment)
        command = Command([*argv, "--bind", f"{HOST}:{port}"], home, environment)
        with running(command, f"{url}/api/3/action/status_show", home):
            yield Stock(url, token)


def _ini(settings: Settings, name: str, home: Path, url: str) -> str:
    """What no CKAN starts without, and what a publisher who is no sysadmin may do."""

    def address(role: str, database: str) -> str:
        return (
            f"postgresql://{role}:{settings.secret(f'postgres-{role}')}@{HOST}:{settings.ports['postgres']}/{database}"
        )

    tokens = secrets.token_hex(16)
    values = {
        "use": "egg:ckan",
        "SECRET_KEY": secrets.token_hex(16),
        "WTF_CSRF_SECRET_KEY": secrets.token_hex(16),
        "beaker.session.secret": secrets.token_hex(16),
        "beaker.session.validate_key": secrets.token_hex(16),
        **dict.fromkeys(("api_token.jwt.encode.secret", "api_token.jwt.decode.secret"), f"string:{tokens}"),
        "sqlalchemy.url": address("ckan", name),
        "ckan.datastore.write_url": address(WRITER, f"{name}_datastore"),
        "ckan.datastore.read_url": address(READER, f"{name}_datastore"),
        "ckan.redis.url": f"redis://:{settings.secret('valkey')}@{HOST}:{settings.ports['valkey']}/1",
        "solr_url": solr.url(settings).rpartition("/")[0] + f"/{name}",
        "ckan.site_url": url,
        "ckan.site_id": name,
        "ckan.plugins": PLUGINS,
        "ckan.max_resource_size": "100",
        "ckan.storage_path": str(home / "storage"),
        "ckan.webassets.path": str(home / "webassets"),
        "ckan.auth.user_create_groups": "true",
        "ckan.auth.user_create_organizations": "true",
        "ckan.auth.user_delete_groups": "true",
        "ckan.auth.user_delete_organizations": "true",
    }
    logging = LOGGING.replace("sys.stdout", "sys.stderr")  # what a command prints is its answer alone
    return "\n".join(["[app:main]", *(f"{key} = {value}" for key, value in values.items()), logging])


def _environment(python: Path, home: Path) -> dict[str, str]:
    (packages,) = (python.parent.parent / "lib").glob("python3*/site-packages")
    magic = packages / "pylibmagic"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("KHO_", "PYTHON"))},
        "CKAN_INI": str(home / "ckan.ini"),
        "PYTHONPATH": str(ROOT / "infra" / "ckan"),  # its settings of gunicorn
        "PYTHONPYCACHEPREFIX": str(home / "pycache"),
        "PYTHONWARNINGS": "ignore",
        "LD_LIBRARY_PATH": str(magic),
        "MAGIC": str(magic / "magic.mgc"),
        "HOME": str(home),
    }


@contextmanager
def _search_core(settings: Settings, python: Path, name: str) -> Iterator[None]:
    """With that version's own schema: each takes only those of its time."""
    (schema,) = (python.parent.parent / "lib").glob("python3*/site-packages/ckan/config/solr/schema.xml")
    cores = settings.home / "solr" / "cores"
    conf = cores / name / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    for file in (cores / "ckan" / "conf").iterdir():
        shutil.copyfile(schema if file.name == "schema.xml" else file, conf / file.name)
    _ask_solr(settings, f"action=CREATE&name={name}&instanceDir={name}")
    try:
        yield
    finally:
        _ask_solr(settings, f"action=UNLOAD&core={name}&deleteInstanceDir=true")


def _ask_solr(settings: Settings, question: str) -> None:
    root = solr.url(settings).rpartition("/")[0]
    with urllib.request.urlopen(f"{root}/admin/cores?{question}", timeout=TIMEOUT_SECONDS):  # noqa: S310 - loopback
        pass


def _prepare(settings: Settings, ckan: list[str], name: str, environment: Mapping[str, str]) -> str:
    """Databases, tables and a user, by CKAN's own commands; the user's token."""
    postgres.ensure_database(settings, name, "ckan")
    postgres.ensure_database(settings, f"{name}_datastore", WRITER)

    def run(*words: str) -> str:
        done = subprocess.run([*ckan, *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"ckan {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    run("db", "init")
    rights = run("datastore", "set-permissions")
    with postgres.connect(settings, f"{name}_datastore") as connection:
        connection.execute("\n".join(line for line in rights.splitlines() if not line.startswith("\\")).encode())
    run("user", "add", "publisher", "email=publisher@localhost", f"password={secrets.token_hex(16)}")
    return run("user", "token", "add", "publisher", "portal_sync", "--quiet").split()[-1]


if __name__ == "__main__":
    main()
