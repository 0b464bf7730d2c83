"""Connectors: how a department is reached. One small module per kind, named in `delivery.from`.

The address, with its credentials, comes from `KHO_SOURCE_<DEPARTMENT>_<KIND>`: a path or `file:///…`, `sftp://…`,
`https://…` or `postgresql://…`. In Airflow it is the connection `<department>_<kind>`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from quality.delivery import Delivery
from quality.refusal import Refusal
from spark_jobs.extracts import Extract

PARTIAL = ".partial"  # what a file is called until it is complete


@dataclass(frozen=True)
class Offer:
    """Something the department has: its period, its name, and what tells without reading it whether it changed."""

    period: str
    name: str
    stamp: str
    size: int = -1


class Connector(Protocol):
    """What fetch needs of a department. `where` is for messages: it never holds a password or token."""

    where: str

    def __enter__(self) -> Self:
        """Connect."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""

    def offers(self, delivery: Delivery, last: Extract | None) -> tuple[list[Offer], list[str]]:
        """All there is of a table, sorted by period and name; and the names of files that match nothing.

        `last` is the newest extract of the table, of any period.
        """

    def take(self, offer: Offer, delivery: Delivery, folder: Path) -> list[str]:
        """Write what is offered as files below `folder`; their names. Raises StillBeingWritten when it has changed.

        A file is `<name>.partial` until it is complete. Complete files in `folder` are from an interrupted try of the
        same offer, and stay; a partial one is continued where the source allows it.
        """

    def put(self, name: str, content: Path) -> None:
        """Lay a file into the department's inbox."""


class StillBeingWritten(Exception):
    """The department is at work on this; the next run takes it."""


def variable(department: str, kind: str) -> str:
    """The name of the variable that holds an address."""
    return f"KHO_SOURCE_{department.upper()}_{kind.upper()}"


def connector(kind: str, department: str) -> Connector:
    """The way to a department, not connected yet."""
    name = variable(department, kind)
    address = os.environ.get(name, "")
    if not address:
        raise Refusal(
            f"nobody says where {department} delivers ({kind})",
            expected=f"its address in {name}",
            found="nothing",
            remedy=f"in Airflow, fill in the connection {department}_{kind}; by hand, set {name}, or for the simulated "
            'departments run eval "$(./kho sources)"',
        )
    module = importlib.import_module(f"{__name__}.{kind}")
    make: Callable[[str], Connector] = module.connect
    return make(address)
