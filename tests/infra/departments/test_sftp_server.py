from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.spark_jobs.connectors.servers import HOST, SftpFaults, sftp_server

PASSWORD = "mật khẩu"  # noqa: S105 - of a test
ROOT = Path(__file__).resolve().parents[3]
Work = Callable[[asyncssh.SSHClientConnection], Awaitable[Any]]
Run = Callable[[Work], Any]
Trusted = tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "education"
    (folder / "tra-lai").mkdir(parents=True)
    (folder / "a.xlsx").write_bytes(b"abc")
    return folder


@pytest.fixture
def run(root: Path) -> Iterator[Run]:
    """Does some work as the department of education."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    with sftp_server(root, key, SftpFaults(), PASSWORD) as port:
        trusted: Trusted = ([key.convert_to_public()], [], [])

        async def connected(work: Work) -> Any:
            async with asyncssh.connect(
                HOST, port, username="education", password=PASSWORD, known_hosts=trusted, client_keys=None, config=None
            ) as connection:
                return await work(connection)

        yield lambda work: asyncio.run(connected(work))


def sftp(work: Callable[[asyncssh.SFTPClient], Awaitable[Any]]) -> Work:
    async def started(connection: asyncssh.SSHClientConnection) -> Any:
        async with connection.start_sftp_client() as client:
            return await work(client)

    return started


async def write(client: asyncssh.SFTPClient, path: str) -> None:
    async with client.open(path, "wb") as file:
        await file.write(b"new")


async def touch_what_is_open(client: asyncssh.SFTPClient) -> None:
    async with client.open("/a.xlsx", "rb") as file:
        await file.utime((1, 1))


def test_its_own_folder_is_all_that_a_department_sees(run: Run) -> None:
    assert sorted(run(sftp(lambda client: client.listdir("/")))) == [".", "..", "a.xlsx", "tra-lai"]
    assert run(sftp(lambda client: client.realpath("../../.."))) == "/"


def test_the_inbox_may_be_written_to(run: Run, root: Path) -> None:
    run(sftp(lambda client: client.mkdir("/tra-lai/2026")))
    run(sftp(lambda client: write(client, "/tra-lai/2026/.b")))
    run(sftp(lambda client: client.posix_rename("/tra-lai/2026/.b", "/tra-lai/2026/b")))
    assert (root / "tra-lai/2026/b").read_bytes() == b"new"


def test_a_missing_inbox_may_be_made(run: Run, root: Path) -> None:
    (root / "tra-lai").rmdir()
    run(sftp(lambda client: client.mkdir("/tra-lai")))
    assert (root / "tra-lai").is_dir()


@pytest.mark.parametrize(
    "work",
    [
        lambda client: write(client, "/a.xlsx"),
        lambda client: write(client, "/new.xlsx"),
        lambda client: write(client, "/tra-lai/../new.xlsx"),
        lambda client: write(client, "/tra-lai/out/new.xlsx"),
        touch_what_is_open,
        lambda client: client.utime("/a.xlsx", (1, 1)),
        lambda client: client.chmod("/a.xlsx", 0o777),
        lambda client: client.truncate("/a.xlsx", 0),
        lambda client: client.remove("/a.xlsx"),
        lambda client: client.mkdir("/new"),
        lambda client: client.rmdir("/tra-lai"),
        lambda client: client.rename("/a.xlsx", "/tra-lai/a.xlsx"),
        lambda client: client.posix_rename("/tra-lai", "/other"),
        lambda client: client.symlink("/a.xlsx", "/tra-lai/a.xlsx"),
        lambda client: client.link("/a.xlsx", "/tra-lai/a.xlsx"),
        lambda client: client.listdir("/tra-lai/out"),
        lambda client: client.stat("/tra-lai/out/secret"),
    ],
)
def test_nothing_else_may_be_written_and_no_link_leads_out(run: Run, root: Path, work: Any) -> None:
    (root.parent / "secret").write_text("x")
    (root / "tra-lai/out").symlink_to(root.parent)
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        run(sftp(work))
    assert (root / "a.xlsx").read_bytes() == b"abc"
    assert not list(root.parent.rglob("new*"))


@pytest.mark.parametrize(
    "work",
    [
        lambda connection: connection.run("id"),
        lambda connection: connection.run(None),
        lambda connection: connection.open_connection(HOST, 22),
        lambda connection: connection.forward_remote_port("", 0, HOST, 22),
    ],
)
def test_there_is_no_shell_and_no_forwarding(run: Run, work: Work) -> None:
    with pytest.raises((asyncssh.ChannelOpenError, asyncssh.ChannelListenError)):
        run(work)


def command(folder: Path, port: int) -> list[str]:
    """Serves a folder to the department of education, with the host key in it."""
    words = {"--port": str(port), "--host-key": str(folder / "key"), "--user": f"education={folder}"}
    options = [part for pair in words.items() for part in pair]
    return [sys.executable, "-m", "infra.departments.sftp_server", *options]


def started(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, 0),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_host_key_is_named(tmp_path: Path) -> None:
    done = started(tmp_path, KHO_DEPARTMENT_PASSWORD_EDUCATION=PASSWORD)
    assert done.returncode == 1
    assert "host key cannot be read" in done.stderr


def test_a_missing_password_is_named_by_its_variable(tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "key")
    done = started(tmp_path)
    assert done.returncode == 1
    assert "KHO_DEPARTMENT_PASSWORD_EDUCATION" in done.stderr


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "key")
    with subprocess.Popen(
        command(tmp_path, 27951),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KHO_DEPARTMENT_PASSWORD_EDUCATION": PASSWORD},
    ) as server:
        try:
            assert "key" in asyncio.run(_listed(27951, key))
        finally:
            server.terminate()


async def _listed(port: int, key: asyncssh.SSHKey) -> list[str]:
    """What the server lists, once it answers."""
    trusted: Trusted = ([key.convert_to_public()], [], [])
    async with asyncio.timeout(30):
        while True:
            try:
                async with (
                    asyncssh.connect(
                        HOST, port, username="education", password=PASSWORD, known_hosts=trusted, client_keys=None
                    ) as connection,
                    connection.start_sftp_client() as client,
                ):
                    return [str(name) for name in await client.listdir("/")]
            except ConnectionRefusedError:
                await asyncio.sleep(0.1)
