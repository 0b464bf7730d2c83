"""The simulated departments' SFTP server, on loopback: each department sees its own folder and nothing else.

    python -m infra.departments.sftp_server --port 15022 --host-key FILE --user education=FOLDER --user cadastre=FOLDER

Passwords come from `KHO_DEPARTMENT_PASSWORD_<USER>`. All may be read; written only below `tra-lai`, where departments
get files back. There is no shell, no forwarding, and no way out of the folder by a link.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from quality.refusal import Refusal, run

HOST = "127.0.0.1"
INBOX = b"tra-lai"
WRITING = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC


@dataclass(frozen=True)
class Account:
    """What a department's name opens, and with what."""

    folder: Path
    password: str = field(repr=False)


class Desk(asyncssh.SSHServer):
    """Lets departments in by password."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        """These may come in."""
        self._accounts = accounts

    def password_auth_supported(self) -> bool:
        """By nothing else."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """In a time that tells nothing of the right one."""
        account = self._accounts.get(username)
        return account is not None and hmac.compare_digest(account.password.encode(), password.encode())


class Shelf(asyncssh.SFTPServer):
    """One department's folder: `/` to whoever is logged in."""

    def __init__(self, channel: asyncssh.SSHServerChannel[Any], folder: Path) -> None:
        """Of the one who is logged in on that channel."""
        self._root = os.fsencode(folder.resolve())
        super().__init__(channel, chroot=self._root)

    def map_path(self, path: bytes) -> bytes:
        """The path on this machine. The library's own follows links out of the folder."""
        mapped = super().map_path(path)
        real = os.path.realpath(mapped)
        if real != self._root and not real.startswith(self._root + b"/"):
            raise asyncssh.SFTPPermissionDenied("this leads out of your folder")
        return mapped

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """To read anywhere, to write in the inbox."""
        if pflags & WRITING:
            self._only_in_inbox(path)
        return super().open(path, pflags, attrs)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """In the inbox only."""
        self._only_in_inbox(path)
        super().setstat(path, attrs)

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """In the inbox only."""
        self._only_in_inbox(path)
        super().lsetstat(path, attrs)

    def fsetstat(self, file_obj: Any, attrs: asyncssh.SFTPAttrs) -> None:
        """Of files open to be written, for the kernel would let times and permissions be set on others, too."""
        if not file_obj.writable():
            raise asyncssh.SFTPPermissionDenied("only below tra-lai")
        super().fsetstat(file_obj, attrs)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """In the inbox, and the inbox itself."""
        self._only_in_inbox(path, itself=True)
        super().mkdir(path, attrs)

    def remove(self, path: bytes) -> None:
        """In the inbox only."""
        self._only_in_inbox(path)
        super().remove(path)

    def rmdir(self, path: bytes) -> None:
        """In the inbox only."""
        self._only_in_inbox(path)
        super().rmdir(path)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Within the inbox only."""
        self._only_in_inbox(oldpath, newpath)
        super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Within the inbox only."""
        self._only_in_inbox(oldpath, newpath)
        super().posix_rename(oldpath, newpath)

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002 - the library's
        """Nowhere."""
        raise asyncssh.SFTPPermissionDenied("no links")

    def link(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002 - the library's
        """Nowhere: a hard link in the inbox would open the file that it names."""
        raise asyncssh.SFTPPermissionDenied("no links")

    def _only_in_inbox(self, *paths: bytes, itself: bool = False) -> None:
        for path in paths:
            real = os.path.realpath(self.map_path(path))
            inbox = self._root + b"/" + INBOX
            if not (real.startswith(inbox + b"/") or (itself and real == inbox)):
                raise asyncssh.SFTPPermissionDenied("only below tra-lai")


async def serve(
    port: int, host_key: asyncssh.SSHKey, accounts: Mapping[str, Account], shelf: type[Shelf] = Shelf
) -> asyncssh.SSHAcceptor:
    """A server that listens; `port` 0 is any free one."""

    def shelf_of(channel: asyncssh.SSHServerChannel[Any]) -> Shelf:
        return shelf(channel, accounts[channel.get_extra_info("username")].folder)

    return await asyncssh.create_server(
        lambda: Desk(accounts),
        HOST,
        port,
        server_host_keys=[host_key],
        sftp_factory=shelf_of,
        sftp_version=3,  # later ones open files another way, past Shelf.open
        allow_scp=False,
        allow_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        gss_host=None,
        reuse_address=True,
    )


def main() -> None:
    """Read the command line and the passwords, then serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m infra.departments.sftp_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host-key", type=Path, required=True, help="an OpenSSH private key")
    parser.add_argument("--user", action="append", required=True, metavar="NAME=FOLDER")
    arguments = parser.parse_args()
    try:
        host_key = asyncssh.read_private_key(arguments.host_key)
    except (OSError, asyncssh.KeyImportError) as error:
        raise Refusal(
            "the server's host key cannot be read",
            where=str(arguments.host_key),
            expected="an OpenSSH private key",
            found=str(error),
            remedy="make one with ssh-keygen -t ed25519",
        ) from error
    accounts = dict(_account(text) for text in arguments.user)
    asyncio.run(_for_ever(lambda: serve(arguments.port, host_key, accounts)))


def _account(text: str) -> tuple[str, Account]:
    name, _, folder = text.partition("=")
    variable = f"KHO_DEPARTMENT_PASSWORD_{name.upper()}"
    password = os.environ.get(variable, "")
    if not password or not Path(folder).is_dir():
        raise Refusal(
            f"{name or text} cannot be served",
            expected=f"NAME=FOLDER with a folder that exists, and a password in {variable}",
            found=f"{folder or 'no folder'}{'' if Path(folder).is_dir() else ', which is none'}",
        )
    return name, Account(Path(folder), password)


async def _for_ever(start: Callable[[], Awaitable[asyncssh.SSHAcceptor]]) -> None:
    async with await start() as acceptor:
        await acceptor.wait_closed()


if __name__ == "__main__":
    sys.exit(run(main))
