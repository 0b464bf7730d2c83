"""A CKAN as its makers ship it: what a publisher can do there, and the tests' own portal seen as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.services import Command
from infra.services.portal import PORTAL
from infra.settings import Settings
from portal_sync.actual import TokenInvalid, read_portal
from portal_sync.client import Client, PortalUnreachable
from portal_sync.extras import as_fields
from portal_sync.portal import Entry
from quality.refusal import Refusal
from tests.portal import Counting, dataset, publish, state
from tests.running import HOST, running

PLUGINS = "datastore datatables_view"
NAME = "thu-ckan"
ROWS = [("TP. Hồ Chí Minh", 33729), ("Bình Dương", 8487), ("Bà Rịa - Vũng Tàu", 2816)]


@contextmanager
def without_extensions(settings: Settings, folder: Path, port: int) -> Iterator[str]:
    """A portal's database and search behind a CKAN without any extension: its address, while it runs."""
    command = PORTAL.command(settings)
    ini = folder / "stock.ini"
    ini.touch(mode=0o600)
    address = f"http://{HOST}:{port}"
    lines = Path(command.environment["CKAN_INI"]).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [f"ckan.plugins = {PLUGINS}\n" if line.startswith("ckan.plugins ") else line for line in lines]
    text = "".join(line for line in kept if "executemany_mode" not in line)
    ini.write_text(text.replace(settings.portal_url, address), encoding="utf-8")
    bound = f"{HOST}:{settings.ports['portal']}"
    argv = [f"{HOST}:{port}" if word == bound else word for word in command.argv]
    plain = Command(argv, command.folder, {**command.environment, "CKAN_INI": str(ini)})
    with running(plain, f"{address}/api/3/action/status_show", folder):
        yield address


@dataclass(frozen=True)
class Told:
    """What was tried, and what came of it."""

    what: str
    expected: Any
    found: Any


def trial(url: str, token: str, folder: Path) -> Iterator[Told]:
    """A dataset's life on a CKAN without our extension. It is left there, in its second version."""
    first, second = (dataset(NAME, folder, ROWS[:rows], version) for rows, version in ((3, 1), (2, 2)))
    renamed = dataset(NAME, folder, ROWS[:2], 2, title="Tên khác")
    yield Told("a wrong token is told as such", TokenInvalid, _refusal(url, "not-a-token"))
    publish(Client(url, token), state(first))
    yield Told("everybody finds the rows", ROWS, _rows(url))
    yield Told("everybody can have the file", first.files["cases.csv"].sha256, _download(url))
    yield Told("what is there is not written again", ([], []), _again(url, token, first))
    _edit(url, token)
    is_cut_off = False
    try:
        publish(Counting(url, token, ("datastore_upsert", 1)), state(second))
    except PortalUnreachable:
        is_cut_off = True
    kept = as_fields(_shown(url))["kho_version"]
    yield Told("who is cut off leaves the version as it was", (True, "1"), (is_cut_off, kept))
    publish(Client(url, token), state(second))
    yield Told("the next run finishes it", ROWS[:2], _rows(url))
    yield Told("then nothing is left to do", ([], []), _again(url, token, second))
    yield Told("what somebody else has added stays", "giữ lại", as_fields(_shown(url))["ghi-chu"])
    changes, writes = _again(url, token, renamed)
    yield Told("another title is no other data", (1, ["package_patch"]), (len(changes), writes))
    yield Told("the title is the new one", "Tên khác", _shown(url)["title"])


def _refusal(url: str, token: str) -> type[Refusal] | None:
    try:
        read_portal(Client(url, token))
    except Refusal as refusal:
        return type(refusal)
    return None


def _again(url: str, token: str, entry: Entry) -> tuple[list[str], list[str]]:
    """What a further run did, and how it wrote that."""
    client = Counting(url, token)
    return publish(client, state(entry)), client.writes()


def _shown(url: str) -> dict[str, Any]:
    shown: dict[str, Any] = Client(url, "").call("package_show", {"id": NAME})
    return shown


def _rows(url: str) -> list[tuple[str, int]]:
    stranger = Client(url, "")
    (resource,) = _shown(url)["resources"]
    found = stranger.call("datastore_search", {"resource_id": resource["id"], "sort": "_id"})
    return [(row["ten"], row["so_ca"]) for row in found["records"]]


def _download(url: str) -> str:
    (resource,) = _shown(url)["resources"]
    return Client(url, "").sha256(resource["url"].removeprefix(f"{url}/"))


def _edit(url: str, token: str) -> None:
    """Somebody adds a field of his own to the dataset."""
    extras = [*_shown(url)["extras"], {"key": "ghi-chu", "value": "giữ lại"}]
    Client(url, token).call("package_patch", {"id": NAME, "extras": extras})
