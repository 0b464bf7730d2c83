"""What a publisher says of a table: its columns, its key, and which version of the data it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ckanext_kho.tables import names

TYPES = frozenset({"text", "int4", "int8", "float8", "bool", "date", "timestamp"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # PostgreSQL cuts names at 63 bytes


class Unfit(Exception):
    """What was sent cannot be loaded; the text says why."""


@dataclass(frozen=True)
class Column:
    """A column: its name, PostgreSQL's type, and what the data dictionary says of it."""

    name: str
    type: str
    info: Mapping[str, Any]

    @property
    def comment(self) -> str:
        """As the DataStore keeps a dictionary: the leading space tells this form from an older one."""
        return " " + json.dumps({"_info": dict(self.info)}, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Version:
    """Which state of which table: versions of one lineage follow each other, those of two have nothing in common."""

    lineage: str
    number: int

    def as_dict(self) -> dict[str, Any]:
        """As actions take it and give it."""
        return {"lineage": self.lineage, "version": self.number}


@dataclass(frozen=True)
class Form:
    """A table without its rows."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]


def read_columns(given: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Columns as CKAN's `fields` has them. Raises Unfit."""
    columns = tuple(Column(str(one["id"]), str(one["type"]), one.get("info") or {}) for one in given)
    names = [column.name for column in columns]
    for column in columns:
        if not _NAME.fullmatch(column.name):
            raise Unfit(f"column {column.name!r}: expected up to 63 small letters, digits and _, a letter first")
        if column.type not in TYPES:
            raise Unfit(f"column {column.name}: expected a type of {', '.join(sorted(TYPES))}, found {column.type!r}")
    if not columns or len(set(names)) != len(names):
        raise Unfit(f"columns: expected one at least, and none twice; found {', '.join(names) or 'none'}")
    return columns


def read_form(fields: Iterable[Mapping[str, Any]], key: Iterable[str]) -> Form:
    """Columns and key. Raises Unfit."""
    form = Form(read_columns(fields), tuple(key))
    unknown = set(form.key) - {column.name for column in form.columns}
    if unknown or not form.key:
        raise Unfit(f"key: expected some of the columns, found {', '.join(sorted(unknown)) or 'nothing'}")
    return form


def read_version(given: Mapping[str, Any] | None) -> Version | None:
    """`{"lineage": …, "version": …}`, or nothing."""
    return Version(str(given["lineage"]), int(given["version"])) if given else None


@dataclass(frozen=True)
class Load:
    """What a publisher asks for: that the `rows` that were staged bring `resource` from `replaces` to `version`.

    `dataset` is the id of the resource's, `sha256` that of the CSV that was sent.
    """

    dataset: str
    resource: str
    staged: str
    rows: int
    sha256: str
    form: Form
    version: Version
    replaces: Version | None


def read_load(dataset: str, resource: str, given: Mapping[str, Any]) -> Load:
    """As actions take it. Raises Unfit, also for what was staged of another table: the load ends with dropping it."""
    if not names.is_staged(str(given["staged"]), resource):
        raise Unfit(f"{given['staged']!r} was not staged for this table")
    version = read_version(given["version"])
    if version is None:
        raise Unfit("a load must say which version it brings")
    form = read_form(given["fields"], given["key"])
    return Load(
        dataset,
        resource,
        str(given["staged"]),
        int(given["rows"]),
        str(given["sha256"]),
        form,
        version,
        read_version(given["replaces"]),
    )
