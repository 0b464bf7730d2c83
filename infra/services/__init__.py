"""The services, one module each: what a service needs, how it is prepared, started and asked whether it is ready."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.folders import CLOSED
from infra.settings import Settings


@dataclass(frozen=True)
class Command:
    """What the supervisor's child becomes (exec). Secrets go into `environment`, never into `argv`."""

    argv: list[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    umask: int = CLOSED


def nothing(_: Settings) -> None:
    """The preparation of a service that needs none."""


@dataclass(frozen=True)
class Service:
    """One real server of the stack.

    `prepare` runs when everything in `needs` is ready and before the service starts; it must be safe to run again
    and cheap when there is nothing to do. `ready` asks the service a real request of its own: None when it answered
    as it should, else one line that says what was expected and found; it must not take more than seconds.
    `ports` are keys of `infra.settings.PORTS`. After `stop_seconds` a service that did not obey is killed;
    after `patience_seconds` without an answer it is started again.
    """

    name: str
    command: Callable[[Settings], Command]
    ready: Callable[[Settings], str | None]
    needs: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    prepare: Callable[[Settings], None] = nothing
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    patience_seconds: int = 60


def mark_start(settings: Settings, name: str) -> None:
    """Remember when a service starts, for an old heartbeat of its own may precede that, and as which process."""
    (settings.run / f"{name}.started").write_text(str(os.getpid()))


def started_at(settings: Settings, name: str) -> float:
    """Seconds since the epoch of the last start of a service; 0 when it never started."""
    marker = settings.run / f"{name}.started"
    return marker.stat().st_mtime if marker.exists() else 0.0


def end_remains(settings: Settings, name: str) -> None:
    """Kill what is left of a service's last start: children that outlived it when it was killed.

    They are known by their process group, which is the service's pid, and by working in our folder. Their environment
    would be surer, but programs that change their title (Airflow's workers, PostgreSQL) overwrite it.
    """
    marker = settings.run / f"{name}.started"
    if not marker.exists():
        return
    group = int(marker.read_text() or "0")
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            is_member = process.pid != os.getpid() and os.getpgid(process.pid) == group
            if is_member and Path(process.cwd()).is_relative_to(settings.home):
                process.kill()
