"""Carry a plan out: the only writer to the portal.

A dataset says which version it holds (`kho_version`) only after its files and its table hold all of it; a new dataset
is a draft until then. So what a killed run left is different from what is wanted, and the next run finishes it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any

from portal_sync.client import Client, Missing, PortalUnreachable
from portal_sync.plan import Action, Change
from portal_sync.portal import GROUP, MARK, ORGANISATION, Entry, File, State, Table
from quality.refusal import Refusal

_BATCH = 5000  # rows a request
_COUNT_TRIES = 3
_VIEW = {"view_type": "datatables_view", "title": "Bảng dữ liệu"}
_LAST = ("kho_version", "exported_at", "row_count")  # fields that speak of the data, written when it is there


class ExportDamaged(Refusal):
    """An export's file is not the one its manifest speaks of."""


class TableIncomplete(Refusal):
    """The portal's table does not have the rows that were sent."""


class NotApplied(Refusal):
    """Some changes failed; all others were carried out."""


def apply(client: Client, changes: list[Change], desired: State, actual: State, say: Callable[[str], None]) -> None:
    """Every change in order. One that fails does not keep the others from being tried; NotApplied names them."""
    failed = []
    for change in changes:
        try:
            done = _carry_out(client, change, desired, actual)
        except PortalUnreachable:
            raise
        except Refusal as refusal:
            print(f"kho: {change.kind} {change.name}: {refusal}", file=sys.stderr)
            failed.append(f"{change.kind} {change.name}")
        else:
            say(f"apply {change.kind} {change.name}: {done}")
    if failed:
        raise NotApplied(
            f"{len(failed)} of {len(changes)} changes failed; the others were carried out",
            found=", ".join(failed),
            remedy="see above why; the next `kho apply` tries again",
        )


def _carry_out(client: Client, change: Change, desired: State, actual: State) -> str:
    key = (change.kind, change.name)
    if change.kind in (ORGANISATION, GROUP):
        return _write_group(client, change, desired.get(key))
    if change.action is Action.REMOVE:
        return _remove_dataset(client, change.name)
    return _write_dataset(client, desired[key], actual.get(key))


def _write_group(client: Client, change: Change, entry: Entry | None) -> str:
    noun = "organization" if change.kind == ORGANISATION else "group"
    if entry is None:
        client.call(f"{noun}_delete", {"id": change.name})
        return "removed"
    if change.action is Action.UPDATE or _revive(client, noun, change.name):
        client.call(f"{noun}_patch", {"id": entry.name, **entry.fields, "state": "active"})
        return "updated"
    client.call(f"{noun}_create", {"name": entry.name, **entry.fields})
    return "created"


def _revive(client: Client, noun: str, name: str) -> bool:
    """Whether we removed something of that name before: CKAN keeps it and its name, so it is taken up again."""
    try:
        found = client.call(f"{noun}_show", {"id": name})
    except Missing:
        return False
    return bool(found["state"] == "deleted" and found.get("managed_by") == MARK)


def _write_dataset(client: Client, entry: Entry, before: Entry | None) -> str:
    for file in entry.files.values():
        _verify(file)
    described = {name: value for name, value in _for_ckan(entry.fields).items() if name not in _LAST}
    if before is None and not _revive(client, "package", entry.name):
        client.call("package_create", {"name": entry.name, **described, "state": "draft"})
    found = client.call("package_show", {"id": entry.name})
    resources = {resource.get("kho_file") or resource["id"]: resource for resource in found["resources"]}
    for name in sorted(resources.keys() - entry.files.keys()):
        client.call("resource_delete", {"id": resources[name]["id"]})
    for name, file in sorted(entry.files.items()):
        resources[name] = _write_file(client, found["id"], file, resources.get(name))
    loaded = ""
    if entry.table:
        loaded = _write_table(client, resources[entry.table.file], entry)
    client.call("package_patch", {"id": entry.name, **_for_ckan(entry.fields), "state": "active"})
    return f"{'updated' if before else 'created'}, version {entry.fields['kho_version']}{loaded}"


def _for_ckan(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Tags and groups are lists of objects to CKAN."""
    return {
        **fields,
        "tags": [{"name": tag} for tag in fields["tags"]],
        "groups": [{"name": group} for group in fields["groups"]],
    }


def _verify(file: File) -> None:
    if file.path is None:
        raise AssertionError(file.name)
    with file.path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise ExportDamaged(
            "an exported file is not what its manifest says",
            where=str(file.path),
            expected=f"sha256 {file.sha256}",
            found=found,
            remedy="move that export's folder away and run `kho export` again",
        )


def _write_file(client: Client, dataset: str, file: File, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Upload it if its bytes are others; describe it if only that changed."""
    if before and before.get("hash") == file.sha256:
        if all((before.get(name) or "") == value for name, value in file.fields.items()):
            return dict(before)
        patched: dict[str, Any] = client.call("resource_patch", {"id": before["id"], **file.fields})
        return patched
    # a request that carries a file holds texts only: objects go as JSON
    texts = {name: _as_text(value) for name, value in file.fields.items()}
    place = {"id": before["id"]} if before else {"package_id": dataset}
    verb = "resource_patch" if before else "resource_create"
    if file.path is None:
        raise AssertionError(file.name)
    with file.path.open("rb") as stream:
        data = {**place, **texts, "kho_file": file.name, "hash": file.sha256}
        sent: dict[str, Any] = client.call(verb, data, {"upload": (file.name, stream)})
    return sent


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _write_table(client: Client, resource: Mapping[str, Any], entry: Entry) -> str:
    """Load the table unless it holds that version; then its dictionary and its view."""
    table = entry.table
    if table is None or (
        resource.get("kho_version") == table.version and resource.get("kho_dictionary") == table.dictionary
    ):
        return ""
    identity = {"resource_id": resource["id"], "force": True}
    fields = [{"id": column.name, "type": column.type, "info": column.info} for column in table.columns]
    loaded = ""
    if resource.get("kho_version") == table.version:
        client.call("datastore_create", {**identity, "fields": fields})
    else:
        if resource.get("kho_version"):  # from here to the end the table holds no version
            client.call("resource_patch", {"id": resource["id"], "kho_version": ""})
        if resource.get("datastore_active"):
            client.call("datastore_delete", identity)
        client.call("datastore_create", {**identity, "fields": fields, "primary_key": list(table.key)})
        _load(client, identity, entry, table)
        loaded = f", {table.rows:,} rows"
    views = client.call("resource_view_list", {"id": resource["id"]})
    if not any(view["view_type"] == _VIEW["view_type"] for view in views):
        client.call("resource_view_create", {"resource_id": resource["id"], **_VIEW})
    marks = {"kho_version": table.version, "kho_dictionary": table.dictionary}
    client.call("resource_patch", {"id": resource["id"], **marks})
    return loaded


def _load(client: Client, identity: Mapping[str, Any], entry: Entry, table: Table) -> None:
    """Send the rows and make sure that the portal counts as many."""
    for batch in _batches(entry, table):
        client.call("datastore_upsert", {**identity, **_insert(batch)})
    for _ in range(_COUNT_TRIES):
        client.call("datastore_upsert", {**identity, **_insert([])})  # CKAN forgets what it counted in between
        counted = client.call("datastore_search", {"resource_id": identity["resource_id"], "limit": 0})["total"]
        if counted == table.rows:
            return
    raise TableIncomplete(
        "the portal's table does not hold the rows of the export",
        where=f"DataStore table {identity['resource_id']}",
        expected=f"{table.rows:,} rows, as the manifest says",
        found=f"{counted:,}",
        remedy="run `kho apply` again: it loads the table anew",
    )


def _insert(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {"method": "insert", "records": records, "calculate_record_count": False}


def _batches(entry: Entry, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Rows as the DataStore takes them.

    From the Parquet file where there is one: in the CSV, a text that a spreadsheet would run has an apostrophe before
    it, and no text is the same as an empty one.
    """
    parquet = [file.path for file in entry.files.values() if file.path and file.path.suffix == ".parquet"]
    if parquet:
        import pyarrow.parquet  # noqa: PLC0415 - a plan that loads nothing need not wait for it

        for batch in pyarrow.parquet.ParquetFile(parquet[0]).iter_batches(_BATCH):
            yield [{name: _plain(value) for name, value in row.items()} for row in batch.to_pylist()]
        return
    path = entry.files[table.file].path
    if path is None:
        raise AssertionError(table.file)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        while lines := list(islice(rows, _BATCH)):
            yield [{name: value or None for name, value in row.items()} for row in lines]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return value.isoformat() if isinstance(value, date) else value


def _remove_dataset(client: Client, name: str) -> str:
    """Its tables, its files, then itself (CKAN keeps the name of what is gone)."""
    found = client.call("package_show", {"id": name})
    for resource in found["resources"]:
        if resource.get("datastore_active"):
            client.call("datastore_delete", {"resource_id": resource["id"], "force": True})
        client.call("resource_delete", {"id": resource["id"]})
    client.call("package_delete", {"id": name})
    return "removed"
