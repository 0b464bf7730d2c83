"""Files and table of a dataset by CKAN's own API alone: the way into a portal that has not our extension.

A file is uploaded in the place of the one before. The table is emptied first and filled in batches: readers see it
grow, and a mark on the resource says that it holds no version meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from portal_sync.client import Client
from portal_sync.extras import as_fields, as_text
from portal_sync.portal import Entry, File, Table
from portal_sync.view import ensure_view
from quality.refusal import Refusal

_BATCH = 5000  # rows a request
_COUNT_TRIES = 3


class TableIncomplete(Refusal):
    """The portal's table does not have the rows that were sent."""


def write(client: Client, entry: Entry, dataset: str, resources: dict[str, Any], held: Table | None) -> str:
    """Every file, then the table. `resources`: those that are there, by file name; `held`: what the plan found."""
    for name, file in sorted(entry.files.items()):
        resources[name] = _write_file(client, dataset, file, resources.get(name))
    table, done = entry.table, ""
    if table is None:
        return done
    resource = resources[table.file]
    if held is None or held.version != table.version:
        _load(client, resource, table)
        done = f", {table.content['rows']:,} rows"
    elif held.form != table.form:
        describe(client, resource["id"], table)
    ensure_view(client, resource["id"])
    _mark(client, resource, table)
    return done


def _write_file(client: Client, dataset: str, file: File, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Upload it if its bytes are others; describe it if only that changed."""
    if before and before.get("hash") == file.sha256:
        told = as_fields(before)
        if all((told.get(name) or "") == value for name, value in file.fields.items()):
            return dict(before)
        patched: dict[str, Any] = client.call("resource_patch", {"id": before["id"], **file.fields})
        return patched
    # a request that carries a file holds texts only: objects go as JSON
    texts = {name: as_text(value) for name, value in file.fields.items()}
    place = {"id": before["id"]} if before else {"package_id": dataset}
    verb = "resource_patch" if before else "resource_create"
    with file.opened() as stream:
        data = {**place, **texts, "kho_file": file.name, "hash": file.sha256}
        sent: dict[str, Any] = client.call(verb, data, {"upload": (file.name, stream)})
    return sent


def _load(client: Client, resource: Mapping[str, Any], table: Table) -> None:
    """Empty the table and fill it."""
    identity = {"resource_id": resource["id"], "force": True}
    if resource.get("kho_version"):  # from here to the end the table holds no version
        client.call("resource_patch", {"id": resource["id"], "kho_version": ""})
    if resource.get("datastore_active"):
        client.call("datastore_delete", identity)
    client.call("datastore_create", {**identity, "fields": table.fields, "primary_key": list(table.key)})
    for batch in _batches(table):
        client.call("datastore_upsert", {**identity, **_insert(batch)})
    _count(client, identity, table)


def describe(client: Client, resource: str, table: Table) -> None:
    """Write the dictionary anew; the rows stay."""
    client.call("datastore_create", {"resource_id": resource, "force": True, "fields": table.fields})


def _mark(client: Client, resource: Mapping[str, Any], table: Table) -> None:
    """Say on the resource what its table holds: there is no better place."""
    version = f"{table.version.lineage}/{table.version.number}" if table.version else ""
    marks = {"kho_version": version, "kho_form": table.form}
    if any(resource.get(name) != value for name, value in marks.items()):
        client.call("resource_patch", {"id": resource["id"], **marks})


def _count(client: Client, identity: Mapping[str, Any], table: Table) -> None:
    for _ in range(_COUNT_TRIES):
        client.call("datastore_upsert", {**identity, **_insert([])})  # CKAN forgets what it counted in between
        counted = client.call("datastore_search", {"resource_id": identity["resource_id"], "limit": 0})["total"]
        if counted == table.content["rows"]:
            return
    raise TableIncomplete(
        "the portal's table does not hold the rows of the export",
        where=f"DataStore table {identity['resource_id']}",
        expected=f"{table.content['rows']:,} rows, as the manifest says",
        found=f"{counted:,}",
        remedy="run `kho apply` again: it loads the table anew",
    )


def _insert(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {"method": "insert", "records": records, "calculate_record_count": False}


def _batches(table: Table) -> Iterator[list[dict[str, Any]]]:
    for batch in table.parquet().iter_batches(_BATCH):
        yield [{name: _plain(value) for name, value in row.items()} for row in batch.to_pylist()]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return value.isoformat() if isinstance(value, date) else value
