"""A portal's state as values: what we want of it (`desired`) and what it has (`actual`) are of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Table:
    """The DataStore table that a dataset's CSV file is also served from."""

    file: str
    version: str
    dictionary: str  # digest of the columns' descriptions
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    rows: int = 0


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


State = Mapping[tuple[str, str], Entry]  # by kind and name
