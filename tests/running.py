"""Servers that a test or a benchmark starts by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.services import Command

HOST = "127.0.0.1"
PATIENCE_SECONDS, STOP_SECONDS, POLL_SECONDS = 60, 20, 0.1


@contextmanager
def running(command: Command, address: str, folder: Path) -> Iterator[None]:
    """A server that answers at an address, of which nothing is left afterwards; what it prints goes into `folder`."""
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
    raise RuntimeError(f"nobody answers at {address}:\n{log.read_text()[-2000:]}")
