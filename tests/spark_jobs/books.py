"""Small yearbooks made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from spark_jobs.layouts.tcvn3 import TABLE

Cell = str | float | None
Grid = Sequence[Sequence[Cell]]
Book = Callable[..., Path]
TO_TCVN3 = {ord(letter): chr(code) for code, letter in TABLE.items()}


def in_tcvn3(text: str) -> str:
    """As the yearbooks keep it: TCVN3 in Latin-1 code points."""
    return text.translate(TO_TCVN3)


def in_unicode(text: str) -> str:
    return text


def sheet(
    counts: Mapping[str, Sequence[Cell]],
    *,
    months: Sequence[int] = range(1, 13),
    measures: str = "MC",
    above: Grid = (),
    below: Grid = (),
) -> list[list[Cell]]:
    """A sheet: two heading lines, a line a province; `counts` are M and C of month after month, in that order."""
    headings: list[Cell] = ["Tỉnh/T.phố"]
    measured: list[Cell] = [None]
    for month in months:
        headings += [f"Tháng {month}", None]
        measured += list(measures)
    lines = [[name, *values] for name, values in counts.items()]
    return [*map(list, above), headings, measured, *lines, *map(list, below)]


def zeros() -> list[Cell]:
    return [0] * 24
