"""Contracts made on the spot: what a small file promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from quality.contract import Column, Contract, Delivery, Text
from spark_jobs.layouts import Batch, Layout, Tally

WORDS = Text("chữ", "words")


def column(name: str, kind: str = "string", *headings: str, required: bool = True) -> Column:
    return Column(name, kind, "none", WORDS, WORDS, required=required, heading=headings)


def promise(*columns: Column, layout: str = "workbook", sheets: Sequence[str] = ()) -> Contract:
    return Contract(
        table="education.pupils",
        path=Path("pupils.yml"),
        title=WORDS,
        description=WORDS,
        grain="one row per pupil",
        owner="so-giao-duc-va-dao-tao",
        key=(columns[0].name,),
        at_least=1,
        columns={wanted.name: wanted for wanted in columns},
        portal=None,
        delivery=Delivery("folder", layout, "snapshot", "month", 1, files=".*", sheets=tuple(sheets)),
        sha256="",
    )


PUPILS = promise(
    column("code", "string", "Mã học sinh"),
    column("name", "string", "Họ tên", "Họ và tên"),
    column("born", "date", "Ngày sinh"),
    column("mark", "double", "Điểm", required=False),
)


@dataclass(frozen=True)
class Reading:
    """All that a layout read of a file."""

    batches: list[Batch]
    tally: Tally

    def column(self, name: str) -> list[object]:
        return [value for batch in self.batches for value in plain(batch.columns)[name]]

    @property
    def lines(self) -> list[int]:
        return [line for batch in self.batches for line in batch.lines]

    @property
    def skipped(self) -> dict[str, int]:
        return dict(self.tally.skipped)

    @property
    def faults(self) -> dict[str, dict[int, str]]:
        (batch,) = self.batches
        return {name: dict(faults) for name, faults in batch.faults.items()}


def reading(read: Layout, path: Path, contract: Contract, period: str = "all") -> Reading:
    tally = Tally()
    return Reading(list(read(path, contract, period, tally)), tally)


def plain(columns: Mapping[str, Sequence[object] | pa.Array[Any]]) -> dict[str, list[object]]:
    """Columns as lists."""
    return {name: v.to_pylist() if isinstance(v, pa.Array) else list(v) for name, v in columns.items()}
