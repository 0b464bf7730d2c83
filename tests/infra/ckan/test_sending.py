import importlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.services.portal import EXTENSION

CONTENT = bytes(range(256)) * 20_000  # some 5 MB, more than waits between two sockets


@pytest.fixture
def sending(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXTENSION))
    return importlib.import_module("ckanext_kho.sending").Sending


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(("offset", "count"), [(0, None), (0, len(CONTENT)), (1_000, 2_000_000)])
def test_who_reads_slowly_gets_every_byte_and_the_connection_stays_as_it_was(
    sending: Any, ends: tuple[socket.socket, socket.socket], path: Path, offset: int, count: int | None
) -> None:
    ours, theirs = ends
    found = bytearray()

    def read() -> None:
        while part := theirs.recv(100_000):
            found.extend(part)
            time.sleep(0.002)

    reader = threading.Thread(target=read)
    reader.start()
    with path.open("rb") as file:
        sent = sending(ours).sendfile(file, offset, count)
    assert ours.gettimeout() is None
    ours.shutdown(socket.SHUT_WR)
    reader.join()
    assert bytes(found) == CONTENT[offset:][:count]
    assert sent == len(found)


def test_who_takes_nothing_is_let_go(sending: Any, ends: tuple[socket.socket, socket.socket], path: Path) -> None:
    with path.open("rb") as file, pytest.raises(ConnectionResetError):
        sending(ends[0], stalled_s=0.2).sendfile(file)


def test_a_file_that_has_become_shorter_ends_early(
    sending: Any, ends: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    path = tmp_path / "short.csv"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        assert sending(ends[0]).sendfile(file, 0, 10) == 3
