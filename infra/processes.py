"""What the machine shows of our processes: who listens on a port, what is left over, how much memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from infra.services import end_remains
from infra.services.registry import SERVICES
from infra.settings import Settings

PATIENCE_SECONDS = 60


def port_holder(port: int) -> str | None:
    """Who listens on a loopback port: a pid and a command, or that it cannot be seen; None when nobody does."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            if connection.pid is None:
                return "a process of another user"
            with _gone_is_fine():
                return f"process {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:120]})"
    return None


def end_strays(settings: Settings) -> None:
    """End processes of our services that no supervisor watches any more: asked first, then killed."""
    for name in SERVICES:
        end_remains(settings, name)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (strays := _strays(settings)) and time.monotonic() < deadline:  # a task may just have started a step
        for process in strays:
            with _gone_is_fine():
                process.terminate()
        for process in psutil.wait_procs(strays, timeout=10)[1]:
            with _gone_is_fine():
                process.kill()


def _strays(settings: Settings) -> list[psutil.Process]:
    """All that our services have started and that still runs.

    Known by the environment, or where Airflow's title of a task has overwritten that, by working in Airflow's folder:
    a task leads a process group of its own, so `end_remains` does not meet it.
    """
    strays = []
    for process in psutil.process_iter():
        with _gone_is_fine():
            environment = process.environ()
            is_service = environment.get("KHO_HOME") == str(settings.home) and "KHO_SERVICE" in environment
            is_task = " ".join(process.cmdline()).startswith("airflow ")
            if is_service or (is_task and Path(process.cwd()).is_relative_to(settings.home)):
                strays.append(process)
    return strays


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except (psutil.Error, OSError):
        return


def memory(pid: int) -> int:
    """Of a process and all below it, in bytes; shared pages shared out among who share them."""
    total = 0
    with _gone_is_fine():
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            with _gone_is_fine():
                total += process.memory_full_info().pss
    return total
