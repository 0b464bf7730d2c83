"""What the portal holds: organisations, groups and datasets, ours and others', read by few requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from portal_sync.client import Client, Missing, TokenRefused
from portal_sync.edits import WRITTEN
from portal_sync.extras import as_fields
from portal_sync.lanes import lanes
from portal_sync.portal import DATASET, GROUP, MARK, ORGANISATION, Column, Entry, File, State, Table, Version
from quality.refusal import Refusal

_PAGE = 1000
_LEAST_PAGE = 25  # of a list, unless somebody has set it lower; what then is not seen is found when it is made
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
    questions: list[Callable[[], Any]] = [
        partial(_require_token, client),
        partial(_listed, client, "organization_list"),
        partial(_listed, client, "group_list"),
        partial(_searched, client),
        partial(_kept, client),
    ]
    with lanes(questions, lambda question: question(), len(questions)) as asked:
        _, organisations, groups, searched, (tables, states) = [answer.result() for _, answer in asked]
    entries = [
        *(_group(ORGANISATION, found) for found in organisations),
        *(_group(GROUP, found) for found in groups),
        *(dataset_entry(found, tables) for found in _packages(client, searched, states)),
    ]
    return {(entry.kind, entry.name): entry for entry in entries}


def _require_token(client: Client) -> None:
    try:
        client.call("user_show", {})
    except (TokenRefused, Missing) as error:  # which of them, is up to the portal's settings
        raise TokenInvalid(
            "the portal does not know our token",
            where=client.url,
            expected="a valid token of the publisher, in KHO_PORTAL_TOKEN",
            found="a token that is unknown, expired or revoked, or none",
            remedy="a new one from who runs the portal (ours: `kho up` makes it)",
        ) from error


def _kept(client: Client) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    """What the portal's database says of each table, and of each dataset. Nothing of a portal without our extension."""
    tables = read_tables(client)
    return tables, {} if tables is None else client.call("kho_datasets")


def read_tables(client: Client) -> Mapping[str, Any] | None:
    """What the portal's database says of each table, by resource; None of a portal without our extension."""
    found: Mapping[str, Any] | None = client.call("kho_table_versions") if client.has_extension() else None
    return found


def _listed(client: Client, action: str) -> list[dict[str, Any]]:
    """Organisations or groups, a page at a time: of so many as are asked for, CKAN may be set to show only some."""
    every: list[dict[str, Any]] = []
    while True:
        asked = {"all_fields": True, "include_extras": True, "limit": _PAGE, "offset": len(every)}
        found = client.call(action, asked)
        every += found
        if len(found) < _LEAST_PAGE:
            return every


def _searched(client: Client) -> list[dict[str, Any]]:
    """Every dataset, unfinished ones of ours too, as the portal's search has them; a page at a time."""
    hidden_too = {"include_private": True, "include_drafts": True}
    every: list[dict[str, Any]] = []
    while True:
        asked = {"rows": _PAGE, "start": len(every), "sort": "name asc", **hidden_too}
        found = client.call("package_search", asked)
        every += found["results"]
        if not found["results"] or len(every) >= found["count"]:
            return every


def _packages(
    client: Client, searched: Iterable[dict[str, Any]], states: Mapping[str, Any]
) -> Iterable[dict[str, Any]]:
    """Every dataset as it is.

    A process that was killed may have left the search's index ahead of the database: what the two do not say alike is
    asked for by itself. A portal without our extension does not tell.
    """
    found = {one["name"]: one for one in searched}
    for name, state in states.items():
        shown = found.get(name)
        is_alike = shown is not None and all(shown.get(key) == state[key] for key in state)
        is_nowhere = shown is None and state["state"] == "deleted"
        if not is_alike and not is_nowhere:
            found[name] = client.call("package_show", {"id": name})
    return found.values()


def _group(kind: str, shown: dict[str, Any]) -> Entry:
    found = as_fields(shown)
    fields = {name: _plain(found.get(name)) for name in _GROUP_FIELDS}
    return Entry(kind, found["name"], fields, managed=found.get("managed_by") == MARK)


def dataset_entry(shown: dict[str, Any], tables: Mapping[str, Any] | None = None) -> Entry:
    """A dataset as CKAN shows it, as ours. `tables`: what the extension says of each table, by resource."""
    found = as_fields(shown)
    fields = {name: _plain(found.get(name)) for name in _DATASET_FIELDS}
    fields["tags"] = sorted(tag["name"] for tag in found.get("tags", []))
    fields["groups"] = sorted(group["name"] for group in found.get("groups", []))
    fields["owner_org"] = (found.get("organization") or {}).get("name", "")
    files, table = {}, None
    for name, resource in by_file(found.get("resources", [])).items():
        told = as_fields(resource)
        described = {field: _plain(told.get(field)) for field in _FILE_FIELDS}
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
