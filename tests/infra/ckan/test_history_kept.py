"""Versions that come, go and end: what of them is told, and what can still be had."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.services import postgres
from portal_sync.client import Client, TokenRefused
from portal_sync.portal import Content
from tests.infra.ckan.versions import NAME, get, kept, told, two_versions, version
from tests.portal import ask, lineage_of, page, publish, publishing, state
from tests.stack import Stack


@pytest.fixture
def client(ckan: Stack) -> Iterator[Client]:
    with publishing(ckan, NAME) as client:
        yield client


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
