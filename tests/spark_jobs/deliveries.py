"""Deliveries of many files as `fetch` and `ingest` leave them, without their bytes: a row for each file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from quality.contract import Contract
from spark_jobs.extracts import ALL, MANIFEST, Extract, File, sha256_of
from spark_jobs.places import saying
from spark_jobs.raw import Commit, table_of
from spark_jobs.session import folder_of

Rows = Iterable[Mapping[str, Any]]


def delivered(
    lake: Path, warehouse: str, contract: Contract, files: Mapping[str, Rows], *, period: str = ALL, rules: str = "r"
) -> None:
    """One delivery: its manifest, and its files' rows in raw in place of the period's."""
    found = tuple(File(name, name, "", 0, str(list(rows)), "") for name, rows in sorted(files.items()))
    folder = lake / "extracts" / contract.schema / contract.name / period
    sequence = len(list(folder.glob("*"))) + 1
    extract = Extract(contract.table, period, sequence, "", sha256_of(found), "", found)
    extract.folder(lake).mkdir(parents=True)
    (extract.folder(lake) / MANIFEST).write_text(extract.to_json(), encoding="utf-8")
    ingested(warehouse, contract, Commit(period, extract.sha256, rules), files)


def ingested(warehouse: str, contract: Contract, commit: Commit, files: Mapping[str, Rows]) -> None:
    """What `ingest` commits."""
    rows = [
        {"_period": commit.period, "_extract": commit.extract, "_file": name, **row}
        for name, each in files.items()
        for row in each
    ]
    write_deltalake(
        str(folder_of(warehouse, table_of(contract))),
        pa.Table.from_pylist(rows),
        mode="overwrite",
        predicate=f"_period = '{commit.period}'",
        **saying(commit.said),
    )
