"""Small things to publish, and a portal to publish them to, for the tests that need one."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from portal_sync.__main__ import one_at_a_time
from portal_sync.actual import read_portal
from portal_sync.apply import apply
from portal_sync.client import Client, PortalUnreachable
from portal_sync.plan import Change, plan
from portal_sync.portal import DATASET, GROUP, MARK, ORGANISATION, Column, Entry, File, State, Table, Version, form_of
from quality.digest import Digest
from tests.stack import Stack


def both(field: str, vietnamese: str, english: str) -> dict[str, Any]:
    """A field in two languages."""
    return {field: vietnamese, f"{field}_translated": {"vi": vietnamese, "en": english}}


def listed(kind: str, name: str, title: str = "Thử nghiệm", english: str = "Trial") -> Entry:
    """An organisation or a group."""
    fields = {**both("title", title, english), **both("description", "", ""), "code": "", "homepage": ""}
    return Entry(kind, name, {**fields, "managed_by": MARK})


def dataset(
    name: str, folder: Path, rows: Iterable[tuple[str | None, int | None]], version: int = 1, **fields: Any
) -> Entry:
    """A dataset of two columns, ten (text) and so_ca (number), owned by `thu-nghiem`, in group `thu`.

    Datasets of one folder are of one lineage: what was published of a version stays, so each test has its own.
    """
    rows = list(rows)
    path = folder / f"{name}-{version}" / "cases.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("ten,so_ca\n" + "".join(f"{text},{count}\n" for text, count in rows), encoding="utf-8-sig")
    described = {
        **both("title", "Ca bệnh thử nghiệm", "Trial cases"),
        **both("notes", "Bảng để thử cổng dữ liệu.", "A table to try the portal with."),
        "tags": ["thử nghiệm"],
        "tags_translated": {"vi": ["thử nghiệm"], "en": ["trial"]},
        "license_id": "mit",
        "owner_org": "thu-nghiem",
        "groups": ["thu"],
        "grain": "one row per name",
        "key": "ten",
        "frequency": "http://publications.europa.eu/resource/authority/frequency/ANNUAL",
        **both("source_title", "Phòng thử, và chỗ khác", "Test room, and elsewhere"),
        "source_url": "https://example.org/",
        "cautions_translated": {"vi": ["Chỉ để thử."], "en": ["For trials only."]},
        "temporal_start": "2017",
        "temporal_end": "2017",
        "row_count": str(len(rows)),
        "kho_table": "city.trial",
        "kho_version": str(version),
        "exported_at": "2026-11-22T10:00:00+07:00",
        "history_days": "3650",
        **dict.fromkeys(("retired_on", "retired_reason", "retired_reason_translated", "successor"), ""),
        "managed_by": MARK,
        **fields,
    }
    shown = {**both("name", "CSV: thử", "CSV: trial"), **both("description", "Bảng", "Table"), "format": "CSV"}
    file = File("cases.csv", hashlib.sha256(path.read_bytes()).hexdigest(), shown, path, path.stat().st_size)
    columns = (
        Column("ten", "text", {**both("label", "Tên", "Name"), **both("notes", "Tên tỉnh", "Name of the province")}),
        Column("so_ca", "int4", {**both("label", "Số ca", "Cases"), **both("notes", "", "")}),
    )
    parquet = path.with_suffix(".parquet")
    values: dict[str, list[Any]] = {"ten": [text for text, _ in rows], "so_ca": [count for _, count in rows]}
    schema = pa.schema([pa.field("ten", pa.string())]).append(pa.field("so_ca", pa.int32()))
    pq.write_table(pa.table(values, schema=schema), parquet)
    content = Digest({"ten": "string", "so_ca": "int"})
    content.add(list(values.values()))
    held = Version(lineage_of(folder), version)
    table = Table("cases.csv", held, form_of(columns), columns, ("ten",), parquet, content.as_dict())
    return Entry(DATASET, name, described, {"cases.csv": file}, table)


def lineage_of(folder: Path) -> str:
    """Delta's id of a table whose exports lie in a folder."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:32]


def state(*entries: Entry) -> State:
    """Entries by kind and name, with the organisation and the group that datasets of these tests name."""
    every = [listed(ORGANISATION, "thu-nghiem"), listed(GROUP, "thu"), *entries]
    return {(entry.kind, entry.name): entry for entry in every}


def publisher(stack: Stack) -> Client:
    """The portal, as the publisher."""
    return Client(stack.env["KHO_PORTAL_URL"], stack.env["KHO_PORTAL_TOKEN"])


class Counting(Client):
    """A publisher whose connection breaks at its nth question of a kind, if told so."""

    def __init__(self, url: str, token: str, breaks_at: tuple[str, int] = ("", 0)) -> None:
        """`breaks_at`: an action and which call of it."""
        super().__init__(url, token)
        self.asked: list[str] = []
        self._breaks_at = breaks_at

    def call(self, action: str, data: dict[str, Any] | None = None, files: dict[str, Any] | None = None) -> Any:
        """As any client's."""
        self._note(action)
        return super().call(action, data, files)

    def put(self, path: str, stream: IO[bytes] | Iterable[bytes], **parameters: str) -> Any:
        """As any client's."""
        self._note("put")
        return super().put(path, stream, **parameters)

    def _note(self, action: str) -> None:
        self.asked.append(action)
        if (action, self.asked.count(action)) == self._breaks_at:
            raise PortalUnreachable("cut off", remedy="again")

    def writes(self) -> list[str]:
        """The actions that may have changed something, in their order."""
        return [
            action
            for action in self.asked
            if not action.endswith(("_show", "_list", "_search", "_versions", "_state", "_datasets"))
        ]


@contextmanager
def publishing(stack: Stack, *names: str) -> Iterator[Client]:
    """The portal, as the publisher; afterwards datasets of these names are gone.

    The flow's own publisher waits meanwhile: Airflow may still have it at work after an earlier test, and to it what
    bears our mark and stands in no contract is to be removed.
    """
    with one_at_a_time(stack.settings.lake):
        client = publisher(stack)
        try:
            yield client
        finally:  # the organisation and the group stay: each test would wait for them longer than for its dataset
            publish(client, state(), also=names)


def changes_for(client: Client, wanted: State, also: Iterable[str] = ()) -> tuple[list[Change], State]:
    """The plan for `wanted` as if nothing else were on the portal but things of these tests, `also` among them."""
    names = {*wanted, *state(), *((DATASET, name) for name in also)}
    found = {key: entry for key, entry in read_portal(client).items() if key in names}
    return plan(wanted, found), found


def publish(client: Client, wanted: State, also: Iterable[str] = ()) -> list[str]:
    """Plan and apply; the lines that were said."""
    changes, found = changes_for(client, wanted, also)
    said: list[str] = []
    apply(client, changes, wanted, found, said.append)
    return said


def ask(stack: Stack, action: str, **data: Any) -> Any:
    """What an action answers a stranger."""
    return json.loads(page(stack, f"/api/3/action/{action}", data))["result"]


def page(stack: Stack, path: str, data: Mapping[str, Any] | None = None) -> str:
    """What stands at an address of the portal, to a stranger."""
    request = urllib.request.Request(stack.settings.portal_url + path)  # noqa: S310 - loopback
    if data is not None:
        request.data = json.dumps(data).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text
