from __future__ import annotations

import os
from pathlib import Path

import pytest

from quality.refusal import Refusal
from spark_jobs.connectors import Offer, StillBeingWritten
from spark_jobs.connectors.folder import Folder, connect
from tests.spark_jobs.connectors.servers import delivery

SHEETS = delivery("folder", files=r"to-ban-do/.*\.gpkg")
PUPILS = delivery("folder", files=r"(?P<period>\d{4}-\d{4})/.*\.xlsx", mode="period")


def write(path: Path, content: bytes = b"abc") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def offers(root: Path, wanted: object = SHEETS) -> list[str]:
    return [offer.name for offer in Folder(root).offers(wanted, None)[0]]  # type: ignore[arg-type]


def test_files_below_folders_are_offered_by_their_whole_path(tmp_path: Path) -> None:
    write(tmp_path / "to-ban-do/phường 1/b.gpkg")
    write(tmp_path / "to-ban-do/a.gpkg")
    found, strangers = Folder(tmp_path).offers(SHEETS, None)
    assert [(offer.period, offer.name, offer.size) for offer in found] == [
        ("all", "to-ban-do/a.gpkg", 3),
        ("all", "to-ban-do/phường 1/b.gpkg", 3),
    ]
    assert strangers == []


def test_periods_stand_in_the_path_and_sort_before_the_names(tmp_path: Path) -> None:
    for name in ("2025-2026/a.xlsx", "2024-2025/z.xlsx", "2025-2026/B.xlsx"):
        write(tmp_path / name)
    found, _ = Folder(tmp_path).offers(PUPILS, None)
    assert [(offer.period, offer.name) for offer in found] == [
        ("2024-2025", "2024-2025/z.xlsx"),
        ("2025-2026", "2025-2026/B.xlsx"),
        ("2025-2026", "2025-2026/a.xlsx"),
    ]


def test_files_that_match_nothing_are_named(tmp_path: Path) -> None:
    write(tmp_path / "ghi chú.docx")
    write(tmp_path / "to-ban-do/a.gpkg.old")
    assert Folder(tmp_path).offers(SHEETS, None) == ([], ["ghi chú.docx", "to-ban-do/a.gpkg.old"])


def test_hidden_unfinished_and_returned_files_are_nobodys(tmp_path: Path) -> None:
    for name in (".a", "~$a.xlsx", "a.gpkg.partial", "a.PART", "a.tmp", "a.filepart", "tra-lai/a", ".git/a"):
        write(tmp_path / name)
    write(tmp_path / "to-ban-do/tra-lai/a.gpkg")  # only at the root it is the inbox
    assert Folder(tmp_path).offers(SHEETS, None)[1] == []
    assert offers(tmp_path) == ["to-ban-do/tra-lai/a.gpkg"]


def test_a_decomposed_name_matches_and_is_kept_as_it_is(tmp_path: Path) -> None:
    name = "phu\u031bo\u031b\u0300ng.xlsx"  # phường in NFD
    write(tmp_path / name)
    assert offers(tmp_path, delivery("folder", files="phường.xlsx")) == [name]


def test_a_name_that_is_no_text_is_a_stranger(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/ph\xf4.xlsx"))).write_bytes(b"")
    assert Folder(tmp_path).offers(delivery("folder", files=".*"), None) == ([], ["ph\\xf4.xlsx"])


def test_links_are_followed_only_to_files_below_the_root(tmp_path: Path) -> None:
    secret = write(tmp_path / "elsewhere/secret.gpkg")
    root = tmp_path / "root"
    inside = write(root / "to-ban-do/a.gpkg")
    (root / "to-ban-do/same.gpkg").symlink_to(inside)
    (root / "to-ban-do/out.gpkg").symlink_to(secret)
    (root / "to-ban-do/gone.gpkg").symlink_to(root / "nothing")
    (root / "to-ban-do/folder").symlink_to(secret.parent)
    found, strangers = Folder(root).offers(SHEETS, None)
    assert [offer.name for offer in found] == ["to-ban-do/a.gpkg", "to-ban-do/same.gpkg"]
    assert strangers == ["to-ban-do/folder", "to-ban-do/gone.gpkg", "to-ban-do/out.gpkg"]


def test_a_file_is_taken_byte_for_byte_below_the_same_path(tmp_path: Path) -> None:
    write(tmp_path / "root/to-ban-do/a.gpkg", b"\x00\xff")
    source = Folder(tmp_path / "root")
    (offer,), _ = source.offers(SHEETS, None)
    write(tmp_path / "target/to-ban-do/a.gpkg.partial", b"half of an earlier try")
    assert source.take(offer, SHEETS, tmp_path / "target") == ["to-ban-do/a.gpkg"]
    assert (tmp_path / "target/to-ban-do/a.gpkg").read_bytes() == b"\x00\xff"
    assert [path.name for path in (tmp_path / "target/to-ban-do").iterdir()] == ["a.gpkg"]


def test_what_an_earlier_try_completed_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path / "target/to-ban-do/a.gpkg")
    offer = Offer("all", "to-ban-do/a.gpkg", "3-1", 3)
    assert Folder(tmp_path / "nowhere").take(offer, SHEETS, tmp_path / "target") == ["to-ban-do/a.gpkg"]


def test_the_stamp_tells_that_a_file_of_the_same_size_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "to-ban-do/a.gpkg")
    (before,), _ = Folder(tmp_path).offers(SHEETS, None)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    (after,), _ = Folder(tmp_path).offers(SHEETS, None)
    assert before.stamp != after.stamp


def test_a_file_that_changed_since_it_was_offered_is_still_being_written(tmp_path: Path) -> None:
    path = write(tmp_path / "root/to-ban-do/a.gpkg", b"first half")
    source = Folder(tmp_path / "root")
    (offer,), _ = source.offers(SHEETS, None)
    path.write_bytes(b"first half, second half")
    with pytest.raises(StillBeingWritten):
        source.take(offer, SHEETS, tmp_path / "target")
    path.unlink()
    with pytest.raises(StillBeingWritten):
        source.take(offer, SHEETS, tmp_path / "target")
    assert not list((tmp_path / "target").rglob("*.gpkg*"))


def test_a_file_that_grows_while_it_is_copied_is_still_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "root/to-ban-do/a.gpkg", b"first half")
    source = Folder(tmp_path / "root")
    (offer,), _ = source.offers(SHEETS, None)
    real_fstat = os.fstat

    def grow_after(handle: int) -> os.stat_result:
        found = real_fstat(handle)
        path.write_bytes(b"first half, second half")
        return found

    monkeypatch.setattr("spark_jobs.connectors.folder.os.fstat", grow_after)
    with pytest.raises(StillBeingWritten):
        source.take(offer, SHEETS, tmp_path / "target")
    assert not list((tmp_path / "target").rglob("*.gpkg*"))


def test_an_address_may_be_a_path_or_a_file_uri(tmp_path: Path) -> None:
    root = tmp_path / "sở y tế"
    root.mkdir()
    for address in (str(root), root.as_uri()):
        with connect(address) as source:
            assert source.where == str(root)


def test_an_address_of_another_kind_is_refused_without_its_password() -> None:
    with pytest.raises(Refusal, match="is no folder") as caught:
        connect("sftp://u:geheim@host/x")
    assert "geheim" not in str(caught.value)


def test_a_missing_folder_is_refused_when_it_is_entered(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="folder is not there") as caught, Folder(tmp_path / "nowhere"):
        pass
    assert caught.value.where == str(tmp_path / "nowhere")


def test_a_file_is_put_whole_into_the_inbox_and_replaces_the_old_one(tmp_path: Path) -> None:
    content = write(tmp_path / "report.xlsx", b"new")
    root = tmp_path / "root"
    write(root / "tra-lai/2025-2026/lỗi.xlsx", b"old")
    Folder(root).put("2025-2026/lỗi.xlsx", content)
    assert [path.name for path in (root / "tra-lai").rglob("*") if path.is_file()] == ["lỗi.xlsx"]
    assert (root / "tra-lai/2025-2026/lỗi.xlsx").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../a", "/a", ""])
def test_nothing_is_put_outside_the_inbox(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refusal, match="no usable name"):
        Folder(tmp_path).put(name, write(tmp_path / "report.xlsx"))
