"""Connectors: how a department's files are reached. One small module per kind, named in `delivery.from`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quality.refusal import Refusal
from spark_jobs.environment import setting


@dataclass(frozen=True)
class Offer:
    """A file the department has: its name, and what tells without reading it whether it changed."""

    name: str
    size: int
    modified_at: str


class Connector(Protocol):
    """What fetch needs of a department."""

    where: str

    def offers(self) -> list[Offer]:
        """All files there are, sorted by name."""

    def copy(self, offer: Offer, target: Path) -> None:
        """The file's bytes, all of them. Raises StillBeingWritten when it is no longer what was offered."""


class StillBeingWritten(Exception):
    """The department is at work on this file; the next run takes it."""


def connector(kind: str, department: str) -> Connector:
    """The way to a department's files; its address comes from `KHO_SOURCE_<DEPARTMENT>`."""
    address = setting(f"KHO_SOURCE_{department.upper()}")
    if kind == "folder":
        from spark_jobs.connectors.folder import Folder  # noqa: PLC0415

        return Folder(address)
    raise Refusal(f"there is no connector {kind!r}", where="delivery.from", expected="folder", found=kind)
