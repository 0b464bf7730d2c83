from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, quote_plus

import asyncssh
import pytest

from quality.refusal import Refusal
from spark_jobs.connectors import Offer, StillBeingWritten
from spark_jobs.connectors.refusals import LoginRefused, NotAllowed, NotThere, NotTrusted, Unreachable
from spark_jobs.connectors.sftp import CHUNK_BYTES, connect
from tests.ports import free_port
from tests.spark_jobs.connectors.servers import HOST, SftpFaults, cutting_line, delivery, sftp_server

PASSWORD = "p@ss/wörd"  # noqa: S105 - of a test
SHEETS = delivery("sftp", files=r"to-ban-do/.*\.gpkg")
SETTLED = 1_790_000_000  # 2026-09-21, when nobody writes any more
LARGE = bytes(range(256)) * (3 * CHUNK_BYTES // 256) + b"end"

Address = Callable[..., str]


@pytest.fixture(scope="module")
def key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def faults() -> SftpFaults:
    return SftpFaults()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sở nông nghiệp"
    folder.mkdir()
    return folder


@pytest.fixture
def port(root: Path, key: asyncssh.SSHKey, faults: SftpFaults) -> Iterator[int]:
    with sftp_server(root, key, faults, PASSWORD) as port:
        yield port


@pytest.fixture
def address(port: int, key: asyncssh.SSHKey) -> Address:
    def address(
        path: str = "/", password: str = PASSWORD, host_key: str | None = None, at: int = port, escape: object = quote
    ) -> str:
        shown = key.export_public_key().decode().strip() if host_key is None else host_key
        assert callable(escape)
        return f"sftp://education:{quote(password, safe='')}@{HOST}:{at}{path}?host_key={escape(shown, safe='')}"

    return address


def write(path: Path, content: bytes = b"abc", mtime: int = SETTLED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (mtime, mtime))
    return path


def test_files_below_the_folder_of_the_address_are_offered(root: Path, address: Address) -> None:
    write(root / "giao/to-ban-do/phường 1/b.gpkg")
    write(root / "giao/to-ban-do/a.gpkg", b"ab")
    for name in (".hidden", "~$a.xlsx", "a.part", "a.partial", "a.tmp", "a.filepart", "tra-lai/a"):
        write(root / "giao" / name)
    write(root / "giao/ghi chú.docx")
    (root / "giao/to-ban-do/link.gpkg").symlink_to(root / "giao/to-ban-do/a.gpkg")
    write(root / "other.gpkg")
    with connect(address("/giao")) as source:
        offers, strangers = source.offers(SHEETS, None)
    assert offers == [
        Offer("all", "to-ban-do/a.gpkg", f"2-{SETTLED}", 2),
        Offer("all", "to-ban-do/phường 1/b.gpkg", f"3-{SETTLED}", 3),
    ]
    assert strangers == ["ghi chú.docx", "to-ban-do/link.gpkg"]


def test_periods_come_from_the_path(root: Path, address: Address) -> None:
    write(root / "bang-gia/2026.xlsx")
    with connect(address()) as source:
        offers, _ = source.offers(delivery("sftp", files=r"bang-gia/(?P<period>\d{4})\.xlsx", mode="period"), None)
    assert [offer.period for offer in offers] == ["2026"]


def test_a_name_that_is_no_text_is_a_stranger(root: Path, address: Address) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/ph\xf4.xlsx")).write_bytes(b"")
    with connect(address()) as source:
        assert source.offers(delivery("sftp", files=".*"), None) == ([], ["ph\\xf4.xlsx"])


def take(root: Path, address: str, target: Path, content: bytes = LARGE) -> bytes:
    write(root / "to-ban-do/a.gpkg", content)
    with connect(address) as source:
        (offer,), _ = source.offers(SHEETS, None)
        assert source.take(offer, SHEETS, target) == ["to-ban-do/a.gpkg"]
    assert [path.name for path in (target / "to-ban-do").iterdir()] == ["a.gpkg"]
    return (target / "to-ban-do/a.gpkg").read_bytes()


@pytest.mark.parametrize("content", [b"", b"abc", LARGE])
def test_a_file_is_taken_byte_for_byte(root: Path, address: Address, tmp_path: Path, content: bytes) -> None:
    assert take(root, address(), tmp_path / "target", content) == content


def test_a_lost_connection_is_taken_up_where_it_broke(
    root: Path, address: Address, tmp_path: Path, faults: SftpFaults, waits: list[float]
) -> None:
    faults.cuts = [2 * CHUNK_BYTES]
    assert take(root, address(), tmp_path / "target") == LARGE
    assert sum(size for _, _, size in faults.reads) == len(LARGE) + CHUNK_BYTES  # the one that was under way
    assert len(waits) == 1


def test_what_an_earlier_run_left_is_continued(
    root: Path, address: Address, tmp_path: Path, faults: SftpFaults
) -> None:
    write(tmp_path / "target/to-ban-do/a.gpkg.partial", LARGE[:-3])
    assert take(root, address(), tmp_path / "target") == LARGE
    assert faults.reads == [("a.gpkg", len(LARGE) - 3, 3)]


def test_a_partial_file_that_is_too_long_is_begun_anew(root: Path, address: Address, tmp_path: Path) -> None:
    write(tmp_path / "target/to-ban-do/a.gpkg.partial", b"longer than that")
    assert take(root, address(), tmp_path / "target", b"abc") == b"abc"


def test_what_an_earlier_run_completed_is_not_read_again(
    root: Path, address: Address, tmp_path: Path, faults: SftpFaults
) -> None:
    write(tmp_path / "target/to-ban-do/a.gpkg", b"cut")
    assert take(root, address(), tmp_path / "target", b"taken") == b"taken"
    faults.reads.clear()
    assert take(root, address(), tmp_path / "target", b"taken") == b"taken"
    assert faults.reads == []


def test_a_server_that_always_hangs_up_is_given_up_after_five_tries_and_the_partial_file_stays(
    root: Path, address: Address, tmp_path: Path, faults: SftpFaults, waits: list[float]
) -> None:
    faults.cuts = [2 * CHUNK_BYTES] * 5
    with pytest.raises(Unreachable) as caught:
        take(root, address(), tmp_path / "target")
    assert len(waits) == 4
    assert PASSWORD not in str(caught.value)
    assert (tmp_path / "target/to-ban-do/a.gpkg.partial").read_bytes() == LARGE[: 2 * CHUNK_BYTES]


def test_a_line_that_is_cut_while_logging_in_is_tried_again(root: Path, address: Address, port: int) -> None:
    write(root / "to-ban-do/a.gpkg")
    with ExitStack() as stack:
        at = stack.enter_context(cutting_line(port, [100, 1500]))
        with connect(address(at=at)) as source:
            assert len(source.offers(SHEETS, None)[0]) == 1


def test_nobody_at_the_port_is_refused_after_five_tries(address: Address, waits: list[float]) -> None:
    with pytest.raises(Unreachable, match="cannot be reached") as caught, connect(address(at=free_port())):
        pass
    assert len(waits) == 4
    assert waits == sorted(waits)
    assert PASSWORD not in str(caught.value)


def test_another_host_key_is_refused_at_once_with_both_sides_and_no_password_is_sent(
    address: Address, key: asyncssh.SSHKey, waits: list[float]
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    wrong = other.export_public_key().decode().strip()
    with pytest.raises(NotTrusted) as caught, connect(address(host_key=wrong)):
        pass
    assert caught.value.expected == f"ssh-ed25519 {other.get_fingerprint()}"
    assert caught.value.found == f"ssh-ed25519 {key.get_fingerprint()}"
    assert waits == []


def test_a_host_key_of_another_kind_is_refused(address: Address) -> None:
    wrong = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    with pytest.raises(NotTrusted), connect(address(host_key=wrong)):
        pass


def test_without_a_host_key_in_the_address_the_users_known_hosts_decide(
    address: Address, port: int, key: asyncssh.SSHKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plain = address().partition("?")[0]
    with pytest.raises(NotTrusted), connect(plain):
        pass
    known = write(tmp_path / ".ssh/known_hosts", f"[{HOST}]:{port} ".encode() + key.export_public_key())
    with connect(plain) as source:
        assert source.offers(SHEETS, None) == ([], [])
    known.write_bytes(f"[{HOST}]:{port} ".encode() + asyncssh.generate_private_key("ssh-ed25519").export_public_key())
    with pytest.raises(NotTrusted), connect(plain):
        pass


def test_a_users_ssh_config_plays_no_part(address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    switched_off = b"Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile none\n  HostName host.invalid\n"
    write(tmp_path / ".ssh/config", switched_off)
    with pytest.raises(NotTrusted), connect(address().partition("?")[0]):
        pass
    with connect(address()) as source:
        assert source.offers(SHEETS, None) == ([], [])


@pytest.mark.parametrize("escape", [quote, quote_plus])
def test_a_host_key_may_be_escaped_with_a_plus_or_a_percent(address: Address, escape: object) -> None:
    with connect(address(escape=escape)) as source:
        assert source.offers(SHEETS, None) == ([], [])


def test_a_host_key_that_is_none_is_refused(address: Address) -> None:
    with pytest.raises(Refusal, match="no public key"), connect(address(host_key="ssh-ed25519 AAAA")):
        pass


def test_a_wrong_password_is_refused_at_once(address: Address, waits: list[float]) -> None:
    with pytest.raises(LoginRefused) as caught, connect(address(password="wrong-secret")):  # noqa: S106 - of a test
        pass
    assert "wrong-secret" not in str(caught.value)
    assert waits == []


def test_a_private_key_that_the_server_does_not_know_is_refused(address: Address, tmp_path: Path) -> None:
    mine = tmp_path / "id"
    with pytest.raises(Refusal, match="private key of the address cannot be used"), connect(f"{address()}&key={mine}"):
        pass
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(mine)
    with pytest.raises(LoginRefused, match="the key is wrong"), connect(f"{address(password='')}&key={mine}"):
        pass


def test_a_missing_folder_is_refused_by_name(address: Address) -> None:
    with connect(address("/không có")) as source, pytest.raises(NotThere) as caught:
        source.offers(SHEETS, None)
    assert caught.value.expected == "the folder /không có"


def test_what_may_not_be_read_is_refused(root: Path, address: Address, tmp_path: Path) -> None:
    (root / "giao").symlink_to(tmp_path)  # leads out: the server denies it
    with connect(address("/giao")) as source, pytest.raises(NotAllowed):
        source.offers(SHEETS, None)


def test_a_file_that_changed_since_it_was_offered_is_still_being_written(
    root: Path, address: Address, tmp_path: Path
) -> None:
    path = write(root / "to-ban-do/a.gpkg", b"first half")
    with connect(address()) as source:
        (offer,), _ = source.offers(SHEETS, None)
        write(path, b"first half, second half")
        with pytest.raises(StillBeingWritten):
            source.take(offer, SHEETS, tmp_path / "target")
        path.unlink()
        with pytest.raises(StillBeingWritten):
            source.take(offer, SHEETS, tmp_path / "target")
    assert not list((tmp_path / "target").rglob("*.gpkg*"))


def test_a_file_touched_a_moment_ago_is_still_being_written(root: Path, address: Address, tmp_path: Path) -> None:
    path = write(root / "to-ban-do/a.gpkg")
    path.touch()
    with connect(address()) as source:
        (offer,), _ = source.offers(SHEETS, None)
        with pytest.raises(StillBeingWritten):
            source.take(offer, SHEETS, tmp_path / "target")


@pytest.mark.parametrize("content", [LARGE + b"more", LARGE[:100]])
def test_a_file_that_changes_while_it_is_copied_is_still_being_written(
    root: Path, address: Address, tmp_path: Path, faults: SftpFaults, content: bytes
) -> None:
    def change(name: str) -> None:
        if len(faults.reads) == 1:
            write(root / "to-ban-do" / name, content)

    faults.on_read = change
    with pytest.raises(StillBeingWritten):
        take(root, address(), tmp_path / "target")
    assert not list((tmp_path / "target").rglob("*.gpkg*"))


@pytest.mark.parametrize("has_posix_rename", [True, False])
def test_a_file_is_put_whole_into_the_inbox_and_replaces_the_old_one(
    root: Path, address: Address, tmp_path: Path, faults: SftpFaults, *, has_posix_rename: bool
) -> None:
    faults.has_posix_rename = has_posix_rename
    for content in (b"old", b"new"):
        with connect(address()) as source:
            source.put("2025-2026/lỗi.xlsx", write(tmp_path / "report.xlsx", content))
    assert [path.name for path in (root / "tra-lai").rglob("*") if path.is_file()] == ["lỗi.xlsx"]
    assert (root / "tra-lai/2025-2026/lỗi.xlsx").read_bytes() == b"new"


def test_an_inbox_that_may_not_be_written_to_is_refused(root: Path, address: Address, tmp_path: Path) -> None:
    (root / "giao").mkdir()
    with connect(address("/giao")) as source, pytest.raises(NotAllowed):
        source.put("lỗi.xlsx", write(tmp_path / "report.xlsx"))


@pytest.mark.parametrize(
    "wrong",
    [
        "education",
        "https://u:geheim@host/",
        "sftp://u:geheim@host:port/",
        "sftp://u:gehe/im@host/",
        "sftp://u:22#geheim@host/",
        "sftp://u:22?geheim@host/",
        "sftp://u:[geheim@host/",
        "sftp://u:geheim@/",
        "sftp://u:geheim@host/?hostkey=x",
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_its_password(wrong: str) -> None:
    with pytest.raises(Refusal, match="address of a department") as caught:
        connect(wrong)
    assert "gehe" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
