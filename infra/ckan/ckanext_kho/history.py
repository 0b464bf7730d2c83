"""The public history of a dataset: its versions, what changed in each, and where the files of each are.

    /dataset/<name>/history                        every version, for people
    /dataset/<name>/history/<lineage>/<version>    one: its receipt, its files, what changed by key, before and after
    /dataset/<name>/history.json                   every version, for programs (also the action kho_history_list)
    /dataset/<name>/history.atom                   for feed readers
    /organization/<name>/history.atom              of all datasets of an organisation

It is told of what the portal itself holds: when each version was shown (in the database, from the same transaction),
and the files of that version, among them its receipt and its changes. What was never published is in neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from ckan.plugins import toolkit
from feedgen.feed import FeedGenerator
from flask import Blueprint, Response, abort, jsonify

from ckanext_kho.bilingual import language, say, text
from ckanext_kho.files import RECEIPT, address, folder_of, shown_to_reader, versions_of
from ckanext_kho.tables.database import reader
from ckanext_kho.tables.form import Version
from ckanext_kho.tables.history import Published, published

Dict = dict[str, Any]

history = Blueprint("kho_history", __name__)

CHANGES = "changes.jsonl"
_SHOWN = 200  # changes on a page; all of them are in its files
_IN_FEED = 50


@toolkit.side_effect_free
def kho_history_list(context: Any, data_dict: Dict) -> Dict:
    """Every published version of the dataset `id`, the newest first."""
    asked = {"id": toolkit.get_or_bust(data_dict, "id")}
    return _history(toolkit.get_action("package_show")(toolkit.fresh_context(context), asked))


def kho_history_trim(context: Any, data_dict: Dict) -> Dict:
    """Remove the files of versions that are older than the dataset `id` keeps them. Their receipts stay."""
    toolkit.check_access("package_update", context, {"id": toolkit.get_or_bust(data_dict, "id")})
    shown = toolkit.get_action("package_show")(toolkit.fresh_context(context), {"id": data_dict["id"]})
    days = int(shown.get("history_days") or 0)
    if not days:
        return {"trimmed": []}
    oldest = datetime.now(UTC) - timedelta(days=days)
    old = [before.version for after, before in pairwise(versions_of(shown)) if after.at < oldest]
    return {"trimmed": [version.as_dict() for version in old if _remove_files(shown["id"], version)]}


ACTIONS = {"kho_history_list": kho_history_list, "kho_history_trim": kho_history_trim}


@history.route("/dataset/<name>/history")
def versions(name: str) -> str:
    """The page of all versions."""
    shown = shown_to_reader(name)
    return str(toolkit.render("kho/history.html", {**_page(shown), "history": _history(shown)}))


@history.route("/dataset/<name>/history.json")
def as_json(name: str) -> Any:
    """The same for programs."""
    return jsonify(_history(shown_to_reader(name)))


@history.route("/dataset/<name>/history/<lineage>/<int:number>")
def version(name: str, lineage: str, number: int) -> str:
    """The page of one version."""
    shown = shown_to_reader(name)
    found = next((one for one in versions_of(shown) if one.version == Version(lineage, number)), None)
    if found is None:
        abort(404)
    receipt = _receipt(shown["id"], found.version)
    told = _told(shown, found, receipt)
    changed = list(_changes(shown["id"], found.version)) if told["changes"] else []
    extra = {"version": told, "receipt": receipt, "changed": changed, "labels": _labels(shown)}
    return str(toolkit.render("kho/version.html", {**_page(shown), **extra}))


@history.route("/dataset/<name>/history.atom")
def dataset_feed(name: str) -> Response:
    """A dataset's versions."""
    shown = shown_to_reader(name)
    page = toolkit.h.url_for("kho_history.versions", name=shown["name"], qualified=True)
    return _feed(text(shown, "title"), page, [shown])


@history.route("/organization/<name>/history.atom")
def organisation_feed(name: str) -> Response:
    """The versions of all datasets of an organisation."""
    try:
        found = toolkit.get_action("organization_show")({}, {"id": name, "include_datasets": False})
    except (toolkit.ObjectNotFound, toolkit.NotAuthorized):
        abort(404)
    asked = {"fq": f'organization:"{found["name"]}"', "rows": 1000}
    datasets = toolkit.get_action("package_search")({}, asked)["results"]
    page = toolkit.h.url_for("organization.read", id=found["name"], qualified=True)
    return _feed(text(found, "title"), page, datasets)


def latest(shown: Dict) -> Dict | None:
    """The version of a dataset that is published now, with its receipt."""
    found = versions_of(shown)
    if not found:
        return None
    receipt = _receipt(shown["id"], found[0].version)
    return {**_told(shown, found[0], receipt), "contents": receipt}


def summary(one: Dict) -> str:
    """What happened in a version, in a sentence."""
    number = toolkit.h.kho_number
    changes = one["changes"]
    if changes:
        added, changed, removed = (number(changes[name]) for name in ("inserted", "updated", "deleted"))
        return say(
            f"thêm {added}, sửa {changed}, xóa {removed} dòng",
            f"{added} rows added, {changed} changed, {removed} removed",
        )
    if one["replaces"] is None:
        return say(f"công bố lần đầu, {number(one['rows'])} dòng", f"first published, {number(one['rows'])} rows")
    return say(f"thay toàn bộ, {number(one['rows'])} dòng", f"replaced as a whole, {number(one['rows'])} rows")


def _page(shown: Dict) -> Dict:
    return {"pkg": shown, "pkg_dict": shown, "dataset_type": "dataset"}


def _history(shown: Dict) -> Dict:
    return {
        "dataset": shown["name"],
        "title": shown["title"],
        "history_days": int(shown.get("history_days") or 0),
        "versions": [_told(shown, one, _receipt(shown["id"], one.version)) for one in versions_of(shown)],
    }


def _told(shown: Dict, one: Published, receipt: Dict) -> Dict:
    folder = folder_of(shown["id"], one.version)
    changes = receipt.get("changes") if (folder / CHANGES).is_file() else None
    kept = [file for file in receipt.get("files", []) if (folder / file["name"]).is_file()]
    return {
        "version": one.version.as_dict(),
        "replaces": one.replaces.as_dict() if one.replaces else None,
        "published_at": one.at.astimezone(UTC).isoformat(timespec="seconds"),
        "rows": one.rows,
        "changes": changes
        and {
            **{name: changes[name] for name in ("inserted", "updated", "deleted")},
            "files": [_pinned(shown, one.version, file) for file in changes["files"] if file["format"] != "Parquet"],
        },
        "files": [_pinned(shown, one.version, file) for file in kept],
        "receipt": _place(shown, one.version, RECEIPT) if receipt else None,
        "page": address(
            "kho_history.version", name=shown["name"], lineage=one.version.lineage, number=str(one.version.number)
        ),
    }


def _pinned(shown: Dict, at: Version, file: Dict) -> Dict:
    return {
        **{name: file[name] for name in ("name", "format", "bytes", "sha256")},
        "url": _place(shown, at, file["name"]),
    }


def _place(shown: Dict, at: Version, name: str) -> str:
    parts = {"dataset": shown["name"], "lineage": at.lineage, "number": str(at.number)}
    return address("kho_files.pinned", **parts, name=name)


def _receipt(known: str, at: Version) -> Dict:
    """Of a version; empty if it came without one."""
    place = folder_of(known, at) / RECEIPT
    found: Dict = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    return found


def _changes(known: str, at: Version) -> Iterator[Dict]:
    with (folder_of(known, at) / CHANGES).open(encoding="utf-8") as lines:
        for line in islice(lines, _SHOWN):
            yield json.loads(line)


def _remove_files(known: str, at: Version) -> bool:
    """Whether there were any besides the receipt."""
    folder = folder_of(known, at)
    gone = [path for path in folder.glob("*") if path.name != RECEIPT]
    for path in gone:
        path.unlink()
    return bool(gone)


def _labels(shown: Dict) -> dict[str, str]:
    """What each column is called in the page's language."""
    for resource in shown["resources"]:
        if resource.get("datastore_active"):
            fields = toolkit.h.datastore_dictionary(resource["id"])
            return {field["id"]: text(field.get("info") or {}, "label") for field in fields}
    return {}


def _feed(title: str, page: str, datasets: list[Dict]) -> Response:
    with reader() as connection:
        told = [(shown, one) for shown in datasets for one in published(connection, shown["id"])]
    told = sorted(told, key=lambda pair: pair[1].at, reverse=True)[:_IN_FEED]
    feed = FeedGenerator()
    feed.id(page)
    feed.title(say(f"{title}: các phiên bản", f"{title}: versions"))
    feed.language(language())
    feed.author({"name": toolkit.config["ckan.site_title"]})
    feed.link(href=page, rel="alternate")
    feed.link(href=toolkit.request.url, rel="self", type="application/atom+xml")
    newest = [one.at for _, one in told]
    newest += [_moment(shown) for shown in datasets if shown.get("retired_on")]
    feed.updated(max(newest, default=datetime(1970, 1, 1, tzinfo=UTC)))
    for shown, one in told:
        of_version = _told(shown, one, _receipt(shown["id"], one.version))
        entry = feed.add_entry(order="append")
        entry.id(of_version["page"])
        entry.title(
            f"{text(shown, 'title')}, {say('phiên bản', 'version')} {one.version.number}: {summary(of_version)}"
        )
        entry.link(href=of_version["page"])
        entry.published(one.at)
        entry.updated(one.at)
        entry.summary(summary(of_version))
    for shown in datasets:
        if shown.get("retired_on"):
            address_of = toolkit.h.url_for("dataset.read", id=shown["name"], qualified=True)
            entry = feed.add_entry()
            entry.id(f"{address_of}#retired")
            entry.title(f"{text(shown, 'title')}: {say('ngừng từ', 'ends on')} {shown['retired_on']}")
            entry.link(href=address_of)
            entry.updated(_moment(shown))
            entry.summary(text(shown, "retired_reason"))
    return Response(feed.atom_str(pretty=True), mimetype="application/atom+xml")


def _moment(shown: Dict) -> datetime:
    return datetime.fromisoformat(shown["metadata_modified"]).replace(tzinfo=UTC)
