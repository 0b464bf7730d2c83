"""Servers that a test or a benchmark starts by itself, and waiting for what servers do."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from infra.services import Command, postgres
from infra.services.registry import SERVICES
from infra.settings import Settings

HOST = "127.0.0.1"
PATIENCE_SECONDS, POLL_SECONDS = 120, 0.05


@contextmanager
def running(command: Command, address: str, folder: Path) -> Iterator[None]:
    """A server that answers at an address, of which nothing is left afterwards; what it prints goes into `folder`."""
    with _started(command, lambda: _answers(address), folder, signal.SIGTERM):
        yield


@contextmanager
def postgres_server(settings: Settings, *options: str) -> Iterator[None]:
    """PostgreSQL without its supervisor, in a home that is thrown away after it."""
    postgres.SERVICE.prepare(settings)
    command = postgres.SERVICE.command(settings)
    asked = replace(command, argv=[*command.argv, *options])
    at_once = signal.SIGQUIT  # nobody wants its data
    with _started(asked, lambda: postgres.SERVICE.ready(settings) is None, settings.home, at_once):
        yield


@contextmanager
def _started(command: Command, is_ready: Callable[[], bool], folder: Path, stop: signal.Signals) -> Iterator[None]:
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
        until(lambda: server.poll() is not None or is_ready())
        if server.poll() is not None:
            raise RuntimeError(f"{command.argv[0]} has ended:\n{log.read_text()[-2000:]}")
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, stop)
        server.wait(PATIENCE_SECONDS)


def until_ready(name: str, settings: Settings) -> None:
    """Wait until a service answers as it should."""
    try:
        until(lambda: SERVICES[name].ready(settings) is None)
    except TimeoutError as error:
        raise TimeoutError(f"{name}: {SERVICES[name].ready(settings)}") from error


def until(is_so: Callable[[], object]) -> None:
    """Wait for it, not for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_SECONDS} s in vain")
        time.sleep(POLL_SECONDS)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS):  # noqa: S310 - loopback
            return True
    except urllib.error.HTTPError:  # an answer, too
        return True
    except OSError:
        return False
