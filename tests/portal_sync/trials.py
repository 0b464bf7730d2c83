"""A table with values of every type, exported as every table and wanted on the portal, for other clients to read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from rdflib import URIRef

from portal_sync.desired import desired
from portal_sync.exports import read_export
from portal_sync.portal import State
from quality.contract import Column, Contract, Text, load_all, load_catalogue
from spark_jobs.export import write_files
from spark_jobs.formats import schema
from tests.portal import ask, lineage_of
from tests.stack import Stack

NAME = "thu-doc-bang-cong-cu-khac"
TYPES = {
    "ward_code": "string",
    "ward_name": "string",
    "note": "string",
    "counted_date": "date",
    "is_urban": "boolean",
    "case_count": "int",
    "budget_vnd": "bigint",
    "area_km2": "double",
    "longitude": "double",
    "latitude": "double",
}
TABLE = "trials"
KEY = ("ward_code",)
ROWS: list[tuple[Any, ...]] = [
    ("00127", "Phường Huỳnh", 'nói "có", rồi\nthôi', date(2025, 7, 1), True, 3, 2**53 + 1, 0.1, 106.69, 10.78),
    ("26734", "Xã Ẻo, Đặc khu", None, date(1954, 10, 10), False, None, -5, 1e-9, 106.7, 10.8),
    ("99999", "Phường Chưa Rõ", "n/a", None, None, 0, None, None, 107.0, 10.4),
]


@dataclass(frozen=True)
class Published:
    """A dataset on the portal, as a stranger finds it."""

    stack: Stack
    shown: dict[str, Any]

    @property
    def base(self) -> str:
        """The portal's address."""
        return self.stack.settings.portal_url

    @property
    def uri(self) -> URIRef:
        """By which linked data knows it."""
        return URIRef(f"{self.base}/dataset/{self.shown['id']}")

    @property
    def address(self) -> str:
        """Of its page, without language."""
        return f"{self.base}/dataset/{NAME}"

    def file(self, kind: str) -> dict[str, Any]:
        """What is said of its file of a format."""
        (found,) = (resource for resource in self.shown["resources"] if resource["format"] == kind)
        return dict(found)

    def dictionary(self) -> dict[str, dict[str, Any]]:
        """The columns of its table, as the data dictionary tells them."""
        answer = ask(self.stack, "datastore_search", resource_id=self.file("CSV")["id"], limit=0)
        return {field["id"]: field for field in answer["fields"] if field["id"] != "_id"}

    def types(self) -> dict[str, str]:
        """Of its columns, as the data dictionary tells them: PostgreSQL's."""
        return {name: field["type"] for name, field in self.dictionary().items()}


def contract() -> Contract:
    """That of the health facilities, which are on maps, with columns of our own."""
    facilities = load_all()["city.health_facilities"]
    columns = {
        name: Column(name, kind, "none", Text(f"Nhãn {name}", f"Label {name}"), Text(f"Ý nghĩa {name}", "Meaning"))
        for name, kind in TYPES.items()
    }
    assert facilities.portal
    portal = replace(facilities.portal, dataset=NAME, columns=tuple(columns))
    return replace(facilities, table=f"city.{TABLE}", key=KEY, columns=columns, portal=portal)


def wanted(folder: Path) -> State:
    """What the portal must hold to publish ROWS, exported into a folder that is not there yet."""
    export_into(folder)
    return desired({f"city.{TABLE}": contract()}, load_catalogue(), {TABLE: read_export(folder)}, date(2026, 11, 22))


def export_into(folder: Path) -> None:
    """ROWS as `export` writes a version of an open table."""
    folder.mkdir()
    rows = [dict(zip(TYPES, row, strict=True)) for row in ROWS]
    batch = pa.RecordBatch.from_pylist(rows, schema(TYPES))
    content, files, _ = write_files([batch], contract(), TYPES, folder)
    manifest = {
        "table": f"open.{TABLE}",
        "lineage": lineage_of(folder),
        "version": 1,
        **content.as_dict(),
        "key": KEY,
        "columns": [{"name": name, "type": kind} for name, kind in TYPES.items()],
        "extracts": [{"period": "2024"}, {"period": "2025"}],
        "check": {"rules": 12, "warnings": [], "checked_at": "2026-11-22T09:59:00+07:00"},
        "exported_at": "2026-11-22T10:00:00+07:00",
        "files": [
            {
                "name": path.name,
                "format": kind.name,
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for kind, path in files
        ],
        "changes": None,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
