from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portal_sync.edits import WRITTEN, Edit, edits, left_alone, written
from portal_sync.plan import as_text, plan, told
from portal_sync.portal import DATASET, Entry
from tests.portal import changes_for, dataset, publish, publishing, state
from tests.stack import Stack

KEY = (DATASET, "thu-sua")


def entry(folder: Path, last: Entry | None = None, **fields: Any) -> Entry:
    """As its contract says, or with other texts, after `last` was written."""
    made = dataset(KEY[1], folder, [("một", 1)], **fields)
    return replace(made, fields={**made.fields, WRITTEN: written((last or made).fields)})


def test_a_text_that_is_neither_the_contracts_nor_what_we_wrote_is_somebodys_edit(tmp_path: Path) -> None:
    before = entry(tmp_path)
    ours = entry(tmp_path, grain="one row per person", source_url="https://example.org/new")
    theirs = entry(tmp_path, before, grain="somebody's", title="Tên do người sửa", tags=["khác"])
    found = edits({KEY: ours}, {KEY: theirs})
    assert [(edit.dataset, edit.field, edit.theirs) for edit in found] == [
        ("thu-sua", "tags", ["khác"]),
        ("thu-sua", "title", "Tên do người sửa"),
    ]
    assert edits({KEY: ours}, {KEY: before}) == []
    assert edits({KEY: replace(ours, name="other")}, {}) == []


def test_an_edit_stays_what_the_contract_changed_goes_on_and_both_are_told(tmp_path: Path) -> None:
    ours = entry(tmp_path, source_url="https://example.org/new")
    theirs = entry(tmp_path, entry(tmp_path), title="Tên do người sửa")
    found = edits({KEY: ours}, {KEY: theirs})
    (change,) = plan(left_alone({KEY: ours}, found), {KEY: theirs})
    assert {reason.field for reason in change.reasons} == {"source_url", WRITTEN}
    assert 'title was edited on the portal: "Tên do người sửa", in its contract "Ca bệnh' in as_text(
        [change], [], found
    )


@pytest.mark.parametrize("kept", ["", "{", "[]"], ids=["before we kept it", "cut", "another's"])
def test_where_what_we_wrote_is_not_known_there_are_no_edits(tmp_path: Path, kept: str) -> None:
    theirs = entry(tmp_path, title="Tên cũ")
    assert edits({KEY: entry(tmp_path)}, {KEY: replace(theirs, fields={**theirs.fields, WRITTEN: kept})}) == []


def test_what_was_edited_on_the_portal_is_found_there(ckan: Stack, tmp_path: Path) -> None:
    with publishing(ckan, KEY[1]) as client:
        wanted = state(entry(tmp_path))
        publish(client, wanted)
        changes, found = changes_for(client, wanted)
        assert changes == []
        assert edits(wanted, found) == []
        edited = {"title": "Tên do người sửa", "license_id": "odbl", "tags": [{"name": "khác"}]}
        client.call("package_patch", {"id": KEY[1], **edited})
        _, found = changes_for(client, wanted)
        told_of = edits(wanted, found)
        assert [edit.field for edit in told_of] == ["license_id", "tags", "title"]
        assert publish(client, left_alone(wanted, told_of)) == []
        assert publish(client, wanted)[0].startswith("apply dataset thu-sua: updated")
        assert edits(wanted, changes_for(client, wanted)[1]) == []


def test_both_ways_on_are_told() -> None:
    line = told(Edit("thu-sua", "title", "Của họ", "Của ta"))
    assert '"Của họ", in its contract "Của ta"; left as it is: write it into the contract' in line
    assert "kho apply --overwrite thu-sua" in line
