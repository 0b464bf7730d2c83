"""Airflow: API server, scheduler (LocalExecutor), DAG processor and triggerer, on PostgreSQL.

Secrets stand in airflow.cfg (mode 0600), not in the environment, for tasks inherit the environment.
"""

from __future__ import annotations

import base64
import configparser
import json
import os
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import requests

from infra.services import Command, Service, started_at
from infra.services.postgres import ensure_database, ensure_role
from infra.settings import ROOT, Settings
from quality.refusal import Refusal

ADMIN = "admin"
QUESTION_SECONDS = 5
PARTS_IN_HEALTH = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def _folder(settings: Settings) -> Path:
    return settings.home / "airflow"


def url(settings: Settings) -> str:
    """Address of Airflow's pages and API, no slash at the end."""
    return f"http://127.0.0.1:{settings.ports['airflow']}"


def _configuration(settings: Settings) -> dict[str, dict[str, object]]:
    password = settings.secret("postgres-airflow")
    fernet_key = base64.urlsafe_b64encode(bytes.fromhex(settings.secret("airflow-fernet"))).decode()
    return {
        "core": {
            "dags_folder": ROOT / "dags",
            "executor": "LocalExecutor",
            "load_examples": False,
            "default_timezone": "Asia/Ho_Chi_Minh",
            "parallelism": 4,
            "dags_are_paused_at_creation": False,
            "fernet_key": fernet_key,
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": _folder(settings) / "passwords.json",
            # Without it every task is killed when the port is not 8080.
            "execution_api_server_url": f"{url(settings)}/execution/",
        },
        "database": {
            "sql_alchemy_conn": f"postgresql+psycopg2://airflow:{password}@127.0.0.1:{settings.ports['postgres']}/airflow",
        },
        "api": {
            "host": "127.0.0.1",
            "port": settings.ports["airflow"],
            "base_url": url(settings),
            "workers": 1,
            "secret_key": settings.secret("airflow-api"),
        },
        "api_auth": {"jwt_secret": settings.secret("airflow-jwt")},
        "logging": {"base_log_folder": settings.logs / "airflow"},
        # A new or changed DAG file is seen within seconds; the others are read again now and then, not every 30 s.
        "dag_processor": {"refresh_interval": 10, "parsing_processes": 1, "min_file_process_interval": 300},
        # What a killed scheduler was running is taken up when it has been silent for 30 s, not after up to 300 s.
        "scheduler": {"parsing_processes": 1, "orphaned_tasks_check_interval": 30},
        "usage_data_collection": {"enabled": False},
    }


def _write_configuration(settings: Settings) -> None:
    parser = configparser.RawConfigParser()
    parser.read_dict({s: {k: str(v) for k, v in block.items()} for s, block in _configuration(settings).items()})
    for path, write in (
        (_folder(settings) / "airflow.cfg", parser.write),
        (_folder(settings) / "passwords.json", lambda file: json.dump({ADMIN: settings.secret("airflow-admin")}, file)),
    ):
        path.touch(mode=0o600)
        with path.open("w") as file:
            write(file)


def _environment(settings: Settings) -> dict[str, str]:
    """What tasks need as well, so nothing secret. `airflow` itself must be on the PATH, for it starts itself."""
    binaries = settings.python("scheduler").parent
    return {"AIRFLOW_HOME": str(_folder(settings)), "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}


def _prepare(settings: Settings) -> None:
    """Configuration, role and database; migrations once a version of Airflow."""
    _folder(settings).mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_configuration(settings)
    (distribution,) = settings.site_packages("scheduler").glob("apache_airflow-*.dist-info")
    migrated = _folder(settings) / "migrated-to"
    if migrated.exists() and migrated.read_text() == distribution.name:
        return
    ensure_role(settings, "airflow")
    ensure_database(settings, "airflow", owner="airflow")
    argv = [str(settings.python("scheduler")), "-m", "airflow", "db", "migrate"]
    environment = {**os.environ, **_environment(settings)}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(argv, cwd=_folder(settings), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refusal("Airflow's database could not be made", found="\n".join(done.stderr.strip().splitlines()[-5:]))
    migrated.write_text(distribution.name)


def _command(part: str, *arguments: str) -> Callable[[Settings], Command]:
    def command(settings: Settings) -> Command:
        argv = [str(settings.python("scheduler")), "-m", "airflow", part, *arguments]
        # A missed deadline's callback runs in the triggerer, which must find its module.
        found = {"PYTHONPATH": str(ROOT / "dags")} if part == "triggerer" else {}
        return Command(argv, _folder(settings), _environment(settings) | found)

    return command


def _ready(part: str) -> Callable[[Settings], str | None]:
    """Asked over the API: is the database healthy, has this part reported since it was started?"""

    def ready(settings: Settings) -> str | None:
        try:
            health = requests.get(f"{url(settings)}/api/v2/monitor/health", timeout=QUESTION_SECONDS).json()
        except (requests.RequestException, ValueError) as error:
            return f"Airflow's API: {type(error).__name__}"
        if health["metadatabase"]["status"] != "healthy":
            return "Airflow's API answers, its database does not"
        if part not in PARTS_IN_HEALTH:
            return None
        name = PARTS_IN_HEALTH[part]
        heard = health[name][f"latest_{name}_heartbeat"]
        if heard is None or datetime.fromisoformat(heard).timestamp() < started_at(settings, f"airflow-{part}"):
            return f"no heartbeat of the {part} yet"
        return None if health[name]["status"] == "healthy" else f"the {part} is {health[name]['status']}"

    return ready


API_SERVER = Service(
    "airflow-api-server",
    _command("api-server"),
    _ready("api-server"),
    needs=("postgres",),
    ports=("airflow",),
    prepare=_prepare,
)
# Logs of tasks are read from the disk: nothing needs to serve them, on all interfaces, as is the default.
SCHEDULER = Service(
    "airflow-scheduler",
    _command("scheduler", "--skip-serve-logs"),
    _ready("scheduler"),
    needs=("airflow-api-server",),
)
DAG_PROCESSOR = Service(
    "airflow-dag-processor",
    _command("dag-processor"),
    _ready("dag-processor"),
    needs=("airflow-api-server",),
)
TRIGGERER = Service(
    "airflow-triggerer",
    _command("triggerer", "--skip-serve-logs"),
    _ready("triggerer"),
    needs=("airflow-api-server",),
)
