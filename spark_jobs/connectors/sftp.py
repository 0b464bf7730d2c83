"""An SFTP server of the department. Its host key is always checked, and lost connections are taken up again.

Address: `sftp://user:password@host:port/folder?host_key=ssh-ed25519%20AAAA…`; `key=/path/of/a/private/key` instead of
the password. Without `host_key`, the server must stand in `~/.ssh/known_hosts`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Self, TypeVar, cast

import asyncssh

from quality.delivery import Delivery
from spark_jobs.connectors import PARTIAL, Offer, StillBeingWritten
from spark_jobs.connectors.addresses import Address, read_address
from spark_jobs.connectors.files import INBOX, Found, in_inbox, is_delivery, sorted_out
from spark_jobs.connectors.login import log_in
from spark_jobs.connectors.refusals import STAYS, NotAllowed, NotThere
from spark_jobs.connectors.retries import Lost, persistently
from spark_jobs.extracts import Extract

FORM = "sftp://user:password@host:port/folder?host_key=ssh-ed25519%20AAAA…"
ANSWER_S = 60
SETTLED_S = 5  # a file touched less than this ago may still grow; sftp has no better sign
LISTED_AT_ONCE = 16  # folders, on the one connection: each is four questions, and a department's server may be far away
CHUNK_BYTES = 1 << 20  # fetched by requests in parallel; what a lost connection costs at most
SERVER_GONE = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
Answer = TypeVar("Answer")
Entry = tuple[str, asyncssh.SFTPAttrs]


def connect(address: str) -> Sftp:
    """The server of an address; nobody is called yet."""
    return Sftp(read_address(address, "sftp", 22, FORM, ("host_key", "key")))


class Sftp:
    """All files below one folder of a server. One thread at a time: there is one connection."""

    def __init__(self, address: Address) -> None:
        """Nobody is called yet."""
        self.where = address.where
        self._address = address
        self._root = PurePosixPath(address.path or ".")
        self._runner = asyncio.Runner()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._listed: list[Found] | None = None

    def __enter__(self) -> Self:
        """Log in."""
        try:
            self._do(lambda client: client.realpath("."))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._runner.run(self._hang_up())
        self._runner.close()

    def offers(self, delivery: Delivery, last: Extract | None) -> tuple[list[Offer], list[str]]:  # noqa: ARG002 - the interface's
        """All files whose path matches, and the names of the others; links are others. They are listed once."""
        if self._listed is None:
            self._listed = self._do(self._files)
        return sorted_out(self._listed, delivery)

    def take(self, offer: Offer, delivery: Delivery, folder: Path) -> list[str]:  # noqa: ARG002 - the interface's
        """The file's bytes, if it has settled and is the same before and after. A partial copy is continued."""
        target = folder / offer.name
        if target.exists() and target.stat().st_size == offer.size:  # else the machine stopped before it was on disk
            return [offer.name]
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + PARTIAL)
        if partial.exists() and partial.stat().st_size > offer.size:
            partial.unlink()
        try:
            with partial.open("ab") as copy:
                self._do(lambda client: self._copy(client, offer, copy))
        except StillBeingWritten:
            partial.unlink()
            raise
        partial.rename(target)
        return [offer.name]

    def put(self, name: str, content: Path) -> None:
        """Whole, or not at all; what had that name before is replaced."""
        target = self._root / in_inbox(name)
        fresh = target.with_name(f".{target.name}{PARTIAL}")
        folders = [folder for folder in reversed(target.parents) if folder.is_relative_to(self._root / INBOX)]
        self._do(lambda client: _put(client, content, fresh, target, folders))

    def _do(self, work: Callable[[asyncssh.SFTPClient], Awaitable[Answer]]) -> Answer:
        """Work on a connection that stands; on a new one when it breaks."""

        async def once() -> Answer:
            try:
                return await work(await self._logged_in())
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
                raise self._not_there(error) from error
            except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect) as error:
                raise self._not_allowed(error) from error
            except (asyncssh.Error, ConnectionError, TimeoutError) as error:
                await self._hang_up()
                is_lost = not isinstance(error, asyncssh.SFTPError) or isinstance(error, SERVER_GONE)
                what = "the connection to the department's server is lost" if is_lost else "the server cannot do it"
                raise Lost(what, str(error) or type(error).__name__) from error

        return persistently(lambda: self._runner.run(once()), self.where)

    async def _logged_in(self) -> asyncssh.SFTPClient:
        if self._client is None:
            self._connection = await log_in(self._address)
            self._client = await self._connection.start_sftp_client(path_errors="surrogateescape")
        return self._client

    async def _hang_up(self) -> None:
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    async def _files(self, client: asyncssh.SFTPClient) -> list[Found]:
        """All that may be a delivery, some folders at a time."""
        found: list[Found] = []
        folders = [PurePosixPath()]
        while folders:
            some, folders = folders[:LISTED_AT_ONCE], folders[LISTED_AT_ONCE:]
            async with asyncio.timeout(ANSWER_S):
                listed = await asyncio.gather(*(self._entries(client, folder) for folder in some))
            for folder, entries in zip(some, listed, strict=True):
                for name, attributes in entries:
                    if attributes.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
                        folders.append(folder / name)
                    else:
                        found.append(_found(str(folder / name), attributes))
        return found

    async def _entries(
        self, client: asyncssh.SFTPClient, folder: PurePosixPath
    ) -> list[tuple[str, asyncssh.SFTPAttrs]]:
        """Of one folder; none if it has gone since its parent was read."""
        try:
            entries = await client.readdir(str(self._root / folder))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            if folder.parts:
                return []
            raise
        named = [(str(entry.filename), entry.attrs) for entry in entries]
        # A name with a slash would lead elsewhere: no honest server sends one.
        return [each for each in named if is_delivery(each[0], at_root=not folder.parts) and "/" not in each[0]]

    async def _copy(self, client: asyncssh.SFTPClient, offer: Offer, copy: BinaryIO) -> None:
        """Append what is missing. The server's clock may run before or after ours, by seconds but not by more."""
        path = str(self._root / offer.name)
        try:
            async with client.open(path, "rb") as source:
                attributes = await asyncio.wait_for(source.stat(), ANSWER_S)
                if _stamp(attributes) != offer.stamp or abs(time.time() - (attributes.mtime or 0)) < SETTLED_S:
                    raise StillBeingWritten(offer.name)
                while (there := copy.tell()) < offer.size:
                    wanted = min(CHUNK_BYTES, offer.size - there)
                    content = await asyncio.wait_for(source.read(wanted, there), ANSWER_S)
                    if not content:
                        raise StillBeingWritten(offer.name)
                    copy.write(cast("bytes", content))
            if _stamp(await asyncio.wait_for(client.stat(path), ANSWER_S)) != offer.stamp:
                raise StillBeingWritten(offer.name)
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise StillBeingWritten(offer.name) from error

    def _not_there(self, error: asyncssh.SFTPError) -> NotThere:
        return NotThere(
            "the department's folder is not on its server",
            where=self.where,
            expected=f"the folder {self._root}",
            found=error.reason,
            remedy=f"ask the department where it delivers, and correct the address; {STAYS}",
        )

    def _not_allowed(self, error: asyncssh.SFTPError) -> NotAllowed:
        return NotAllowed(
            "the department's server does not allow this",
            where=self.where,
            expected="permission to read all files, and to write into tra-lai",
            found=error.reason,
            remedy=f"ask the department for these permissions; {STAYS}",
        )


async def _put(
    client: asyncssh.SFTPClient,
    content: Path,
    fresh: PurePosixPath,
    target: PurePosixPath,
    folders: list[PurePosixPath],
) -> None:
    for folder in folders:
        if not await client.isdir(str(folder)):
            await client.mkdir(str(folder))
    await client.put(str(content), str(fresh))
    try:
        await client.posix_rename(str(fresh), str(target))
    except asyncssh.SFTPOpUnsupported:  # an extension of OpenSSH, which most servers share but not all
        if await client.exists(str(target)):
            await client.remove(str(target))
        await client.rename(str(fresh), str(target))


def _found(name: str, attributes: asyncssh.SFTPAttrs) -> Found:
    if attributes.type != asyncssh.FILEXFER_TYPE_REGULAR:
        return Found(name)
    return Found(name, attributes.size or 0, _stamp(attributes))


def _stamp(attributes: asyncssh.SFTPAttrs) -> str:
    return f"{attributes.size}-{attributes.mtime}"
