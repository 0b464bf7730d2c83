"""What a dataset was before, and what changed: as a page, for programs and for feed readers."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.ckan.versions import NAME, get, told, two_versions
from tests.portal import lineage_of, page, publishing
from tests.stack import Stack

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def folder(ckan: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the exports lie of what is published meanwhile."""
    folder = tmp_path_factory.mktemp(NAME)
    with publishing(ckan, NAME) as client:
        two_versions(client, folder)
        yield folder


def test_every_version_is_told_with_its_files_and_what_changed(ckan: Stack, folder: Path) -> None:
    newest, first = told(ckan, folder)
    lineage = lineage_of(folder)
    assert newest["version"] == {"lineage": lineage, "version": 2}
    assert (newest["replaces"], first["replaces"]) == (first["version"], None)
    assert (newest["rows"], first["rows"]) == (30, 30)
    assert {kind: newest["changes"][kind] for kind in ("inserted", "updated", "deleted")} == {
        "inserted": 1, "updated": 1, "deleted": 1,
    }  # fmt: skip
    assert first["changes"] is None
    assert first["published_at"] <= newest["published_at"]
    (then,), (now,) = first["files"], newest["files"]
    assert "dòng 0,0" in get(ckan, then["url"]).content.decode()
    assert "dòng 0,0" not in get(ckan, now["url"]).content.decode()
    files = {file["format"]: get(ckan, file["url"]).content.decode() for file in newest["changes"]["files"]}
    assert files.keys() == {"CSV", "JSONL"}
    assert json.loads(files["JSONL"].splitlines()[1]) == {
        "change": "update", "key": {"ten": "dòng 1"}, "before": {"so_ca": 1}, "after": {"so_ca": 100},
    }  # fmt: skip
    assert json.loads(page(ckan, f"/dataset/{NAME}/history.json"))["versions"][:2] == [newest, first]


@pytest.mark.parametrize(("language", "words"), [("", "thêm 1, sửa 1, xóa 1 dòng"), ("/en", "1 rows added, 1 changed")])
def test_people_read_it_in_both_languages(ckan: Stack, folder: Path, language: str, words: str) -> None:
    listed = page(ckan, f"{language}/dataset/{NAME}/history")
    assert words in listed
    shown = page(ckan, f"{language}/dataset/{NAME}/history/{lineage_of(folder)}/2")
    assert "<del>1</del> → <ins>100</ins>" in " ".join(shown.split())
    assert "&lt;b&gt;mới&lt;/b&gt;" in shown  # what stands in a cell is text, nothing else
    assert "<b>mới</b>" not in shown
    of_dataset = page(ckan, f"{language}/dataset/{NAME}")
    for text in (listed, shown, of_dataset):
        assert f'href="{language}/dataset/{NAME}/history"' in text
    assert {"": "Biên nhận", "/en": "Receipt"}[language] in of_dataset
    assert "0123456789ab" in of_dataset
    assert get(ckan, f"/dataset/{NAME}/history/{lineage_of(folder)}/3").status_code == 404


@pytest.mark.parametrize("whose", [f"/dataset/{NAME}", "/organization/thu-nghiem"])
def test_a_feed_has_an_entry_for_each_version(ckan: Stack, folder: Path, whose: str) -> None:
    answer = get(ckan, f"{whose}/history.atom")
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.text)  # noqa: S314 - our own portal's
    every = feed.findall(f"{ATOM}entry")
    entries = [entry for entry in every if lineage_of(folder) in str(entry.findtext(f"{ATOM}id"))]
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        "Ca bệnh thử nghiệm, phiên bản 2: thêm 1, sửa 1, xóa 1 dòng",
        "Ca bệnh thử nghiệm, phiên bản 1: công bố lần đầu, 30 dòng",
    ]
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 2
    assert feed.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated")
