"""A portal's state as values: what we want of it (`desired`) and what it has (`actual`) are of the same kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from io import BufferedReader
from pathlib import Path
from typing import Any

MARK = "kho"  # what `managed_by` says of everything that we made; nothing else is ever changed or removed
ORGANISATION, GROUP, DATASET = "organisation", "group", "dataset"

Fields = Mapping[str, Any]  # as CKAN takes them: texts, lists of texts, or objects of these


@dataclass(frozen=True)
class Column:
    """A column of a DataStore table, described."""

    name: str
    type: str  # PostgreSQL's
    info: Mapping[str, Any]


@dataclass(frozen=True)
class File:
    """A file of a dataset. `fields` is its description; `path` and `size` are known of our own files only."""

    name: str
    sha256: str
    fields: Fields
    path: Path | None = None
    size: int = 0
    id: str = ""

    def opened(self) -> BufferedReader:
        """One of our own, to be read."""
        if self.path is None:
            raise AssertionError(self.name)
        return self.path.open("rb")


@dataclass(frozen=True)
class Version:
    """A state of an open table. Numbers follow each other within a lineage, which is Delta's id of the table."""

    lineage: str
    number: int

    def __str__(self) -> str:
        """As plans show it."""
        return f"{self.number} ({self.lineage[:8]})"


@dataclass(frozen=True)
class Changes:
    """What leads from version `since` of a table to the one it is exported in. `path` is a Parquet file.

    `files` are what the public history is made of.
    """

    since: int
    inserted: int
    updated: int
    deleted: int
    path: Path
    files: tuple[File, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows change."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True)
class Table:
    """The DataStore table that a dataset's CSV file is also served from.

    `form` is `form_of` its columns as the database describes them. `path` (a Parquet file), `key`, `content` (as the
    manifest tells it), `changes` and what `columns` mean are known of our own tables only.
    """

    file: str
    version: Version | None
    form: str
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    path: Path | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    changes: Changes | None = None

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The columns as the DataStore takes them."""
        return [{"id": column.name, "type": column.type, "info": column.info} for column in self.columns]

    def parquet(self) -> Any:
        """The rows of one of our own, opened."""
        if self.path is None:
            raise AssertionError(self.file)
        return opened(self.path)


def opened(path: Path) -> Any:
    """A Parquet file."""
    import pyarrow.parquet  # noqa: PLC0415 - a plan that loads nothing need not wait for it

    return pyarrow.parquet.ParquetFile(path)


# A changed row costs a patch about five times what a row costs a table that is built anew (1 M rows, sent and proven:
# 10.2 s; 1 % of them as a patch: 1.0 s, of which half is the proof).
PATCH_AT_MOST = 0.2


def patch_for(ours: Table, theirs: Table | None) -> Changes | None:
    """The changes that lead from what the portal holds to what it must, where they cost less than the whole."""
    changes, version = ours.changes, ours.version
    if changes is None or version is None or theirs is None or theirs.form != ours.form:
        return None
    leads_there = theirs.version == Version(version.lineage, changes.since)
    return changes if leads_there and changes.rows <= PATCH_AT_MOST * ours.content["rows"] else None


def form_of(columns: Iterable[Column]) -> str:
    """A digest of names, types and dictionary, as the portal's extension makes it of its own catalogue."""
    lines = []
    for column in columns:
        info = json.dumps({"_info": dict(column.info)}, ensure_ascii=False, separators=(",", ":"))
        lines.append(f"{column.name} {column.type}  {info}")  # CKAN has a space before its JSON
    return hashlib.md5("\n".join(lines).encode(), usedforsecurity=False).hexdigest()


class Content(Enum):
    """What is wanted of a dataset's files and table."""

    OURS = "ours"  # those of its entry
    AS_IT_IS = "as it is"  # those that are there
    NONE = "none"  # it has ended: it stays as a notice


@dataclass(frozen=True)
class Entry:
    """An organisation, a group or a dataset, by its name. Only a dataset has files and a table."""

    kind: str
    name: str
    fields: Fields
    files: Mapping[str, File] = field(default_factory=dict)
    table: Table | None = None
    managed: bool = True
    state: str = "active"
    content: Content = Content.OURS


State = Mapping[tuple[str, str], Entry]  # by kind and name
