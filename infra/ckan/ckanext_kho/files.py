"""Published files: those of a version never change, and the latest are those of the version that the table holds.

    PUT /api/kho/files/<dataset>/<lineage>/<version>/<name>   a publisher brings a file; `sha256` in the address
    GET /download/<dataset>/<name>                            of the version that is published now
    GET /download/<dataset>/<lineage>/<version>/<name>        of that version, for ever the same

A version's files are all there before its table is swapped in, and the swap is what makes them the latest: at no moment
does the portal give a file that does not match its table, and none of a version that never was published. Files come
with ETag and ranges, and compressed to whoever takes them so.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

import sqlalchemy as sa
from ckan import model
from ckan.plugins import toolkit
from flask import Blueprint, abort, jsonify, request, send_file

from ckanext_kho.hashed import Hashed, require_sha256
from ckanext_kho.tables import fence
from ckanext_kho.tables.actions import answer_refusals
from ckanext_kho.tables.database import glance, let_go, reader
from ckanext_kho.tables.form import Unfit, Version
from ckanext_kho.tables.history import Published, published

files = Blueprint("kho_files", __name__)

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # of a path: no way up, nothing hidden
_COMPRESSED = frozenset({".csv", ".jsonl", ".geojson"})
_CHUNK = 1 << 20
RECEIPT = "receipt.json"  # among the files of a version: what it was made of, and what its other files must be
_YEAR_S = 365 * 86_400
_TABLES = sa.text(  # as it is, for CKAN's own way to them costs a download a tenth of what it takes to begin
    "select id from resource where package_id = :known and state = 'active'"
    " and extras::jsonb -> 'datastore_active' = 'true' order by position"
)


@files.route("/api/kho/files/<dataset>/<lineage>/<int:number>/<name>", methods=["PUT"])
@answer_refusals
def put_file(dataset: str, lineage: str, number: int, name: str) -> Any:
    """Keep a file of a version. One that is there stays, if it is the same; another is refused."""
    toolkit.check_access("package_update", {}, {"id": dataset})
    known = toolkit.get_action("package_show")({}, {"id": dataset})["id"]
    place = _place(known, Version(lineage, number), name)
    sha256 = str(request.args["sha256"])
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        let_go()
        _receive(request.stream, place, sha256)
    elif _sha256_of(place) != sha256:
        raise Unfit(f"version {number} has another {name} already, and what was published stays as it is")
    _remember(sha256, place)  # who brought it may have been killed before this
    return jsonify(success=True, result={"sha256": sha256})


@files.route("/download/<dataset>/<name>")
def latest(dataset: str, name: str) -> Any:
    """A file of the version that the dataset's table holds now."""
    kept = _kept(dataset)
    version = _published(kept.id)
    if version is None:
        abort(410 if kept.extras.get("retired_on") else 404)
    answer = _send(kept.id, version, name)
    answer.headers["Cache-Control"] = "public, no-cache"  # ask each time; the answer is mostly "as you have it"
    place = {"dataset": dataset, "lineage": version.lineage, "number": version.number, "name": name}
    answer.headers["Content-Location"] = toolkit.h.url_for("kho_files.pinned", **place, locale="default")
    return answer


@files.route("/download/<dataset>/<lineage>/<int:number>/<name>")
def pinned(dataset: str, lineage: str, number: int, name: str) -> Any:
    """A file of that very version."""
    shown, version = shown_to_reader(dataset), Version(lineage, number)
    if version not in {one.version for one in versions_of(shown)}:
        abort(404)
    answer = _send(shown["id"], version, name)
    answer.headers["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable"
    return answer


@toolkit.side_effect_free
def kho_file_find(context: Any, data_dict: dict[str, Any]) -> list[dict[str, Any]]:
    """Where a file with this `sha256` was published: of which datasets and versions, the newest last. May be empty."""
    known = _root() / "sha256" / _safe(str(toolkit.get_or_bust(data_dict, "sha256")))
    places = known.read_text(encoding="utf-8").splitlines() if known.is_file() else []
    found = []
    for place in dict.fromkeys(places):
        dataset, lineage, number, name = place.split("/")
        try:
            shown = toolkit.get_action("package_show")(toolkit.fresh_context(context), {"id": dataset})
        except (toolkit.ObjectNotFound, toolkit.NotAuthorized):
            continue
        version = Version(lineage, int(number))
        named = {"dataset": shown["name"], "lineage": lineage, "number": number}
        found.append(
            {
                "dataset": shown["name"],
                "title": shown["title"],
                "version": version.as_dict(),
                "is_latest": version == _published(shown["id"]),
                "name": name,
                "receipt": address("kho_files.pinned", **named, name=RECEIPT),
                "latest": address("kho_files.latest", dataset=shown["name"], name=name),
            }
        )
    return found


ACTIONS = {"kho_file_find": kho_file_find}


def folder_of(known: str, version: Version) -> Path:
    """Where the files of a version are. By the dataset's id, which stays when its name changes."""
    return _root() / "files" / known / _safe(version.lineage) / str(version.number)


def address(route: str, **parts: str) -> str:
    """Whole, and of no language."""
    return str(toolkit.h.url_for(route, **parts, qualified=True, locale="default"))


def shown_to_reader(dataset: str) -> dict[str, Any]:
    """The dataset, for whoever asks; for whom it is not, there is none."""
    try:
        shown: dict[str, Any] = toolkit.get_action("package_show")({}, {"id": dataset})
    except (toolkit.ObjectNotFound, toolkit.NotAuthorized):
        abort(404)
    return shown


def _kept(dataset: str) -> Any:
    """The dataset as CKAN's database has it, for whoever may read it. To be shown in full it takes far longer."""
    kept = model.Package.by_name(dataset) or model.Package.get(dataset)
    try:
        allowed = kept and toolkit.check_access("package_show", {"package": kept}, {"id": kept.id})
    except toolkit.NotAuthorized:
        allowed = False
    if not allowed:
        abort(404)
    return kept


def _published(known: str) -> Version | None:
    """The version that a dataset's table holds, from the databases themselves."""
    tables = model.Session.execute(_TABLES, {"known": known}).scalars().all()
    with glance() as connection:
        return next((found for one in tables if (found := fence.version_of(connection, one))), None)


def versions_of(shown: dict[str, Any]) -> list[Published]:
    """Every version of a dataset that was published, the newest first."""
    with reader() as connection:
        return published(connection, shown["id"])


def _send(known: str, version: Version, name: str) -> Any:
    try:
        place = _place(known, version, name)
    except Unfit:
        abort(404)
    if not place.is_file():
        abort(404)
    compressed = place.with_name(place.name + ".gz")
    is_small = "gzip" in request.accept_encodings and "Range" not in request.headers and compressed.is_file()
    answer = send_file(compressed if is_small else place, download_name=name, as_attachment=True, conditional=True)
    if is_small:
        answer.headers["Content-Encoding"] = "gzip"
    answer.vary.add("Accept-Encoding")
    return answer


def _receive(stream: IO[bytes], place: Path, sha256: str) -> None:
    """Write it aside, and give it its name when it is whole."""
    part, hashed = place.with_name(f".{place.name}.{token_hex(4)}.part"), Hashed(stream)
    try:
        with part.open("xb") as file:
            shutil.copyfileobj(hashed, file, _CHUNK)
        require_sha256(hashed.sha256, sha256)
        if place.suffix in _COMPRESSED:
            _compress(part, place.with_name(f"{place.name}.gz"))
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _compress(source: Path, target: Path) -> None:
    fresh = source.with_suffix(".gz")
    with source.open("rb") as file, gzip.open(fresh, "wb", compresslevel=6) as small:
        shutil.copyfileobj(file, small, _CHUNK)
    fresh.replace(target)


def _remember(sha256: str, place: Path) -> None:
    """So that whoever has the bytes finds where they come from."""
    known = _root() / "sha256" / sha256
    known.parent.mkdir(exist_ok=True)
    line = str(place.relative_to(_root() / "files"))
    with known.open("a+", encoding="utf-8") as file:
        file.seek(0)
        if line not in file.read().splitlines():
            file.write(f"{line}\n")


def _place(known: str, version: Version, name: str) -> Path:
    """Of a file. Raises Unfit for what is no name here."""
    return folder_of(known, version) / _safe(name)


def _root() -> Path:
    return Path(toolkit.config["ckan.storage_path"]) / "kho"


def _safe(name: str) -> str:
    if not _PART.fullmatch(name):
        raise Unfit(f"{name!r} is no name of a file here: letters of ASCII, digits, `_`, `-` and `.`")
    return name


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
