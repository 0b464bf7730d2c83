"""Carry a plan out: the only writer to the portal.

A dataset says which version it holds (`kho_version`) only after its files and its table hold all of it; a new dataset
is private until then. So what a killed run left is different from what is wanted, and the next run finishes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

from portal_sync import plain, whole
from portal_sync.actual import by_file, read_tables, table_of
from portal_sync.client import Client, Missing, PortalUnreachable
from portal_sync.extras import as_extras, as_fields
from portal_sync.lanes import lanes
from portal_sync.plan import Action, Change
from portal_sync.portal import DATASET, GROUP, MARK, ORGANISATION, Content, Entry, Fields, File, State
from quality.refusal import Refusal

# So many datasets at a time. Most are small, and then publisher and portal wait for each other some twenty times: the
# demo's 19 took 30 s one after the other, 26 s by two and 19 s by three (two cores, warm).
_AT_ONCE = 3
_LAST = ("kho_version", "exported_at", "row_count")  # fields that speak of the data, written when it is there


class ExportDamaged(Refusal):
    """An export's file is not the one its manifest speaks of."""


class NotApplied(Refusal):
    """Some changes failed; all others were carried out."""


def apply(client: Client, changes: list[Change], desired: State, actual: State, say: Callable[[str], None]) -> None:
    """Every change in order. One that fails does not keep the others from being tried; NotApplied names them."""
    failed = []
    for (kind, _), some in groupby(changes, lambda change: (change.kind, change.action is Action.REMOVE)):
        at_once = _AT_ONCE if kind == DATASET else 1  # the others are few, and may stand above each other
        with lanes(list(some), lambda change: _carry_out(client, change, desired, actual), at_once) as carried_out:
            for change, outcome in carried_out:
                try:
                    done = outcome.result()
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
    if desired[key].content is not Content.OURS:
        return _end_dataset(client, desired[key])
    return _write_dataset(client, desired[key], actual.get(key))


def _write_group(client: Client, change: Change, entry: Entry | None) -> str:
    noun = "organization" if change.kind == ORGANISATION else "group"
    if entry is None:
        client.call(f"{noun}_delete", {"id": change.name})
        return "removed"
    if change.action is Action.UPDATE or _is_ours(client, noun, change.name):
        _patch(client, noun, entry.name, {**entry.fields, "state": "active"})
        return "updated"
    client.call(f"{noun}_create", {"name": entry.name, **_held(client, entry.fields)})
    return "created"


def _patch(client: Client, noun: str, name: str, fields: Fields) -> None:
    shown = None if client.has_extension() else client.call(f"{noun}_show", {"id": name})
    client.call(f"{noun}_patch", {"id": name, **_held(client, fields, shown)})


def _held(client: Client, fields: Fields, shown: Mapping[str, Any] | None = None) -> Fields:
    """As this portal takes them; `shown`: what it has of them by now."""
    return fields if client.has_extension() else as_extras(fields, shown)


def _is_ours(client: Client, noun: str, name: str) -> bool:
    """Whether something of that name is taken up, though no plan saw it.

    We removed it before, for CKAN keeps it and its name; or a run that made it was cut short before the search knew it.
    """
    try:
        found = client.call(f"{noun}_show", {"id": name})
    except Missing:
        return False
    return bool(as_fields(found).get("managed_by") == MARK)


def _end_dataset(client: Client, entry: Entry) -> str:
    """Say when and why it ends; from that day on its data is gone, but for what its history keeps."""
    _patch(client, "package", entry.name, entry.fields)
    if entry.content is Content.NONE:
        _remove_resources(client, entry.name)
    return "ended" if entry.content is Content.NONE else "its end is announced"


def _write_dataset(client: Client, entry: Entry, before: Entry | None) -> str:
    for file in entry.files.values():
        _verify(file)
    described = {name: value for name, value in _for_ckan(entry.fields).items() if name not in _LAST}
    if before is None and not _is_ours(client, "package", entry.name):
        # private, for CKAN makes a dataset active whatever state it is told; and so is its organisation's alone
        client.call("package_create", {"name": entry.name, **_held(client, described), "private": True})
    found = client.call("package_show", {"id": entry.name})
    resources = by_file(found["resources"])
    for name in sorted(resources.keys() - entry.files.keys()):
        client.call("resource_delete", {"id": resources[name]["id"]})
    way = whole if client.has_extension() else plain
    held = before.table if before else None
    if entry.table and before is None and way is whole:  # removed once and taken up again, with a table no plan saw
        tables = read_tables(client)
        held = next(filter(None, (table_of(name, one, tables) for name, one in resources.items())), None)
    done = way.write(client, entry, found["id"], resources, held)
    _patch(client, "package", entry.name, {**_for_ckan(entry.fields), "state": "active", "private": False})
    return f"{'updated' if before else 'created'}, version {entry.fields['kho_version']}{done}"


def _for_ckan(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Tags and groups are lists of objects to CKAN."""
    return {
        **fields,
        "tags": [{"name": tag} for tag in fields["tags"]],
        "groups": [{"name": group} for group in fields["groups"]],
    }


def _verify(file: File) -> None:
    with file.opened() as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise ExportDamaged(
            "an exported file is not what its manifest says",
            where=str(file.path),
            expected=f"sha256 {file.sha256}",
            found=found,
            remedy="move that export's folder away and run `kho export` again",
        )


def _remove_dataset(client: Client, name: str) -> str:
    """Out of sight, then what it holds, then itself (CKAN keeps the name of what is gone).

    A killed run may have begun with it: what is private is found by the next plan.
    """
    client.call("package_patch", {"id": name, "private": True})
    _remove_resources(client, name)
    client.call("package_delete", {"id": name})
    return "removed"


def _remove_resources(client: Client, name: str) -> None:
    """Tables and files. A killed run may have begun with it."""
    found = client.call("package_show", {"id": name})
    for resource in found["resources"]:
        if resource.get("datastore_active"):
            with contextlib.suppress(Missing):
                client.call("datastore_delete", {"resource_id": resource["id"], "force": True})
        with contextlib.suppress(Missing):
            client.call("resource_delete", {"id": resource["id"]})
