import csv
import io
import json
import os
import secrets
import subprocess
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.services import postgres
from infra.services.portal import environment
from portal_sync.actual import TokenInvalid
from portal_sync.apply import NotApplied
from portal_sync.client import Client, PortalRefused, PortalUnreachable
from portal_sync.plan import NotOurs
from tests import stock
from tests.kills import Run
from tests.portal import Counting, ask, changes_for, dataset, page, publish, publishing, state
from tests.stack import Stack

SHOWN = "/api/3/action/package_show?id=thu-ca"
ROWS = [("TP. Hồ Chí Minh", 33729), ("Bình Dương", 8487), ("Bà Rịa - Vũng Tàu", 2816)]


def counting(ckan: Stack, breaks_at: tuple[str, int] = ("", 0)) -> Counting:
    return Counting(ckan.env["KHO_PORTAL_URL"], ckan.env["KHO_PORTAL_TOKEN"], breaks_at)


@pytest.fixture
def client(ckan: Stack) -> Iterator[Client]:
    with publishing(ckan, "thu-ca", "thu-hong", "thu-tot", "thu-lon") as client:
        yield client


def table_of(ckan: Stack, name: str) -> Any:
    (resource,) = ask(ckan, "package_show", id=name)["resources"]
    return ask(ckan, "datastore_search", resource_id=resource["id"])


def test_what_was_published_can_be_searched_previewed_and_downloaded(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    shown = ask(ckan, "package_show", id="thu-ca")
    (resource,) = shown["resources"]
    assert shown["kho_version"] == "1"
    assert [(row["ten"], row["so_ca"]) for row in table_of(ckan, "thu-ca")["records"]] == ROWS
    downloaded = page(ckan, resource["url"].removeprefix(ckan.settings.portal_url))
    assert downloaded.startswith("\ufefften,so_ca\n")
    assert len(list(csv.reader(io.StringIO(downloaded)))) == 4
    (view,) = ask(ckan, "resource_view_list", id=resource["id"])
    assert view["view_type"] == "datatables_view"
    fields = {field["id"]: field.get("info", {}) for field in ask(ckan, "datastore_info", id=resource["id"])["fields"]}
    assert fields["so_ca"]["label"] == "Số ca"
    assert fields["so_ca"]["label_translated"]["en"] == "Cases"


def test_the_table_has_every_value_as_the_lake_has_it(ckan: Stack, client: Client, tmp_path: Path) -> None:
    rows = [("=1+1", 1), ("", 2), (None, None)]  # the CSV file says '=1+1, and nothing twice
    publish(client, state(dataset("thu-ca", tmp_path, rows)))
    found = table_of(ckan, "thu-ca")["records"]
    assert [(row["ten"], row["so_ca"]) for row in found] == rows


def test_nothing_new_writes_nothing(ckan: Stack, client: Client, tmp_path: Path) -> None:
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)
    again = counting(ckan)
    assert publish(again, wanted) == []
    assert again.writes() == []


def test_a_new_version_replaces_rows_and_keeps_the_address(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    before = ask(ckan, "package_show", id="thu-ca")["resources"][0]["id"]
    publish(client, state(dataset("thu-ca", tmp_path, [("Đà Nẵng", 1)], version=2)))
    assert ask(ckan, "package_show", id="thu-ca")["resources"][0]["id"] == before
    found = table_of(ckan, "thu-ca")
    assert [row["ten"] for row in found["records"]] == ["Đà Nẵng"]
    assert found["total"] == 1


def test_a_changed_title_does_not_touch_the_data(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    again = counting(ckan)
    publish(again, state(dataset("thu-ca", tmp_path, ROWS, title="Tên khác")))
    assert again.writes() == ["package_patch"]
    assert ask(ckan, "package_show", id="thu-ca")["title"] == "Tên khác"


def test_a_portal_without_extensions_takes_it_all_and_when_ours_comes_nothing_is_lost(
    ckan: Stack, tmp_path: Path
) -> None:
    with (
        publishing(ckan, stock.NAME) as client,
        stock.without_extensions(ckan.settings, tmp_path, ckan.settings.ports["portal"] + 50) as address,
    ):
        told = list(stock.trial(address, ckan.env["KHO_PORTAL_TOKEN"], tmp_path))
        assert [one for one in told if one.found != one.expected] == []
        wanted = state(dataset(stock.NAME, tmp_path, stock.ROWS[:2], 2))
        prepare_again(ckan)
        publish(client, wanted)  # what another has filled is loaded once more, and proven
        assert changes_for(client, wanted)[0] == []
        (resource,) = ask(ckan, "package_show", id=stock.NAME)["resources"]
        latest = f"{ckan.settings.portal_url}/download/{stock.NAME}/cases.csv"
        assert (resource["url_type"], resource["url"]) == ("", latest)


@pytest.mark.parametrize(
    "breaks_at",
    [
        ("package_revise", 1),
        ("put", 1),
        ("kho_table_replace", 1),
        ("kho_table_state", 1),
        ("resource_view_create", 1),
        ("package_patch", 1),
    ],
)
def test_a_killed_apply_shows_nothing_half_done_and_the_next_one_finishes_it(
    ckan: Stack, client: Client, tmp_path: Path, breaks_at: tuple[str, int]
) -> None:
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    with pytest.raises(PortalUnreachable):
        publish(counting(ckan, breaks_at), wanted)
    assert ask(ckan, "package_search", q="kho_table:city.trial")["count"] == 0
    publish(client, wanted)
    assert table_of(ckan, "thu-ca")["total"] == 3
    assert changes_for(client, wanted)[0] == []


@pytest.mark.parametrize("action", ["package_revise", "kho_table_replace", "package_patch"])
def test_a_dataset_that_never_was_there_is_nobodys_until_it_is_whole(
    ckan: Stack, client: Client, tmp_path: Path, action: str
) -> None:
    name = f"thu-{secrets.token_hex(4)}"  # what was removed before is taken up again, and then is hidden anyhow
    wanted = state(dataset(name, tmp_path, ROWS))
    with pytest.raises(PortalUnreachable):
        publish(counting(ckan, (action, 1)), wanted)
    address = f"{ckan.settings.portal_url}/api/3/action/package_show?id={name}"
    assert requests.get(address, timeout=60).status_code == 403
    assert ask(ckan, "package_search", q=f"name:{name}")["count"] == 0
    publish(client, wanted)
    assert changes_for(client, wanted)[0] == []
    assert table_of(ckan, name)["total"] == 3
    publish(client, {}, also=[name])


def test_a_killed_update_is_not_taken_for_the_new_version(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    newer = state(dataset("thu-ca", tmp_path, ROWS[:2], version=2))
    with pytest.raises(PortalUnreachable):
        publish(counting(ckan, ("kho_table_replace", 1)), newer)
    assert ask(ckan, "package_show", id="thu-ca")["kho_version"] == "1"
    publish(client, newer)
    assert table_of(ckan, "thu-ca")["total"] == 2


def test_what_is_removed_is_gone_and_can_come_back(ckan: Stack, client: Client, tmp_path: Path) -> None:
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)
    (resource,) = ask(ckan, "package_show", id="thu-ca")["resources"]
    publish(client, state(), also=["thu-ca"])
    assert ask(ckan, "package_search", q="kho_table:city.trial")["count"] == 0
    with postgres.connect(ckan.settings, "datastore") as connection:
        table = connection.execute("select 1 from pg_class where relname = %s", [resource["id"]]).fetchone()
    assert table is None
    publish(client, wanted)
    assert table_of(ckan, "thu-ca")["total"] == 3


def test_a_removal_that_was_cut_short_is_finished_by_the_next_run(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    (resource,) = ask(ckan, "package_show", id="thu-ca")["resources"]
    with postgres.connect(ckan.settings, "datastore") as connection:
        connection.execute(f'drop table "{resource["id"]}"'.encode())  # and CKAN was not told
    publish(client, {}, also=["thu-ca"])
    assert ask(ckan, "package_search", q="kho_table:city.trial")["count"] == 0


def test_a_dataset_that_is_being_removed_is_out_of_sight_before_it_is_taken_apart(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    with pytest.raises(PortalUnreachable):
        publish(counting(ckan, ("datastore_delete", 1)), {}, also=["thu-ca"])
    assert page_status(ckan, SHOWN) == 403
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)  # or it is wanted again
    assert changes_for(client, wanted)[0] == []
    assert table_of(ckan, "thu-ca")["total"] == 3


def test_what_somebody_hides_by_hand_is_shown_again(ckan: Stack, client: Client, tmp_path: Path) -> None:
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)
    client.call("package_patch", {"id": "thu-ca", "private": True})
    ((reason,),) = [change.reasons for change in changes_for(client, wanted)[0]]
    assert (reason.field, reason.actual, reason.desired) == ("state", "private", "active")
    publish(client, wanted)
    assert table_of(ckan, "thu-ca")["total"] == 3


@pytest.mark.parametrize("left", ["private = true", "state = 'deleted'"])
def test_a_dataset_that_only_the_search_knows_as_public_is_made_public(
    ckan: Stack, client: Client, tmp_path: Path, left: str
) -> None:
    """CKAN tells its index first, so a process killed just before its commit leaves the database behind."""
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)
    _set_behind(ckan, left)
    assert ask(ckan, "package_search", q="kho_table:city.trial")["count"] == 1
    assert page_status(ckan, "/download/thu-ca/cases.csv") == 404
    ((reason,),) = [change.reasons for change in changes_for(client, wanted)[0]]
    assert (reason.field, reason.desired) == ("state", "active")
    publish(client, wanted)
    assert changes_for(client, wanted)[0] == []
    assert page_status(ckan, "/download/thu-ca/cases.csv") == 200
    assert table_of(ckan, "thu-ca")["total"] == 3


def test_a_dataset_that_only_the_search_knows_as_removed_is_removed(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    publish(client, state(), also=["thu-ca"])
    _set_behind(ckan, "state = 'active', private = false")
    assert page_status(ckan, SHOWN) == 200
    publish(client, state(), also=["thu-ca"])
    assert page_status(ckan, SHOWN) != 200
    assert changes_for(client, state(), also=["thu-ca"])[0] == []


def _set_behind(ckan: Stack, left: str) -> None:
    """Have CKAN's database say something of before, and its index not."""
    with postgres.connect(ckan.settings, "ckan") as connection:
        earlier = "metadata_modified = metadata_modified - interval '1 minute'"
        connection.execute(f"update package set {left}, {earlier} where name = 'thu-ca'".encode())


def test_a_resource_that_somebody_deletes_is_made_again(ckan: Stack, client: Client, tmp_path: Path) -> None:
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)
    (resource,) = ask(ckan, "package_show", id="thu-ca")["resources"]
    client.call("resource_delete", {"id": resource["id"]})
    assert page_status(ckan, "/download/thu-ca/cases.csv") == 404
    publish(client, wanted)
    assert changes_for(client, wanted)[0] == []
    assert table_of(ckan, "thu-ca")["total"] == 3
    assert page_status(ckan, "/download/thu-ca/cases.csv") == 200


def page_status(ckan: Stack, path: str) -> int:
    return requests.get(f"{ckan.settings.portal_url}{path}", timeout=60).status_code


DROPPED = {"fields": [{"id": "ten"}], "delete_fields": True}
RENAMED = {"fields": [{"id": "ten"}, {"id": "so_ca", "info": {"label": "Số khác"}}]}


@pytest.mark.parametrize(
    ("edit", "told"), [(DROPPED, "column so_ca"), (RENAMED, "dictionary")], ids=["a column", "the dictionary"]
)
def test_a_table_that_somebody_changed_by_hand_is_told_of_and_set_right(
    ckan: Stack, client: Client, tmp_path: Path, edit: dict[str, Any], told: str
) -> None:
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)
    before = table_of(ckan, "thu-ca")
    client.call("datastore_create", {"resource_id": before["resource_id"], "force": True, **edit})
    (change,) = changes_for(client, wanted)[0]
    assert [reason.field for reason in change.reasons] == [told]
    publish(client, wanted)
    after = table_of(ckan, "thu-ca")
    assert (after["records"], after["fields"]) == (before["records"], before["fields"])
    assert changes_for(client, wanted)[0] == []


def test_a_token_that_was_revoked_is_found_before_anything_is_written(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    name = client.call("user_show", {})["name"]
    made = client.call("api_token_create", {"user": name, "name": "thu"})["token"]
    revoked = Client(ckan.settings.portal_url, made)
    assert revoked.call("user_show", {})["name"] == name
    client.call("api_token_revoke", {"token": made})
    with pytest.raises(TokenInvalid, match="unknown, expired or revoked"):
        publish(revoked, state(dataset("thu-ca", tmp_path, ROWS)))
    assert ask(ckan, "package_search", q="name:thu-ca")["count"] == 0


def test_a_token_without_rights_changes_nothing_and_names_each_refusal(
    ckan: Stack, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    other = Client(ckan.settings.portal_url, prepare_again(ckan))
    newer = state(dataset("thu-ca", tmp_path, ROWS[:1], version=2))
    with pytest.raises(NotApplied, match="dataset thu-ca"):
        publish(other, newer)
    told = capsys.readouterr().err
    assert "kho: dataset thu-ca: the portal does not let us do that" in told
    assert "expected: a valid token of the publisher" in told
    assert table_of(ckan, "thu-ca")["total"] == 3
    publish(client, newer)
    assert table_of(ckan, "thu-ca")["total"] == 1


def prepare_again(ckan: Stack) -> str:
    """The portal, as whoever installs our extension does: its index is made anew. The token of somebody who may read.

    He is in no organisation.
    """
    asked = {
        "admin": "quan-tri",
        "admin_password": ckan.settings.secret("portal-admin-password"),
        "publisher": "thu-nguoi-la",
        "publisher_password": secrets.token_hex(16),
        "old_token": "",
    }
    done = subprocess.run(
        [str(ckan.settings.python("portal")), "-m", "ckanext_kho.prepare"],
        env={**os.environ, **environment(ckan.settings)},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    return str(json.loads(done.stdout.splitlines()[-1])["token"])


def test_two_publishers_at_once_end_in_what_both_want(ckan: Stack, client: Client, tmp_path: Path) -> None:
    """As from two machines: on one they wait for each other. Whoever is refused is told why, and the next run heals."""
    both = state(dataset("thu-ca", tmp_path, ROWS))
    runs = [Run(ckan, both) for _ in range(2)]
    for run in runs:
        run.end()
    publish(client, both)
    assert changes_for(client, both)[0] == []
    assert table_of(ckan, "thu-ca")["total"] == 3
    newer = [state(dataset("thu-ca", tmp_path, ROWS[:rows], version)) for rows, version in ((2, 2), (1, 3))]
    runs = [Run(ckan, wanted) for wanted in newer]
    for run in runs:
        run.end()
    publish(client, newer[1])
    assert changes_for(client, newer[1])[0] == []
    assert table_of(ckan, "thu-ca")["total"] == 1


@pytest.mark.parametrize("action", ["PUT tables", "kho_table_replace", "package_patch"])
def test_a_publisher_that_wakes_after_another_has_published_does_not_put_yesterday_over_today(
    ckan: Stack, client: Client, tmp_path: Path, action: str
) -> None:
    first, late, today = (
        state(dataset("thu-ca", tmp_path, ROWS[:rows], version)) for rows, version in ((3, 1), (2, 2), (1, 3))
    )
    publish(client, first)
    paused = Run(ckan, late, lambda asked: asked[-1] == action)
    assert paused.reached.wait(60)
    publish(client, today)
    paused.end()
    assert table_of(ckan, "thu-ca")["total"] == 1
    assert page(ckan, "/download/thu-ca/cases.csv").count("\n") == 2
    publish(client, today)
    assert changes_for(client, today)[0] == []


def test_a_clock_that_jumped_back_does_not_keep_a_version_from_being_the_newest(
    ckan: Stack, client: Client, tmp_path: Path
) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS, exported_at="2026-11-22T10:00:00+07:00")))
    newer = dataset("thu-ca", tmp_path, ROWS[:1], version=2, exported_at="1970-01-01T07:00:00+07:00")
    for file in newer.files.values():
        assert file.path
        os.utime(file.path, (0, 0))
    publish(client, state(newer))
    assert changes_for(client, state(newer))[0] == []
    assert table_of(ckan, "thu-ca")["total"] == 1


def test_one_dataset_that_fails_does_not_keep_the_others_back(ckan: Stack, client: Client, tmp_path: Path) -> None:
    bad = dataset("thu-hong", tmp_path, ROWS, owner_org="khong-co")
    with pytest.raises(NotApplied, match="dataset thu-hong"):
        publish(client, state(bad, dataset("thu-tot", tmp_path, ROWS)))
    assert table_of(ckan, "thu-tot")["total"] == 3


def test_a_file_that_is_not_what_its_manifest_says_is_not_published(
    ckan: Stack, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = dataset("thu-ca", tmp_path, ROWS)
    file = entry.files["cases.csv"]
    assert file.path
    file.path.write_text("ten,so_ca\nx,1\n")
    with pytest.raises(NotApplied):
        publish(client, state(entry))
    assert "an exported file is not what its manifest says" in capsys.readouterr().err
    assert ask(ckan, "package_search", q="kho_table:city.trial", include_drafts=True)["count"] == 0


def test_a_dataset_of_our_name_made_by_somebody_else_is_left_alone(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    client.call("package_patch", {"id": "thu-ca", "managed_by": "", "title": "Của người khác"})
    with pytest.raises(NotOurs, match="thu-ca"):
        publish(client, state(dataset("thu-ca", tmp_path, ROWS)))
    assert ask(ckan, "package_show", id="thu-ca")["title"] == "Của người khác"
    client.call("package_patch", {"id": "thu-ca", "managed_by": "kho"})


def test_somebody_who_takes_the_name_between_plan_and_apply_is_told_of(client: Client, tmp_path: Path) -> None:
    wanted = state(dataset("thu-ca", tmp_path, ROWS))
    publish(client, wanted)
    with pytest.raises(PortalRefused, match="run the same command again"):
        client.call("package_create", {"name": "thu-ca", "owner_org": "thu-nghiem"})


def test_rows_are_found_with_accents_without_and_decomposed(ckan: Stack, client: Client, tmp_path: Path) -> None:
    publish(client, state(dataset("thu-ca", tmp_path, [*ROWS, ("Đống Đa", 1)])))
    (resource,) = ask(ckan, "package_show", id="thu-ca")["resources"]
    for typed in ("Đống Đa", "dong da", unicodedata.normalize("NFD", "Đống Đa")):
        found = ask(ckan, "datastore_search", resource_id=resource["id"], q=typed)
        assert [row["ten"] for row in found["records"]] == ["Đống Đa"], typed


def test_a_table_of_200_000_rows_is_held_whole_and_searched(ckan: Stack, client: Client, tmp_path: Path) -> None:
    rows = [(f"Huỳnh {number}" if number % 1000 == 0 else f"Trần {number}", number) for number in range(200_000)]
    publish(client, state(dataset("thu-lon", tmp_path, rows)))
    (resource,) = ask(ckan, "package_show", id="thu-lon")["resources"]
    assert ask(ckan, "datastore_search", resource_id=resource["id"], limit=0)["total"] == 200_000
    assert ask(ckan, "datastore_search", resource_id=resource["id"], q="huynh", limit=1)["total"] == 200
    last = ask(ckan, "datastore_search", resource_id=resource["id"], sort="_id desc", limit=1)["records"]
    assert last[0]["so_ca"] == 199_999


class Waiting(Counting):
    """A publisher that notes for which table it asks how a load gets on."""

    def __init__(self, ckan: Stack) -> None:
        """Nothing is asked yet."""
        super().__init__(ckan.env["KHO_PORTAL_URL"], ckan.env["KHO_PORTAL_TOKEN"])
        self.waited_for: list[str] = []

    def call(self, action: str, data: dict[str, Any] | None = None, files: dict[str, Any] | None = None) -> Any:
        if action == "kho_table_load" and data and "beyond" in data:
            self.waited_for.append(data["resource_id"])
        return super().call(action, data, files)


@pytest.mark.usefixtures("client")
def test_of_two_large_tables_at_once_one_waits_until_the_other_is_loaded(ckan: Stack, tmp_path: Path) -> None:
    """The portal does one job after the other: what is still queued behind another is not to be taken for lost."""
    rows = [(f"Huỳnh {number}", number) for number in range(100_100)]  # of which the portal makes a table in a job
    waiting = Waiting(ckan)
    publish(waiting, state(*(dataset(name, tmp_path, rows) for name in ("thu-lon", "thu-tot"))))
    assert len(list(groupby(waiting.waited_for))) == 2
    assert len(waiting.waited_for) > 2
    assert {table_of(ckan, name)["total"] for name in ("thu-lon", "thu-tot")} == {100_100}
