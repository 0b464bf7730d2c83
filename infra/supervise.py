"""Start, stop and watch the services: supervisor keeps them alive, this module tells it of them.

The supervisor is talked to over a Unix socket in `run/`, by its relative name, for a socket's whole path may have no
more than 107 bytes. So commands that talk to it work in that folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from infra.processes import end_strays, memory, port_holder
from infra.services import Service
from infra.services.registry import SERVICES, services
from infra.settings import ROOT, Settings
from quality.refusal import Refusal

START_SECONDS = 180  # under load, starts that take 10 s took 50 s
STOP_SECONDS = 60
POLL_SECONDS = 0.3
RUNNING = "RUNNING"
WATCH = "watch"


class PortBusy(Refusal):
    """Somebody else listens where a service of ours should."""


class NotReady(Refusal):
    """A service did not answer as it should in time."""


@dataclass(frozen=True)
class State:
    """One service as the machine shows it. `memory` in bytes, shared pages shared out among who share them."""

    name: str
    state: str
    pid: int
    memory: int


def up(settings: Settings, names: Sequence[str] = ()) -> None:
    """Start what does not run, each service when those it needs are ready; return when every one has answered.

    `names`: only these, and what they need.
    """
    running = {state.name for state in states(settings) if state.state != "STOPPED"}
    wanted = _with_needs(services(settings), names)
    _refuse_busy_ports(settings, [service for name, service in wanted.items() if name not in running])
    with _supervisor(settings):
        answered = {name: threading.Event() for name in wanted}
        failed = threading.Event()
        with ThreadPoolExecutor(len(wanted)) as pool:
            starts = [pool.submit(_start, settings, service, answered, failed) for service in wanted.values()]
            try:
                for start in starts:
                    if error := start.exception():
                        raise error
            finally:  # Ctrl-C too: nobody goes on waiting
                failed.set()


def _with_needs(known: Mapping[str, Service], names: Sequence[str]) -> dict[str, Service]:
    """The named services and all that they need, directly or not; all services when none is named."""
    if unknown := sorted(set(names) - known.keys()):
        raise Refusal("no such service", where=", ".join(unknown), expected=", ".join(known), remedy="see ./kho status")
    wanted, more = set(), set(names or known)
    while more:
        wanted |= more
        more = {need for name in more for need in known[name].needs} - wanted
    return {name: service for name, service in known.items() if name in wanted}


def down(settings: Settings) -> None:
    """Stop everything, those that need others first; leave no process of this installation."""
    if _pid(settings):
        with _connection(settings) as supervisor:
            for wave in [[WATCH], *_waves()]:
                _stop(supervisor, wave)
            supervisor.supervisor.shutdown()
        deadline = time.monotonic() + STOP_SECONDS
        while _pid(settings) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    end_strays(settings)


def states(settings: Settings) -> list[State]:
    """Every service, running or not."""
    if not _pid(settings):
        return [State(name, "STOPPED", 0, 0) for name in services(settings)]
    rows = sorted(_rows(settings).items())
    return [State(name, row["statename"], row["pid"], memory(row["pid"])) for name, row in rows]


def ages(settings: Settings) -> dict[str, float]:
    """Of every service that runs, how many seconds it has."""
    rows = _rows(settings).items()
    return {name: row["now"] - row["start"] for name, row in rows if row["statename"] == RUNNING}


def restart(settings: Settings, name: str) -> None:
    """Stop one service, by force if need be, and start it."""
    with _connection(settings) as supervisor:
        _stop(supervisor, [name])
        _ask_to_start(supervisor, name)


def _refuse_busy_ports(settings: Settings, services: list[Service]) -> None:
    for service in services:
        for name in service.ports:
            if holder := port_holder(settings.ports[name]):
                raise PortBusy(
                    f"port {settings.ports[name]} is busy, {service.name} needs it for {name}",
                    expected="nobody listening there",
                    found=holder,
                    remedy=f"stop that process, or set KHO_PORT_{name.upper()} (or KHO_PORT_BASE) to a free port",
                )


def _start(settings: Settings, service: Service, answered: dict[str, threading.Event], failed: threading.Event) -> None:
    """Wait for what it needs, prepare, start, and ask until it answers."""
    try:
        for name in service.needs:
            while not answered[name].wait(POLL_SECONDS):
                if failed.is_set():
                    return
        began = time.monotonic()
        with _connection(settings) as supervisor:
            if _states(supervisor)[service.name] != RUNNING:
                service.prepare(settings)
                _ask_to_start(supervisor, service.name)
            if not _is_ready_in_time(settings, service, failed):
                return
        answered[service.name].set()
        print(f"  {service.name} answers after {time.monotonic() - began:.1f} s", flush=True)
    except BaseException:
        failed.set()
        raise


def _ask_to_start(supervisor: Any, name: str) -> None:
    try:
        supervisor.supervisor.startProcess(name, False)  # noqa: FBT003 - do not wait, we ask the service itself
    except Fault as fault:
        if "ALREADY_STARTED" not in fault.faultString:
            raise


def _is_ready_in_time(settings: Settings, service: Service, failed: threading.Event) -> bool:
    """True when it has answered, False when another service failed or the user stopped us meanwhile."""
    deadline = time.monotonic() + START_SECONDS
    while (answer := service.ready(settings)) is not None:
        with _connection(settings) as supervisor:
            state = _states(supervisor)[service.name]
        if time.monotonic() > deadline or state == "FATAL":
            raise NotReady(
                f"{service.name} does not answer",
                where=str(settings.logs / f"{service.name}.log"),
                expected="an answer to a request of its own",
                found=f"{answer} (state {state})\n{last_lines(settings, service.name)}",
                remedy=f"read ./kho logs {service.name}; ./kho doctor looks for the usual causes",
            )
        if failed.wait(POLL_SECONDS):
            return False
    return True


def last_lines(settings: Settings, name: str, count: int = 12) -> str:
    """The end of a service's log."""
    path = settings.logs / f"{name}.log"
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64 * 1024))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])


def _configuration(settings: Settings) -> str:
    """supervisord.conf. No secret, and no path that would need quoting but the interpreter's."""
    lines = [
        *("[unix_http_server]", "file=supervisor.sock", "chmod=0600"),
        *("[supervisord]", "logfile=supervisor.log", "pidfile=supervisor.pid", "minfds=1024"),
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    python = str(settings.python("lake")).replace("%", "%%")
    lines += [
        f"[program:{WATCH}]",
        f'command="{python}" -m infra.watch',
        *(f'environment=KHO_SERVICE="{WATCH}"', "redirect_stderr=true", f"stdout_logfile=../logs/{WATCH}.log"),
    ]
    for name, service in services(settings).items():
        lines += [
            f"[program:{name}]",
            f'command="{python}" -m infra.services.run {name}',
            *("autostart=false", "autorestart=true", "startsecs=2", "startretries=20"),
            *(f"stopsignal={service.stop_signal}", f"stopwaitsecs={service.stop_seconds}", "killasgroup=true"),
            *("redirect_stderr=true", f"stdout_logfile=../logs/{name}.log"),
            *("stdout_logfile_maxbytes=10MB", "stdout_logfile_backups=2"),
        ]
    return "\n".join([*lines, ""])


@contextmanager
def _supervisor(settings: Settings) -> Iterator[Any]:
    """The supervisor, started if need be, with what a killed one left behind ended first."""
    for folder in (settings.run, settings.logs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_running = _pid(settings) is not None
    (settings.run / "supervisord.conf").write_text(_configuration(settings), encoding="utf-8")
    if not is_running:
        end_strays(settings)
        (settings.run / "supervisor.sock").unlink(missing_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "KHO_HOME": str(settings.home)}
        environment |= {"KHO_TOOLS": str(settings.tools)}
        argv = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", "supervisord.conf"]
        subprocess.run(argv, cwd=settings.run, env=environment, check=True)
    with _connection(settings) as supervisor:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                supervisor.supervisor.getState()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
        if is_running:  # it may have been started before some of its services were there
            for name in supervisor.supervisor.reloadConfig()[0][0]:
                supervisor.supervisor.addProcessGroup(name)
        yield supervisor


@contextmanager
def _connection(settings: Settings) -> Iterator[Any]:
    os.chdir(settings.run)
    with ServerProxy("http://127.0.0.1", transport=SupervisorTransport(serverurl="unix://supervisor.sock")) as proxy:
        yield proxy


def _rows(settings: Settings) -> dict[str, dict[str, Any]]:
    with _connection(settings) as supervisor:
        return {row["name"]: row for row in supervisor.supervisor.getAllProcessInfo() if row["name"] in SERVICES}


def _states(supervisor: Any) -> dict[str, str]:
    return {row["name"]: row["statename"] for row in supervisor.supervisor.getAllProcessInfo()}


def _stop(supervisor: Any, names: list[str]) -> None:
    """All of them at once. A supervisor knows only the services that were wanted when it last read of them."""
    names = [name for name in names if name in _states(supervisor)]
    for name in names:
        try:
            supervisor.supervisor.stopProcess(name, False)  # noqa: FBT003 - do not wait for one after the other
        except Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(_states(supervisor)[name] in {RUNNING, "STOPPING"} for name in names):
        time.sleep(POLL_SECONDS)


def _waves() -> list[list[str]]:
    """Names of the services, the outermost first: nothing is stopped while somebody still needs it."""
    left, waves = dict(SERVICES), []
    while left:
        needed = {need for service in left.values() for need in service.needs}
        waves.append([name for name in left if name not in needed])
        left = {name: service for name, service in left.items() if name in needed}
    return waves


def _pid(settings: Settings) -> int | None:
    """The pid of our supervisor, if it runs. A pid file that outlived its process may name somebody else's."""
    path = settings.run / "supervisor.pid"
    try:
        process = psutil.Process(int(path.read_text()))
        ours = process.status() != psutil.STATUS_ZOMBIE and "supervisor.supervisord" in process.cmdline()
        return process.pid if ours and process.environ().get("KHO_HOME") == str(settings.home) else None
    except (OSError, ValueError, psutil.Error):
        return None
