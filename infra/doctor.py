"""`./kho doctor`: what is missing or wrong, and what to do."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from infra import install, supervise
from infra.processes import port_holder
from infra.services.registry import services
from infra.settings import Settings
from quality.refusal import Refusal

NEEDED_DISK_GIB = 6  # environments and archives take 4 GiB, the demo's state 1 GiB
NEEDED_MEMORY_GIB = 6  # everything idle takes under 5 GiB
GIB = 1024**3


def examine(settings: Settings) -> None:
    """Print what was looked at; raise with all complaints at the end, if there are any."""
    complaints = []
    for look in (_installed, _disk, _memory, _secrets, _ports, _services):
        found = list(look(settings))
        complaints += found
        print(f"  {'wrong' if found else 'ok':<6} {(look.__doc__ or '').splitlines()[0]}")
    if complaints:
        raise Refusal(f"{len(complaints)} found", found="\n         ".join(complaints))


def _installed(settings: Settings) -> Iterator[str]:
    """Environments and Java archives are those of the locks."""
    for name in install.missing(settings, "lake", "portal", "scheduler", archives=True):
        yield f"{name} is not installed, or not as infra/locks says: ./kho up installs it"


def _disk(settings: Settings) -> Iterator[str]:
    """There is room on the disk."""
    free = shutil.disk_usage(settings.home.parent if not settings.home.exists() else settings.home).free / GIB
    if free < NEEDED_DISK_GIB:
        needed = f"{free:.1f} GiB free below {settings.home}, {NEEDED_DISK_GIB} needed"
        yield f"{needed}: make room, or set KHO_HOME elsewhere"


def _memory(_: Settings) -> Iterator[str]:
    """The machine has the memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    if total < NEEDED_MEMORY_GIB:
        yield f"{total:.1f} GiB of memory, {NEEDED_MEMORY_GIB} needed"


def _secrets(settings: Settings) -> Iterator[str]:
    """Secrets are readable by their owner only."""
    for path in sorted((settings.home / "secrets").glob("*")):
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{path} can be read by others: chmod 600"


def _ports(settings: Settings) -> Iterator[str]:
    """Ports of services that do not run are free."""
    for state in supervise.states(settings):
        if state.state != supervise.RUNNING:
            for port in services(settings)[state.name].ports:
                if holder := port_holder(settings.ports[port]):
                    number = settings.ports[port]
                    yield f"port {number} ({port}) is held by {holder}: stop it, or set KHO_PORT_{port.upper()}"


def _services(settings: Settings) -> Iterator[str]:
    """Every service answers a request of its own."""
    for state in supervise.states(settings):
        if state.state != supervise.RUNNING:
            yield f"{state.name} is {state.state.lower()}: ./kho up; if it stays so, ./kho logs {state.name}"
        elif answer := services(settings)[state.name].ready(settings):
            yield f"{state.name} runs, but: {answer}; see ./kho logs {state.name}"
