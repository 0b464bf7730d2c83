"""Layouts: one small module per odd shape of file. Each reads one file in batches of rows that know where they stood.

Contracts name them in `delivery.layout`: layout `name` is the module `name` here, with
`read(path, contract, period, tally)`. They read in a process of their own with limited memory (`spark_jobs/reading.py`)
and leave text as it was found: what numbers and dates mean is settled once for all, in `spark_jobs/forms.py`.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.contract import Contract
from quality.delivery import Delivery
from quality.refusal import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUTS = ("delimited", "json_pages", "map_sheet", "records", "workbook", "yearbook")
AGAIN = "ask the department for the file again; the last good version stays"


@dataclass(frozen=True)
class Batch:
    """Some rows of one sheet, all columns equally long.

    `lines`: where a row stands as people see it, line of the sheet or number of the record, counted from 1.
    `columns`: every column of the contract, values as found: None is blank, native numbers and dates stay native, text
    is NFC without outer blanks. `cells`: what stands over a column, letters of Excel or the field's name. `unexpected`:
    by heading, columns that the contract does not know. `faults`: by column and index, what was expected, for what only
    the layout can see (a polygon that crosses itself).
    """

    sheet: str
    lines: Sequence[int]
    columns: Mapping[str, Sequence[object] | pa.Array[Any]]
    cells: Mapping[str, str]
    unexpected: Mapping[str, Sequence[object] | pa.Array[Any]] = field(default_factory=dict)
    faults: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


@dataclass
class Tally:
    """What is noted while a file is read.

    `skipped`: how much was no data, by its kind, so that nothing is passed over in silence. `units`: what the file
    reports on, by sheet; a correction must not lose any of them. `warnings`: sentences for people.
    """

    skipped: Counter[str] = field(default_factory=Counter)
    units: dict[str, set[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class ExtractMismatch(Refusal):
    """A file that is not what its contract promises."""

    lasts = True


Layout = Callable[[Path, Contract, str, Tally], Iterator[Batch]]


def layout_named(name: str) -> Layout:
    """The `read` of a layout."""
    try:
        found: Layout = importlib.import_module(f"{__name__}.{name}").read
    except (ModuleNotFoundError, AttributeError) as error:
        raise Refusal(
            f"there is no layout {name!r}", where="delivery.layout", expected=", ".join(LAYOUTS), found=name
        ) from error
    return found


def delivery_of(contract: Contract) -> Delivery:
    """The delivery of a department's table."""
    if contract.delivery is None:
        raise Refusal(f"{contract.table} has no delivery", where=str(contract.path))
    return contract.delivery
