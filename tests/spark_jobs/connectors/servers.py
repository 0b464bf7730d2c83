"""Real servers on loopback, that fail the way servers do: they cut lines, and change what they serve meanwhile."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import trustme
import uvicorn
from starlette.types import ASGIApp

from infra.departments.sftp_server import Account, Shelf, serve
from quality.delivery import Delivery
from spark_jobs.extracts import Extract, File

HOST = "127.0.0.1"


def delivery(source: str, **words: Any) -> Delivery:
    """With the words that every delivery has."""
    always: dict[str, Any] = {"layout": "any", "mode": "snapshot", "every": "month", "rejected_at_most_pct": 0}
    return Delivery(source=source, **{**always, **words})


def extract(stamp: str, period: str = "all") -> Extract:
    """The last one of a table."""
    file = File("a", "a", stamp, 1, "0", f"{period}/0001")
    return Extract("d.t", period, 1, "any", "0", "2026-01-01T00:00:00+07:00", (file,))


@dataclass
class SftpFaults:
    """What an SFTP server does wrong, and what it was asked to read: by name, offset and size."""

    cuts: list[int] = field(default_factory=list)  # after so many bytes it hangs up, once each
    on_read: Callable[[str], None] = lambda _: None
    has_posix_rename: bool = True
    reads: list[tuple[str, int, int]] = field(default_factory=list)


def _faulty(faults: SftpFaults) -> type[Shelf]:
    class Faulty(Shelf):
        def read(self, file_obj: Any, offset: int, size: int) -> Any:
            name = Path(file_obj.name.decode()).name
            faults.reads.append((name, offset, size))
            faults.on_read(name)
            if faults.cuts and sum(read[2] for read in faults.reads) > faults.cuts[0]:
                faults.cuts.pop(0)
                self.connection.abort()
            return super().read(file_obj, offset, size)

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            if not faults.has_posix_rename:
                raise asyncssh.SFTPOpUnsupported("no such extension")
            super().posix_rename(oldpath, newpath)

    return Faulty


@contextmanager
def sftp_server(folder: Path, key: asyncssh.SSHKey, faults: SftpFaults, password: str = "p@ss/wörd") -> Iterator[int]:  # noqa: S107 - of a test
    """The departments' own server with the user `education`; its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    accounts = {"education": Account(folder, password)}
    started = asyncio.run_coroutine_threadsafe(serve(0, key, accounts, _faulty(faults)), loop)
    acceptor = started.result()

    async def stop() -> None:
        acceptor.close()
        await acceptor.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield acceptor.get_port()
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def https_server(app: ASGIApp, authority: trustme.CA, folder: Path) -> Iterator[int]:
    """An ASGI application behind a certificate for 127.0.0.1; its port."""
    certificate = authority.issue_cert(HOST)
    path = folder / "server.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(path)
    config = uvicorn.Config(app, ssl_certfile=path, http="h11", ws="none", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    with socket.create_server((HOST, 0)) as listening:  # it listens from here on: nobody has to wait for it
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def cutting_line(target: int, cuts: list[int]) -> Iterator[int]:
    """A line to a port of this machine, cut after so many bytes of its answers, once each; its own port."""
    with socket.create_server((HOST, 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    here, _ = listening.accept()
                except OSError:
                    return
                there = socket.create_connection((HOST, target))
                budget = cuts.pop(0) if cuts else None
                ends = [
                    threading.Thread(target=_carry, args=(here, there, None)),
                    threading.Thread(target=_carry, args=(there, here, budget)),
                ]
                for end in ends:
                    end.start()
                for end in ends:
                    end.join()
                here.close()
                there.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _carry(giver: socket.socket, taker: socket.socket, budget: int | None) -> None:
    """Bytes one way, until either end or the budget is through; then the whole line is."""
    with suppress(OSError):
        while budget is None or budget > 0:
            content = giver.recv(65536 if budget is None else min(budget, 65536))
            if not content:
                break
            taker.sendall(content)
            budget = None if budget is None else budget - len(content)
    for end in (giver, taker):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
