"""Files that are still being written, come again, or lead elsewhere; and a database that was set back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import asyncssh
import pytest

from quality.contract import load_all
from quality.refusal import Refusal
from spark_jobs.extracts import extracts_of
from spark_jobs.fetch import fetch
from tests.poison.bench import Bench
from tests.poison.deliveries import PROJECTS, part_of
from tests.spark_jobs.connectors.servers import HOST, SftpFaults, sftp_server

SCHOOLS = load_all()["education.schools"]
NAME = "truong/Danh sach truong.xlsx"
SETTLED = 1_790_000_000  # 2026-09-21, when nobody writes any more


@pytest.fixture(scope="module")
def key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@contextmanager
def sftp(root: Path, key: asyncssh.SSHKey, monkeypatch: pytest.MonkeyPatch, faults: SftpFaults) -> Iterator[None]:
    with sftp_server(root, key, faults, "password") as port:
        shown = quote(key.export_public_key().decode().strip(), safe="")
        monkeypatch.setenv("KHO_SOURCE_EDUCATION_SFTP", f"sftp://education:password@{HOST}:{port}/?host_key={shown}")
        yield


@pytest.fixture
def faults() -> SftpFaults:
    return SftpFaults()


@pytest.fixture
def root(tmp_path: Path, key: asyncssh.SSHKey, monkeypatch: pytest.MonkeyPatch, faults: SftpFaults) -> Iterator[Path]:
    """The department's folder, on its server."""
    folder = tmp_path / "sở giáo dục"
    (folder / "truong").mkdir(parents=True)
    with sftp(folder, key, monkeypatch, faults):
        yield folder


def put(root: Path, content: bytes, moment: int = SETTLED) -> None:
    (root / NAME).write_bytes(content)
    os.utime(root / NAME, (moment, moment))


def kept(lake: Path) -> list[bytes]:
    return [
        extract.path(lake, extract.files[0]).read_bytes() for extract in extracts_of(lake, SCHOOLS.table).get("all", [])
    ]


def test_a_file_that_was_touched_a_moment_ago_is_left_for_the_next_run(
    bench: Bench, lake: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / NAME).write_bytes(b"half of")
    fetch(SCHOOLS, lake)
    assert kept(lake) == []
    assert "still being written" in capsys.readouterr().out
    bench.note("later", "is still being written", 0)


def test_a_file_that_grows_while_it_is_fetched_is_left_for_the_next_run(
    bench: Bench, lake: Path, root: Path, faults: SftpFaults
) -> None:
    put(root, b"half of")
    faults.on_read = lambda _: put(root, b"half of it and more", SETTLED + 9)
    fetch(SCHOOLS, lake)
    assert kept(lake) == []
    faults.on_read = lambda _: None
    fetch(SCHOOLS, lake)
    assert kept(lake) == [b"half of it and more"]
    bench.note("later", "is still being written", 0)


def test_a_file_under_the_name_of_an_unfinished_upload_is_nobodys(bench: Bench, lake: Path, root: Path) -> None:
    for ending in (".part", ".filepart", ".tmp", ".partial"):
        (root / f"{NAME}{ending}").write_bytes(b"half")
    fetch(SCHOOLS, lake)
    assert kept(lake) == []
    bench.note("left alone", "no delivery", 0)


def test_the_same_bytes_with_another_date_are_nothing_new(bench: Bench, lake: Path, root: Path) -> None:
    for moment in (SETTLED, SETTLED + 86_400):
        put(root, b"one", moment)
        fetch(SCHOOLS, lake)
    assert kept(lake) == [b"one"]
    bench.note("accepted", "unchanged", 0)


def test_an_old_file_that_is_sent_again_is_a_correction_that_stands_beside_the_others(
    bench: Bench, lake: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day, content in enumerate((b"one", b"two", b"one")):
        put(root, content, SETTLED + day)
        fetch(SCHOOLS, lake)
    assert kept(lake) == [b"one", b"two", b"one"]
    assert "correction 3" in capsys.readouterr().out
    first, _, last = extracts_of(lake, SCHOOLS.table)["all"]
    assert first.sha256 == last.sha256
    bench.note("accepted", "correction 3", 0)


def test_other_bytes_under_the_same_name_are_a_correction(bench: Bench, lake: Path, root: Path) -> None:
    put(root, b"one")
    fetch(SCHOOLS, lake)
    put(root, b"two", SETTLED + 1)
    fetch(SCHOOLS, lake)
    assert kept(lake) == [b"one", b"two"]
    bench.note("accepted", "correction 2", 0)


def test_a_link_out_of_the_departments_folder_is_not_followed(bench: Bench, lake: Path, root: Path) -> None:
    (root / NAME).symlink_to("/etc/passwd")
    fetch(SCHOOLS, lake)
    assert kept(lake) == []
    bench.note("left alone", "a stranger", 0)


def test_a_name_with_signs_that_nobody_sees_is_a_stranger_and_shown_with_them(
    bench: Bench, lake: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a\x1b[2J.xlsx", "b\u202exslx.exe", "c\u200b.xlsx", "d\n.xlsx"):
        (root / "truong" / name).write_bytes(b"x")
    fetch(part_of("education.schools", "school_code", files=".*"), lake)
    assert kept(lake) == []
    told = capsys.readouterr().err
    assert all(shown in told for shown in ("a\\x1b[2J", "b\\u202e", "c\\u200b", "d\\n"))
    assert told.removesuffix("\n").isprintable()
    bench.note("left alone", "a stranger", 0)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("update projects set updated_at = '2026-06-01 00:00:00'", "2026-06-01T00:00:00"),
        ("delete from projects", "no rows at all"),
    ],
)
def test_a_watermark_that_goes_backwards_is_refused_and_the_old_rows_stay(
    bench: Bench, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, found: str
) -> None:
    path = tmp_path / "database"
    contract = part_of("investment.fdi_projects", *PROJECTS.columns, query="select * from projects")
    monkeypatch.setenv("KHO_SOURCE_INVESTMENT_SQL", f"sqlite:///{path}")
    with sqlite3.connect(path) as database:
        database.execute("create table projects (project_code, project_name, registered_capital_usd, updated_at)")
        database.execute("insert into projects values ('P1', 'Nhà máy', 1.5, '2026-07-01 00:00:00')")
    fetch(contract, lake)
    with sqlite3.connect(path) as database:
        database.execute(change)
    with bench.measured() as meter, pytest.raises(Refusal) as caught:
        fetch(contract, lake)
    assert caught.value.what == "the department's rows are older than those it delivered before"
    assert found in caught.value.found
    assert len(extracts_of(lake, contract.table)) == 1
    bench.note("refused", caught.value.what, meter.peak)
