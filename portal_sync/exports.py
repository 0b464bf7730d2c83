"""Exports: the newest complete one of each table, as its manifest tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal_sync.portal import Changes, File
from quality.refusal import Refusal


class ManifestUnreadable(Refusal):
    """An export's manifest is not what `export` writes."""


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export."""

    path: Path
    format: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Export:
    """One version of an open table, as files. `columns` are (name, Spark's type); `periods` those of its extracts.

    `content` is `quality.digest`'s: rows, digest and nulls by column. `receipt` is the manifest itself.
    """

    table: str
    lineage: str
    version: int
    content: Mapping[str, Any]
    key: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    periods: tuple[str, ...]
    exported_at: str
    files: tuple[ExportedFile, ...]
    receipt: ExportedFile
    changes: Changes | None = None

    @property
    def name(self) -> str:
        """The table's name without its schema."""
        return self.table.partition(".")[2]


def newest_exports(folder: Path) -> dict[str, Export]:
    """By table name. A folder without a manifest is an export that was cut short, and is passed over."""
    found = {}
    for table in sorted(path for path in folder.glob("*") if path.is_dir()):
        versions = [v for v in table.iterdir() if v.name.isdigit() and (v / "manifest.json").is_file()]
        if versions:
            export = read_export(max(versions, key=lambda version: int(version.name)))
            found[export.name] = export
    return found


def read_export(folder: Path) -> Export:
    """One export. Raises ManifestUnreadable."""
    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
        manifest = json.loads(content)
        return Export(
            table=manifest["table"],
            lineage=manifest["lineage"],
            version=int(manifest["version"]),
            content={name: manifest[name] for name in ("rows", "digest", "nulls")},
            key=tuple(manifest["key"]),
            columns=tuple((column["name"], column["type"]) for column in manifest["columns"]),
            periods=tuple(sorted({str(extract.get("period", "")) for extract in manifest.get("extracts", [])} - {""})),
            exported_at=manifest["exported_at"],
            files=tuple(_file(folder, file) for file in manifest["files"]),
            receipt=ExportedFile(path, "JSON", len(content), hashlib.sha256(content).hexdigest()),
            changes=_changes(folder, manifest["changes"]) if manifest["changes"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestUnreadable(
            "an export's manifest cannot be read",
            where=str(path),
            expected="the JSON that `kho export` writes",
            found=f"{type(error).__name__}: {error}",
            remedy="move that folder away and run `kho export` again",
        ) from error


def _changes(folder: Path, told: Mapping[str, Any]) -> Changes:
    since, inserted, updated, deleted = (int(told[name]) for name in ("since", "inserted", "updated", "deleted"))
    files = {file.path.suffix: file for file in (_file(folder, one) for one in told["files"])}
    public = tuple(File(one.path.name, one.sha256, {}, one.path, one.bytes) for one in files.values())
    return Changes(since, inserted, updated, deleted, files[".parquet"].path, public)


def _file(folder: Path, file: dict[str, Any]) -> ExportedFile:
    return ExportedFile(folder / file["name"], file["format"], int(file["bytes"]), file["sha256"])
