"""A dataset in two versions, each with its receipt and with what changed since the one before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests

from portal_sync.client import Client
from portal_sync.portal import Changes, Entry, File
from spark_jobs.changes import write_changes
from tests.portal import ask, dataset, lineage_of, publish, state
from tests.stack import Stack

NAME = "thu-lich-su"
COLUMNS = {"ten": "string", "so_ca": "int"}
Row = tuple[str, int | None]
State = tuple[str, str, int | None]  # of a row, as the change feed tells it


def kept(path: Path) -> File:
    content = path.read_bytes()
    return File(path.name, hashlib.sha256(content).hexdigest(), {}, path, len(content))


def described(file: File, kind: str) -> dict[str, Any]:
    return {"name": file.name, "format": kind, "bytes": file.size, "sha256": file.sha256}


def version(folder: Path, number: int, rows: list[Row], states: list[State] | None = None, **fields: Any) -> Entry:
    """A version with its receipt, and with what changed since the version before."""
    entry = dataset(NAME, folder, rows, number, **fields)
    place = folder / f"{NAME}-{number}"
    receipt: dict[str, Any] = {
        "rows": len(rows),
        "extracts": [{}, {}],
        "check": {"rules": 12, "warnings": [], "checked_at": "2026-11-22T10:00:00+00:00"},
        "code": "0123456789abcdef-dirty",
        "files": [described(entry.files["cases.csv"], "CSV")],
        "changes": None,
    }
    changes = None
    if states is not None:
        values: Any = dict(zip(("_change", *COLUMNS), map(list, zip(*states, strict=True)), strict=True))
        counts, written = write_changes([pa.RecordBatch.from_pydict(values)], COLUMNS, ["ten"], place)
        files = {kind.name: kept(path) for kind, path in written}
        receipt["changes"] = {
            "since": number - 1,
            **counts,
            "files": [described(file, kind) for kind, file in files.items()],
        }
        public = tuple(file for kind, file in files.items() if kind != "Parquet")
        parquet = place / "changes.parquet"
        changes = Changes(number - 1, counts["inserted"], counts["updated"], counts["deleted"], parquet, public)
    path = place / "receipt.json"
    path.write_text(json.dumps(receipt))
    told = replace(kept(path), fields={**entry.files["cases.csv"].fields, "format": "JSON"})
    assert entry.table
    table = replace(entry.table, changes=changes)
    return replace(entry, files={**entry.files, "receipt.json": told}, table=table)


def two_versions(client: Client, folder: Path, **fields: Any) -> None:
    rows: list[Row] = [(f"dòng {number}", number) for number in range(30)]
    publish(client, state(version(folder, 1, rows, **fields)))
    states: list[State] = [
        ("delete", "dòng 0", 0),
        ("update_preimage", "dòng 1", 1),
        ("update_postimage", "dòng 1", 100),
        ("insert", "dòng <b>mới</b>", None),
    ]
    newer: list[Row] = [("dòng 1", 100), *rows[2:], ("dòng <b>mới</b>", None)]
    assert "3 rows changed" in publish(client, state(version(folder, 2, newer, states, **fields)))[-1]


def told(ckan: Stack, folder: Path) -> list[Any]:
    """The history of this test's versions: a dataset that comes back has its old ones still."""
    versions = ask(ckan, "kho_history_list", id=NAME)["versions"]
    return [one for one in versions if one["version"]["lineage"] == lineage_of(folder)]


def get(ckan: Stack, url: str) -> requests.Response:
    """What stands at an address, to a stranger."""
    return requests.get(url if "://" in url else f"{ckan.settings.portal_url}{url}", timeout=60)
