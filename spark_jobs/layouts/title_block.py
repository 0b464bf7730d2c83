"""The top of a sheet: title lines, then one or two heading lines with merged cells, then perhaps a line of numbers.

Where the heading stands is found, not assumed: it is the line, or the two lines, in which most promised headings are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from quality.contract import Contract
from spark_jobs.layouts.headings import clean, fold, promised

WITHIN = 25  # lines; the ministry's templates have it in the first twelve
_NUMBERED = re.compile(r"\(?(\d{1,3}|[a-z])\)?(\s*=.*)?", re.IGNORECASE)
_UNIT = re.compile(r"\(.*\)")

Lines = Mapping[int, Sequence[str]]  # texts by row number, from 0


@dataclass(frozen=True)
class Heading:
    """A heading in rows `first` to `last`, from 0. `texts`: over each column, what names it. `known`: promised ones."""

    first: int
    last: int
    texts: tuple[str, ...]
    known: int


def find_heading(lines: Lines, contract: Contract) -> Heading | None:
    """The best heading of a sheet, given its first lines with merged cells filled; None if none is promised."""
    wanted = promised(contract)
    best: Heading | None = None
    for row in sorted(lines):
        for upper in (None, lines.get(row - 1)):
            texts = _named(upper, lines[row], wanted) if upper is not None else tuple(map(clean, lines[row]))
            known = len({wanted[folded] for text in texts if (folded := fold(text)) in wanted})
            if known and (best is None or known > best.known):
                best = Heading(row - (upper is not None), row, texts, known)
    return best


def below(heading: Heading, lines: Lines) -> dict[int, str]:
    """Rows under the heading that still belong to it: column numbers "(1) (2) (3)", units "(m2)"; with their kind."""
    found: dict[int, str] = {}
    row = heading.last + 1
    while (kind := kind_below(lines.get(row, ()))) and kind not in found.values():
        found[row] = kind
        row += 1
    return found


def fill(lines: dict[int, list[str]], merged: Iterable[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Write the text of merged cells into each cell that they cover, in place."""
    for (top, left), (bottom, right) in merged:
        if top not in lines or left >= len(lines[top]):
            continue
        text = lines[top][left]
        for row in range(top, min(bottom, max(lines)) + 1):
            cells = lines.get(row, [])
            cells[left : right + 1] = [text] * (min(right + 1, len(cells)) - left)


def _named(upper: Sequence[str], lower: Sequence[str], wanted: Mapping[str, str]) -> tuple[str, ...]:
    """What names each column: upper and lower joined, or one of them; what is promised comes first."""
    texts = []
    group = ""
    for column in range(max(len(upper), len(lower))):
        above, under = (clean(line[column]) if column < len(line) else "" for line in (upper, lower))
        group = above or (group if under else "")  # a heading that is not merged still holds until the next one
        ways = [
            f"{above} / {under}",
            under,
            above if _is_single(upper, column) or not under else "",
            f"{group} / {under}",
        ]
        joined = " / ".join(dict.fromkeys(filter(None, (above, under))))
        texts.append(next((way for way in ways if way and fold(way) in wanted), joined))
    return tuple(texts)


def _is_single(line: Sequence[str], column: int) -> bool:
    """Whether the text of a cell is over this column only."""
    return line[column : column + 1] != line[column + 1 : column + 2] and (
        column == 0 or line[column : column + 1] != line[column - 1 : column]
    )


def kind_below(cells: Sequence[str]) -> str:
    """What a line right under a heading is, if it is no data yet; "" if it may be."""
    texts = [clean(cell) for cell in cells if clean(cell)]
    if len(texts) >= 2 and all(map(_UNIT.fullmatch, texts)) and not all(map(_NUMBERED.fullmatch, texts)):  # noqa: PLR2004
        return "line of units"
    numbered = [found[1] for text in texts if (found := _NUMBERED.fullmatch(text))]
    numbers = [int(number) for number in numbered if number.isdigit()]
    counts = numbers == list(range(1, len(numbers) + 1)) and len(numbered) == len(texts)
    return "line of column numbers" if len(numbers) >= 2 and counts else ""  # noqa: PLR2004
