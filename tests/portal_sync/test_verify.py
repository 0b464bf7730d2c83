import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from portal_sync.client import Client
from portal_sync.portal import Entry, File
from portal_sync.verify import NotPublished, ReceiptDiffers, verify
from quality.refusal import Refusal
from tests.portal import dataset, publish, publishing, state
from tests.stack import Stack

NAME = "thu-bien-nhan"


@pytest.fixture
def client(ckan: Stack) -> Iterator[Client]:
    with publishing(ckan, NAME) as client:
        yield client


def with_receipt(folder: Path, version: int, told: str = "") -> Entry:
    """A dataset whose receipt tells the sha256 of its CSV file, or another."""
    entry = dataset(NAME, folder, [("Sởi", version)], version)
    csv = entry.files["cases.csv"]
    receipt = {
        "rows": 1,
        "exported_at": "2026-11-22T10:00:00+07:00",
        "extracts": [{}, {}],
        "check": {"rules": 7, "checked_at": "2026-11-22T09:59:00+07:00", "warnings": []},
        "files": [{"name": "cases.csv", "sha256": told or csv.sha256}],
    }
    path = folder / f"manifest-{version}.json"
    path.write_text(json.dumps(receipt), encoding="utf-8")
    file = File("receipt.json", hashlib.sha256(path.read_bytes()).hexdigest(), csv.fields, path, path.stat().st_size)
    return replace(entry, files={**entry.files, "receipt.json": file})


def downloaded(ckan: Stack, folder: Path, name: str = "cases.csv") -> Path:
    path = folder / f"tải về {name}"
    path.write_bytes(requests.get(f"{ckan.settings.portal_url}/download/{NAME}/{name}", timeout=60).content)
    return path


def test_a_downloaded_file_is_told_what_it_is_and_whether_there_is_a_newer_one(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    citizen = Client(ckan.settings.portal_url, "")
    publish(client, state(with_receipt(tmp_path, 1)))
    file = downloaded(ckan, tmp_path)
    said = verify(citizen, file)
    assert f"cases.csv of Ca bệnh thử nghiệm ({NAME}), version 1" in said
    assert "1 rows, exported 2026-11-22T10:00:00+07:00, made of 2 extracts" in said
    assert "it is the latest version" in said
    assert "version 1" in verify(citizen, downloaded(ckan, tmp_path, "receipt.json"))
    publish(client, state(with_receipt(tmp_path, 2)))
    assert f"newer version: {ckan.settings.portal_url}/download/{NAME}/cases.csv" in verify(citizen, file)


def test_a_file_that_was_changed_is_no_published_one(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(with_receipt(tmp_path, 1)))
    file = downloaded(ckan, tmp_path)
    file.write_bytes(file.read_bytes().replace(b"1", b"9"))
    with pytest.raises(NotPublished, match="saved anew"):
        verify(Client(ckan.settings.portal_url, ""), file)
    with pytest.raises(Refusal, match="cannot be read"):
        verify(Client(ckan.settings.portal_url, ""), tmp_path / "không có.csv")


def test_a_receipt_of_another_file_is_told(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(with_receipt(tmp_path, 1, told="0" * 64)))
    with pytest.raises(ReceiptDiffers, match="0000"):
        verify(Client(ckan.settings.portal_url, ""), downloaded(ckan, tmp_path))
