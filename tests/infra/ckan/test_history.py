"""What a dataset was before, and what changed: as a page, for programs and for feed readers."""

import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests

from infra.services import postgres
from portal_sync.client import Client, TokenRefused
from portal_sync.portal import Changes, Content, Entry, File
from spark_jobs.changes import write_changes
from tests.portal import ask, dataset, lineage_of, page, publish, publishing, state
from tests.stack import Stack

NAME = "thu-lich-su"
COLUMNS = {"ten": "string", "so_ca": "int"}
ATOM = "{http://www.w3.org/2005/Atom}"
Row = tuple[str, int | None]
State = tuple[str, str, int | None]  # of a row, as the change feed tells it


@pytest.fixture
def client(ckan: Stack) -> Iterator[Client]:
    with publishing(ckan, NAME) as client:
        yield client


def kept(path: Path) -> File:
    content = path.read_bytes()
    return File(path.name, hashlib.sha256(content).hexdigest(), {}, path, len(content))


def described(file: File, kind: str) -> dict[str, Any]:
    return {"name": file.name, "format": kind, "bytes": file.size, "sha256": file.sha256}


def version(folder: Path, number: int, rows: list[Row], states: list[State] | None = None, **fields: Any) -> Entry:
    """A version with its receipt, and with what changed since the version before."""
    entry = dataset(NAME, folder, rows, number, **fields)
    place = folder / f"{NAME}-{number}"
    receipt: dict[str, Any] = {
        "rows": len(rows),
        "extracts": [{}, {}],
        "check": {"rules": 12, "warnings": [], "checked_at": "2026-11-22T10:00:00+00:00"},
        "code": "0123456789abcdef-dirty",
        "files": [described(entry.files["cases.csv"], "CSV")],
        "changes": None,
    }
    changes = None
    if states is not None:
        values: Any = dict(zip(("_change", *COLUMNS), map(list, zip(*states, strict=True)), strict=True))
        counts, written = write_changes([pa.RecordBatch.from_pydict(values)], COLUMNS, ["ten"], place)
        files = {kind.name: kept(path) for kind, path in written}
        receipt["changes"] = {
            "since": number - 1,
            **counts,
            "files": [described(file, kind) for kind, file in files.items()],
        }
        public = tuple(file for kind, file in files.items() if kind != "Parquet")
        parquet = place / "changes.parquet"
        changes = Changes(number - 1, counts["inserted"], counts["updated"], counts["deleted"], parquet, public)
    path = place / "receipt.json"
    path.write_text(json.dumps(receipt))
    told = replace(kept(path), fields={**entry.files["cases.csv"].fields, "format": "JSON"})
    assert entry.table
    table = replace(entry.table, changes=changes)
    return replace(entry, files={**entry.files, "receipt.json": told}, table=table)


def two_versions(client: Client, folder: Path, **fields: Any) -> None:
    rows: list[Row] = [(f"dòng {number}", number) for number in range(30)]
    publish(client, state(version(folder, 1, rows, **fields)))
    states: list[State] = [
        ("delete", "dòng 0", 0),
        ("update_preimage", "dòng 1", 1),
        ("update_postimage", "dòng 1", 100),
        ("insert", "dòng <b>mới</b>", None),
    ]
    newer: list[Row] = [("dòng 1", 100), *rows[2:], ("dòng <b>mới</b>", None)]
    assert "3 rows changed" in publish(client, state(version(folder, 2, newer, states, **fields)))[-1]


def told(ckan: Stack, folder: Path) -> list[Any]:
    """The history of this test's versions: a dataset that comes back has its old ones still."""
    versions = ask(ckan, "kho_history_list", id=NAME)["versions"]
    return [one for one in versions if one["version"]["lineage"] == lineage_of(folder)]


def get(ckan: Stack, url: str) -> requests.Response:
    return requests.get(url if "://" in url else f"{ckan.settings.portal_url}{url}", timeout=60)


def test_every_version_is_told_with_its_files_and_what_changed(ckan: Stack, client: Client, tmp_path: Path) -> None:
    two_versions(client, tmp_path)
    newest, first = told(ckan, tmp_path)
    lineage = lineage_of(tmp_path)
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
def test_people_read_it_in_both_languages(
    ckan: Stack, client: Client, tmp_path: Path, language: str, words: str
) -> None:
    two_versions(client, tmp_path)
    listed = page(ckan, f"{language}/dataset/{NAME}/history")
    assert words in listed
    shown = page(ckan, f"{language}/dataset/{NAME}/history/{lineage_of(tmp_path)}/2")
    assert "<del>1</del> → <ins>100</ins>" in " ".join(shown.split())
    assert "&lt;b&gt;mới&lt;/b&gt;" in shown  # what stands in a cell is text, nothing else
    assert "<b>mới</b>" not in shown
    of_dataset = page(ckan, f"{language}/dataset/{NAME}")
    for text in (listed, shown, of_dataset):
        assert f'href="{language}/dataset/{NAME}/history"' in text
    assert {"": "Biên nhận", "/en": "Receipt"}[language] in of_dataset
    assert "0123456789ab" in of_dataset
    assert get(ckan, f"/dataset/{NAME}/history/{lineage_of(tmp_path)}/3").status_code == 404


@pytest.mark.parametrize("whose", [f"/dataset/{NAME}", "/organization/thu-nghiem"])
def test_a_feed_has_an_entry_for_each_version(ckan: Stack, client: Client, tmp_path: Path, whose: str) -> None:
    two_versions(client, tmp_path)
    answer = get(ckan, f"{whose}/history.atom")
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.text)  # noqa: S314 - our own portal's
    every = feed.findall(f"{ATOM}entry")
    entries = [entry for entry in every if lineage_of(tmp_path) in str(entry.findtext(f"{ATOM}id"))]
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        "Ca bệnh thử nghiệm, phiên bản 2: thêm 1, sửa 1, xóa 1 dòng",
        "Ca bệnh thử nghiệm, phiên bản 1: công bố lần đầu, 30 dòng",
    ]
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 2
    assert feed.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated")


def test_changes_since_what_was_never_public_are_not_told(ckan: Stack, client: Client, tmp_path: Path) -> None:
    """The portal has had version 1; what is told leads from version 2, which it never had."""
    publish(client, state(version(tmp_path, 1, [("một", 1)])))
    publish(client, state(version(tmp_path, 3, [("ba", 3)], [("delete", "bí mật", 2), ("insert", "ba", 3)])))
    newest, _ = told(ckan, tmp_path)
    assert newest["changes"] is None
    assert get(ckan, newest["files"][0]["url"].replace("cases.csv", "changes.csv")).status_code == 404
    assert "bí mật" not in page(ckan, f"/dataset/{NAME}/history/{lineage_of(tmp_path)}/3")


def test_a_version_that_was_brought_but_never_shown_cannot_be_had(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(version(tmp_path, 1, [("một", 1)])))
    path = f"{NAME}/{lineage_of(tmp_path)}/2/cases.csv"
    with (tmp_path / f"{NAME}-1" / "cases.csv").open("rb") as file:
        client.put(f"api/kho/files/{path}", file, sha256=kept(tmp_path / f"{NAME}-1" / "cases.csv").sha256)
    assert get(ckan, f"/download/{path}").status_code == 404
    assert len(told(ckan, tmp_path)) == 1


def test_files_are_kept_for_as_long_as_the_dataset_says(ckan: Stack, client: Client, tmp_path: Path) -> None:
    two_versions(client, tmp_path, history_days="30")
    assert client.call("kho_history_trim", {"id": NAME}) == {"trimmed": []}
    with pytest.raises(TokenRefused):
        Client(ckan.settings.portal_url, "").call("kho_history_trim", {"id": NAME})
    with postgres.connect(ckan.settings, "datastore") as connection:
        connection.execute(
            "update _kho_versions set at = at - interval '31 days' where lineage = %s", [lineage_of(tmp_path)]
        )
    trimmed = client.call("kho_history_trim", {"id": NAME})["trimmed"]
    assert [one["version"] for one in trimmed if one["lineage"] == lineage_of(tmp_path)] == [1]
    newest, first = told(ckan, tmp_path)
    assert (len(newest["files"]), first["files"]) == (1, [])
    assert get(ckan, first["receipt"]).json()["rows"] == 30
    assert "tệp đã hết hạn lưu" in page(ckan, f"/dataset/{NAME}/history")


def test_what_has_ended_leaves_a_notice_and_its_history(ckan: Stack, client: Client, tmp_path: Path) -> None:
    two_versions(client, tmp_path)
    reason = {"vi": "Sở đổi cách đếm", "en": "The department counts otherwise"}
    farewell = {
        "retired_on": "2026-11-01",
        "retired_reason": reason["vi"],
        "retired_reason_translated": reason,
        "successor": "thu-lich-su-v2",
    }
    announced = replace(
        version(tmp_path, 2, [("x", 1)]), fields=farewell, files={}, table=None, content=Content.AS_IT_IS
    )
    assert publish(client, state(announced)) == [f"apply dataset {NAME}: its end is announced"]
    assert get(ckan, f"/download/{NAME}/cases.csv").status_code == 200
    assert publish(client, state(announced)) == []
    ended = replace(announced, content=Content.NONE)
    assert publish(client, state(ended)) == [f"apply dataset {NAME}: ended"]
    assert publish(client, state(ended)) == []
    shown = ask(ckan, "package_show", id=NAME)
    assert (shown["resources"], shown["state"]) == ([], "active")
    assert get(ckan, f"/download/{NAME}/cases.csv").status_code == 410
    for language, words in (("", reason["vi"]), ("/en", reason["en"])):
        of_dataset = page(ckan, f"{language}/dataset/{NAME}")
        assert words in of_dataset
        assert "thu-lich-su-v2" in of_dataset
        assert words in page(ckan, f"{language}/dataset/{NAME}/history.atom")
    newest, first = told(ckan, tmp_path)
    assert "dòng 0,0" in get(ckan, first["files"][0]["url"]).content.decode()
    assert newest["version"]["version"] == 2
