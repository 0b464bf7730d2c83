"""What the portal holds: organisations, groups and datasets, ours and others', read by few requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from portal_sync.client import Client, TokenRefused
from portal_sync.edits import WRITTEN
from portal_sync.lanes import lanes
from portal_sync.portal import DATASET, GROUP, MARK, ORGANISATION, Column, Entry, File, State, Table, Version
from quality.refusal import Refusal

_PAGE = 1000
_GROUP_FIELDS = ("title", "title_translated", "description", "description_translated", "code", "homepage", "managed_by")
_DATASET_FIELDS = (
    *("title", "title_translated", "notes", "notes_translated", "tags_translated", "license_id", "grain", "key"),
    *("frequency", "source_title", "source_title_translated", "source_url", "cautions_translated", "temporal_start"),
    *("temporal_end", "row_count", "kho_table", "kho_version", "exported_at", "managed_by"),
    *("history_days", "retired_on", "retired_reason", "retired_reason_translated", "successor", WRITTEN),
)
_FILE_FIELDS = ("name", "name_translated", "description", "description_translated", "format")


class TokenInvalid(Refusal):
    """The token is nobody's."""


def read_portal(client: Client) -> State:
    """All of it. Raises TokenInvalid first, for with a wrong token CKAN answers as to a stranger."""
    try:
        client.call("user_show", {})
    except TokenRefused as error:
        raise TokenInvalid(
            "the portal does not know our token",
            where=client.url,
            expected="a valid token of the publisher, in KHO_PORTAL_TOKEN",
            found="a token that is unknown, expired or revoked, or none",
            remedy="`kho up` makes a new one",
        ) from error
    every = {"all_fields": True, "include_extras": True}
    questions: list[Callable[[], Any]] = [
        partial(_packages, client),
        partial(client.call, "organization_list", every),
        partial(client.call, "group_list", every),
        partial(read_tables, client),
    ]
    with lanes(questions, lambda question: question(), len(questions)) as asked:
        packages, organisations, groups, tables = [answer.result() for _, answer in asked]
    entries = [
        *(_group(ORGANISATION, found) for found in organisations),
        *(_group(GROUP, found) for found in groups),
        *(dataset_entry(found, tables) for found in packages),
    ]
    return {(entry.kind, entry.name): entry for entry in entries}


def read_tables(client: Client) -> Mapping[str, Any] | None:
    """What the portal's database says of each table, by resource; None of a portal without our extension."""
    found: Mapping[str, Any] | None = client.call("kho_table_versions") if client.has_extension() else None
    return found


def _packages(client: Client) -> list[dict[str, Any]]:
    """Every dataset, unfinished ones of ours too.

    They come from the portal's search, whose index a process that was killed may have left ahead of the database: what
    the two do not say alike is asked for by itself. A portal without our extension does not tell.
    """
    found = {one["name"]: one for one in _searched(client)}
    kept: Mapping[str, Any] = client.call("kho_datasets") if client.has_extension() else {}
    for name, state in kept.items():
        shown = found.get(name)
        is_alike = shown is not None and all(shown.get(key) == state[key] for key in state)
        is_nowhere = shown is None and state["state"] == "deleted"
        if not is_alike and not is_nowhere:
            found[name] = client.call("package_show", {"id": name})
    return list(found.values())


def _searched(client: Client) -> Iterator[dict[str, Any]]:
    """A page at a time."""
    start = 0
    while True:
        asked = {"rows": _PAGE, "start": start, "sort": "name asc", "include_private": True, "include_drafts": True}
        found = client.call("package_search", asked)
        yield from found["results"]
        start += _PAGE
        if start >= found["count"]:
            return


def _group(kind: str, found: dict[str, Any]) -> Entry:
    fields = {name: _plain(found.get(name)) for name in _GROUP_FIELDS}
    return Entry(kind, found["name"], fields, managed=found.get("managed_by") == MARK)


def dataset_entry(found: dict[str, Any], tables: Mapping[str, Any] | None = None) -> Entry:
    """A dataset as CKAN shows it, as ours. `tables`: what the extension says of each table, by resource."""
    fields = {name: _plain(found.get(name)) for name in _DATASET_FIELDS}
    fields["tags"] = sorted(tag["name"] for tag in found.get("tags", []))
    fields["groups"] = sorted(group["name"] for group in found.get("groups", []))
    fields["owner_org"] = (found.get("organization") or {}).get("name", "")
    files, table = {}, None
    for name, resource in by_file(found.get("resources", [])).items():
        described = {field: _plain(resource.get(field)) for field in _FILE_FIELDS}
        files[name] = File(name, resource.get("hash") or "", described, id=resource["id"])
        if name == resource.get("kho_file"):
            table = table_of(name, resource, tables) or table
    managed = found.get("managed_by") == MARK
    state = "private" if found.get("private") else found.get("state", "active")
    return Entry(DATASET, found["name"], fields, files, table, managed, state)


def by_file(resources: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Resources by the file that each is of; what is of none, or of one that another is of already, by its id.

    Two publishers at once, on two machines, may both make one.
    """
    found: dict[str, dict[str, Any]] = {}
    for resource in resources:
        name = resource.get("kho_file") or resource["id"]
        found[resource["id"] if name in found else name] = resource
    return found


def table_of(name: str, resource: dict[str, Any], tables: Mapping[str, Any] | None) -> Table | None:
    """What the database says of a resource's table; without our extension, what we wrote on the resource."""
    if tables is not None:
        held = tables.get(resource["id"])
        if held is None:
            return None
        columns = tuple(Column(column["id"], column["type"], {}) for column in held["columns"])
        return Table(name, _version(held["version"]), held["form"], columns)
    lineage, _, number = (resource.get("kho_version") or "").rpartition("/")
    if not lineage:
        return None
    return Table(name, Version(lineage, int(number)), resource.get("kho_form") or "")


def _version(held: Mapping[str, Any] | None) -> Version | None:
    return Version(held["lineage"], held["version"]) if held else None


def _plain(value: Any) -> Any:
    """Scalars as texts, nothing as an empty one, objects and lists as they are."""
    if value is None:
        return ""
    return value if isinstance(value, dict | list) else str(value)
