"""Files and table of a dataset by the portal's extension: a reader sees the version before or the version after.

The files go up first, to addresses of their version. The rows go up as one stream and are built beside the table that
is read; then the two change places, and with that moment the files of the version become the latest. If the portal
holds the version before and little has changed, only the changes go up, into one transaction. What the public then
gets, the table and every file, is asked for and compared with the export's manifest.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from portal_sync import plain
from portal_sync.actual import by_file
from portal_sync.client import Client, PortalRefused
from portal_sync.portal import Changes, Entry, File, Table, Version, opened, patch_for
from portal_sync.view import ensure_view
from quality.refusal import Refusal

_POLL_S = 0.3
_TRIES = 3  # a worker that is killed takes its job with it; what was staged is still there
_QUEUED_S = 60  # then the job is taken for lost: a worker that is restarted begins within seconds
_STUCK_S = 1800  # the longest that one stage may take
_FIRST_IN_LINE = threading.Lock()  # the portal does one job after the other: who waits for another of ours is not lost


class LoadFailed(Refusal):
    """The portal could not make a table of what was sent."""


class NotProven(Refusal):
    """The portal's table is not what the manifest says."""


def write(client: Client, entry: Entry, dataset: str, resources: dict[str, Any], held: Table | None) -> str:
    """Files, table, proof. `resources`: those that are there, by file name; `held`: what the plan found."""
    table = entry.table
    if table is None or table.version is None:
        raise AssertionError(entry.name)
    wanted = {name: _described(client, entry.name, file) for name, file in entry.files.items()}
    for file in _files_to_bring(entry, table.version, resources, held):
        _bring(client, entry.name, table.version, file)
    if lacking := [name for name in entry.files if name not in resources]:  # in their order, the receipt last
        added = {"update__resources__extend": [wanted[name] for name in lacking]}
        revised = client.call("package_revise", {"match": {"id": dataset}, **added})
        resources |= by_file(revised["package"]["resources"])

    def prove_files() -> None:
        for file in entry.files.values():
            _prove_file(client, entry.name, file)

    resource = resources[table.file]["id"]
    done = load(client, resource, table, held, prove_files)
    if changed := {
        f"update__resources__{resources[name]['id']}": described
        for name, described in wanted.items()
        if any((resources[name].get(field) or "") != value for field, value in described.items())
    }:
        client.call("package_revise", {"match": {"id": dataset}, **changed})
    ensure_view(client, resource)
    if done:
        client.call("kho_history_trim", {"id": dataset})
    return done and f", {done}"


def load(
    client: Client, resource: str, table: Table, held: Table | None, prove_files: Callable[[], None] = lambda: None
) -> str:
    """Bring the table to its version, unless it is another by now than the plan found (`held`), and prove it.

    Says what was done. A swap that cannot be proven does not stay: the version before comes back, and with it its
    files. What was patched, or there already, is built anew: somebody has edited it.
    """

    def proven() -> None:
        prove(client, resource, table)
        prove_files()

    replaces, done = (held.version if held else None), ""
    is_there = held is not None and held.version == table.version
    if not is_there:
        done = _patch_if_cheaper(client, resource, table, held)
    elif held and held.form != table.form:
        with contextlib.suppress(PortalRefused):  # columns that are not ours any more are not proven, but built anew
            plain.describe(client, resource, table)
    if is_there or done:
        try:
            proven()
        except NotProven as refusal:
            print(f"kho: {resource} is built anew: {refusal.what}", file=sys.stderr)
            replaces = table.version
        else:
            return done
    _replace(client, resource, table, replaces)
    try:
        proven()
    except NotProven:
        asked = {"resource_id": resource, "version": _as_dict(table.version), "replaces": _as_dict(replaces)}
        with contextlib.suppress(PortalRefused):  # there was none before: then the dataset is still private
            client.call("kho_table_put_back", asked)
        raise
    return f"{table.content['rows']:,} rows"


def _files_to_bring(entry: Entry, version: Version, resources: Mapping[str, Any], held: Table | None) -> Iterator[File]:
    """Those of a new version, or that are missing; with them what changed, told from what the public has had before."""
    is_new = held is None or held.version != version
    for name, file in sorted(entry.files.items()):
        if is_new or name not in resources or resources[name].get("hash") != file.sha256:
            yield file
    changes = entry.table.changes if entry.table else None
    if changes and held and held.version == Version(version.lineage, changes.since):
        yield from changes.files


def _described(client: Client, dataset: str, file: File) -> dict[str, Any]:
    """What its resource says of a file. The address is that of the latest, and never changes."""
    url = f"{client.url}/download/{dataset}/{file.name}"
    return {**file.fields, "kho_file": file.name, "hash": file.sha256, "size": file.size, "url": url, "url_type": ""}


def _bring(client: Client, dataset: str, version: Version, file: File) -> None:
    """To where the files of that version are; nobody is led there before its table is swapped in."""
    with file.opened() as stream:
        path = f"api/kho/files/{dataset}/{version.lineage}/{version.number}/{file.name}"
        client.put(path, stream, sha256=file.sha256)


def _patch_if_cheaper(client: Client, resource: str, table: Table, held: Table | None) -> str:
    """What was done; nothing if the table has to be replaced."""
    changes = patch_for(table, held)
    if changes is None or held is None:
        return ""
    try:
        _patch(client, resource, table, changes, held.version)
    except PortalRefused as refusal:  # of a table that somebody has edited, the changes do not count up
        print(f"kho: {resource} is not patched: {refusal.found}", file=sys.stderr)
        return ""
    return f"{changes.rows:,} rows changed"


def _prove_file(client: Client, dataset: str, file: File) -> None:
    """What a citizen downloads is the file of the manifest. Raises NotProven."""
    found = client.sha256(f"download/{dataset}/{file.name}")
    if found != file.sha256:
        raise NotProven(
            "a file that the portal gives is not what was exported",
            where=f"{client.url}/download/{dataset}/{file.name}",
            expected=f"sha256 {file.sha256}",
            found=found,
            remedy="run `kho apply` again; if this comes back, see the portal's log (ours: `kho logs portal`)",
        )


def prove(client: Client, resource: str, table: Table) -> None:
    """What the portal's database holds is what the manifest says. Raises NotProven."""
    held = client.call("kho_table_state", {"resource_id": resource})
    expected = {**table.content, "version": _as_dict(table.version), "form": table.form}
    found = {name: held[name] for name in expected}
    differing = [name for name in expected if expected[name] != found[name]]
    if differing:
        raise NotProven(
            "the portal's table is not what was exported",
            where=f"DataStore table {resource}",
            expected=", ".join(f"{name} {expected[name]}" for name in differing),
            found=", ".join(f"{name} {found[name]}" for name in differing),
            remedy="run `kho apply` again: it loads the table anew; if this comes back, see the portal's log "
            "(ours: `kho logs portal`)",
        )


def _replace(client: Client, resource: str, table: Table, replaces: Version | None) -> None:
    asked = _stage(client, resource, table, replaces, table.parquet)
    for _ in range(_TRIES):
        if client.call("kho_table_replace", asked)["done"]:
            return
        with _FIRST_IN_LINE:
            if _is_over(client, asked):
                return


def _patch(client: Client, resource: str, table: Table, changes: Changes, replaces: Version | None) -> None:
    asked = _stage(client, resource, table, replaces, partial(opened, changes.path), is_patch=True)
    counts = {"inserted": changes.inserted, "updated": changes.updated, "deleted": changes.deleted}
    client.call("kho_table_patch", {**asked, **counts})


def _stage(
    client: Client,
    resource: str,
    table: Table,
    replaces: Version | None,
    parquet: Callable[[], Any],
    *,
    is_patch: bool = False,
) -> dict[str, Any]:
    """Send the rows up; what a load of them is then asked with."""
    from portal_sync.rows import Rows  # noqa: PLC0415 - a plan that loads nothing need not wait for pyarrow

    _await_others(client, resource)
    columns = [{"id": column.name, "type": column.type} for column in table.columns]
    if is_patch:
        columns.insert(0, {"id": "_op", "type": "text"})
    rows = Rows(parquet)
    staged: dict[str, Any] = client.put(f"api/kho/tables/{resource}/staged", rows, columns=json.dumps(columns))
    return {
        **staged,
        "sha256": rows.sha256,
        "resource_id": resource,
        "fields": table.fields,
        "key": list(table.key),
        "version": _as_dict(table.version),
        "replaces": _as_dict(replaces),
    }


def _await_others(client: Client, resource: str) -> None:
    """A run that was killed may have left a load at work: it is not disturbed. What it brings, the next plan sees."""
    since = time.monotonic()
    while client.call("kho_table_load", {"resource_id": resource, "staged": "none"})["at_work"]:
        if time.monotonic() - since > _STUCK_S:
            return  # to be refused, and told why
        time.sleep(_POLL_S)


def _is_over(client: Client, asked: Mapping[str, Any]) -> bool:
    """Wait for the job. False if it was lost, and has to be asked for again. Raises LoadFailed."""
    stage, since = "", time.monotonic()
    while True:
        question = {"resource_id": asked["resource_id"], "staged": asked["staged"], "beyond": stage}
        told = client.call("kho_table_load", question)
        if told["stage"] == "over":
            return True
        if told["stage"] == "failed":
            raise LoadFailed(
                "the portal could not make a table of what was sent",
                where=f"DataStore table {asked['resource_id']}",
                found=told["error"],
                remedy="`kho apply` tries again; if the portal moved meanwhile, `kho plan` shows how",
            )
        if told["stage"] != stage:
            stage, since = told["stage"], time.monotonic()
        waited = time.monotonic() - since
        if not told["at_work"] and (stage != "queued" or waited > _QUEUED_S):
            return False
        if waited > _STUCK_S:
            raise LoadFailed(
                "the portal does not get on with a table",
                where=f"DataStore table {asked['resource_id']}",
                found=f"{stage} for {waited:.0f} s",
                remedy="see the log of its worker (ours: `kho logs portal-jobs`); `kho apply` begins anew",
            )
        if not told["at_work"]:  # else the portal waits for what is new
            time.sleep(_POLL_S)


def _as_dict(version: Version | None) -> dict[str, Any] | None:
    return {"lineage": version.lineage, "version": version.number} if version else None
