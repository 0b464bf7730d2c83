"""What fails beneath the portal while something is published: readers keep what they had, and the next run mends it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from infra.services.portal import environment
from portal_sync.apply import NotApplied, apply
from portal_sync.client import Client
from tests.kills import process_of
from tests.portal import ask, changes_for, dataset, page, publish, publishing, state
from tests.running import until_ready
from tests.stack import Stack

NAME = "thu-su-co"
OLD, NEW = [("TP. Hồ Chí Minh", 1)], [("TP. Hồ Chí Minh", 2), ("Bình Dương", 3)]

pytestmark = pytest.mark.disruptive


@pytest.fixture
def client(ckan: Stack) -> Iterator[Client]:
    with publishing(ckan, NAME) as client:
        yield client


def test_while_solr_is_down_nothing_new_is_half_shown_and_the_next_run_finishes_it(
    ckan: Stack, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = state(dataset(NAME, tmp_path, OLD))
    changes, found = changes_for(client, wanted)
    process_of(ckan.settings, "solr").kill()
    with pytest.raises(NotApplied, match=f"dataset {NAME}"):
        apply(client, changes, wanted, found, print)
    assert "`kho status` whether one of our services is down" in capsys.readouterr().err
    _await(ckan, "solr")
    assert ask(ckan, "package_search", q="Ca bệnh thử nghiệm")["count"] == 0
    publish(client, wanted)
    assert _shown(ckan) == OLD
    assert [one["name"] for one in ask(ckan, "package_search", q="Ca bệnh thử nghiệm")["results"]] == [NAME]


class Interrupted(Client):
    """A publisher to whom something happens when a part of the table's rows has been sent."""

    def __init__(self, ckan: Stack, happens: Callable[[], None]) -> None:
        """Nothing is sent yet."""
        super().__init__(ckan.env["KHO_PORTAL_URL"], ckan.env["KHO_PORTAL_TOKEN"])
        self._happens = happens

    def put(self, path: str, stream: IO[bytes] | Iterable[bytes], **parameters: str) -> Any:
        """In two parts; after the first it happens."""
        return super().put(path, self._parts(stream) if path.endswith("/staged") else stream, **parameters)

    def _parts(self, rows: Iterable[bytes]) -> Iterator[bytes]:
        sent = b"".join(rows)
        yield sent[:10]
        time.sleep(1)  # by then the database waits for more
        self._happens()
        yield sent[10:]


def test_a_database_that_is_restarted_during_the_copy_keeps_the_version_before(
    ckan: Stack, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(client, state(dataset(NAME, tmp_path, OLD)))

    def restart() -> None:
        process_of(ckan.settings, "postgres").send_signal(signal.SIGINT)  # a fast shutdown; it is started again
        _await(ckan, "postgres")

    wanted = state(dataset(NAME, tmp_path, NEW, version=2))
    with pytest.raises(NotApplied, match=f"dataset {NAME}"):
        publish(Interrupted(ckan, restart), wanted)
    assert "the DataStore's database: " in capsys.readouterr().err
    assert _shown(ckan) == OLD
    publish(client, wanted)
    assert _shown(ckan) == NEW


# In a process of the portal's own: CKAN's thread has a connection in its session, which the database then ends.
LOSES_ITS_CONNECTION = """
import sys
from ckan import model
from ckanext_kho.wsgi import application
from sqlalchemy import text
from werkzeug.test import Client

token = sys.stdin.read()

def ask():
    try:
        return Client(application).get("/api/3/action/status_show", headers={"Authorization": token}).status_code
    except Exception as error:
        return type(error).__name__

(own,) = model.Session.execute(text("select pg_backend_pid()")).one()
with model.meta.engine.connect() as other:
    other.execute(text("select pg_terminate_backend(:own)"), {"own": own})
print(ask(), ask())
"""


def test_a_thread_that_lost_its_connection_fails_once_and_then_answers(ckan: Stack) -> None:
    done = subprocess.run(
        [str(ckan.settings.python("portal")), "-c", LOSES_ITS_CONNECTION],
        env={**os.environ, **environment(ckan.settings)},
        input=ckan.settings.secret("publisher-token"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["PendingRollbackError 200"], done.stderr  # before it, what CKAN logs


def test_where_the_portals_disk_is_full_the_version_before_stays(
    ckan: Stack, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(client, state(dataset(NAME, tmp_path, OLD)))
    wanted = state(dataset(NAME, tmp_path, NEW, version=2))
    with (
        _no_file_larger_than(10, process_of(ckan.settings, "portal").children()),
        pytest.raises(NotApplied, match=f"dataset {NAME}"),
    ):
        publish(client, wanted)
    assert "the portal's disk: File too large" in capsys.readouterr().err
    assert _shown(ckan) == OLD
    publish(client, wanted)
    assert _shown(ckan) == NEW


def _shown(ckan: Stack) -> list[tuple[str, int]]:
    """The rows that a reader is given, once by a search and once in the file: they must be the same."""
    (found,) = ask(ckan, "package_show", id=NAME)["resources"]
    records = ask(ckan, "datastore_search", resource_id=found["id"])["records"]
    rows = [(row["ten"], row["so_ca"]) for row in records]
    lines = page(ckan, f"/download/{NAME}/cases.csv").removeprefix("\ufeff").splitlines()
    assert lines == ["ten,so_ca", *(f"{name},{count}" for name, count in rows)]
    return rows


def _await(ckan: Stack, service: str) -> None:
    """Until it, started again, answers."""
    until_ready(service, ckan.settings)


@contextmanager
def _no_file_larger_than(limit: int, processes: Iterable[psutil.Process]) -> Iterator[None]:
    """To a process, a disk that is full at the end of a file looks the same."""
    processes = list(processes)
    assert processes
    before = {process: process.rlimit(psutil.RLIMIT_FSIZE) for process in processes}
    try:
        for process, (_, hard) in before.items():
            process.rlimit(psutil.RLIMIT_FSIZE, (limit, hard))
        yield
    finally:
        for process, limits in before.items():
            process.rlimit(psutil.RLIMIT_FSIZE, limits)
