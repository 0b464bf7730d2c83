"""Layouts: one small module per odd shape of file. Each reads one file into rows that know where they stood.

Contracts name them in `delivery.layout`: layout `name` is the module `name` here, with `read(path, period, sheets)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quality.refusal import Refusal


@dataclass(frozen=True)
class Row:
    """One row of a delivery. `columns`: under which heading of the file a value stood (letters of Excel), by name."""

    sheet: str
    line: int
    values: Mapping[str, object]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Reading:
    """All rows of one file. `skipped` counts what is no data, by its kind, so that nothing is passed over in silence.

    `units`: what the file reports on, by sheet; a correction must not lose any of them.
    """

    rows: list[Row]
    units: Mapping[str, frozenset[str]]
    skipped: Mapping[str, int] = field(default_factory=dict)


class ExtractMismatch(Refusal):
    """A file that is not what its contract promises."""


Layout = Callable[[Path, str, Collection[str]], Reading]


def layout_named(name: str) -> Layout:
    """The `read` of a layout."""
    try:
        found: Layout = importlib.import_module(f"{__name__}.{name}").read
    except ModuleNotFoundError as error:
        known = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
        raise Refusal(
            f"there is no layout {name!r}", where="delivery.layout", expected=", ".join(known), found=name
        ) from error
    return found
