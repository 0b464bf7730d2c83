"""The services, one module each: what a service needs, how it is prepared, started and asked whether it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.settings import Settings


@dataclass(frozen=True)
class Command:
    """What the supervisor's child becomes (exec). Secrets go into `environment`, never into `argv`."""

    argv: list[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def nothing(_: Settings) -> None:
    """The preparation of a service that needs none."""


@dataclass(frozen=True)
class Service:
    """One real server of the stack.

    `prepare` runs when everything in `needs` is ready and before the service starts; it must be safe to run again
    and cheap when there is nothing to do. `ready` asks the service a real request of its own: None when it answered
    as it should, else one line that says what was expected and found; it must not take more than seconds.
    `ports` are keys of `infra.settings.PORTS`. After `stop_seconds` a service that did not obey is killed.
    """

    name: str
    command: Callable[[Settings], Command]
    ready: Callable[[Settings], str | None]
    needs: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    prepare: Callable[[Settings], None] = nothing
    stop_signal: str = "TERM"
    stop_seconds: int = 20


def mark_start(settings: Settings, name: str) -> None:
    """Remember the moment a service starts, which a service's own old heartbeat may precede."""
    (settings.run / f"{name}.started").touch()


def started_at(settings: Settings, name: str) -> float:
    """Seconds since the epoch of the last start of a service; 0 when it never started."""
    marker = settings.run / f"{name}.started"
    return marker.stat().st_mtime if marker.exists() else 0.0
