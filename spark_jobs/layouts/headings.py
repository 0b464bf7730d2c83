"""Which column of a file is which column of the contract, by its heading; and what to say when one is gone.

A file may have its columns in any order and write their headings in any case, with accents or without, composed or
decomposed, over several lines. It may have columns that nobody promised. It may not lack one, or have one twice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from quality.contract import Contract
from spark_jobs.layouts import AGAIN, ExtractMismatch

LONGEST = 500  # characters; beyond, a paragraph or a whole row stands in the cell
MOST = 2_000  # columns
RUNNING_NUMBERS = frozenset({"stt", "tt", "so tt", "so thu tu"})  # "1, 2, 3 …": says nothing of a row
SHOWN = 60  # headings in a message
ALIKE = 0.6  # 'Ma HS' and 'Mã học sinh' are 0.63 alike, 'Họ tên' and 'Dân tộc' 0.31

# What nobody sees: places to break a word, and marks that turn the direction of writing.
_NO_WIDTH = str.maketrans(
    dict.fromkeys([*"\u00ad\u2060\ufeff", *map(chr, range(0x200B, 0x2010)), *map(chr, range(0x202A, 0x202F))])
    | dict.fromkeys(map(chr, range(0x2066, 0x206A)))
)
_D = str.maketrans({"đ": "d", "ð": "d", "ɖ": "d"})  # d with a stroke does not decompose; the others look like it


@dataclass(frozen=True)
class Matched:
    """Where the columns stand among the headings, from 0.

    `columns`: by name in the contract. `unexpected`: by heading as found, what the contract does not know; columns of
    running numbers (STT) are left out. `missing`: names in the contract that no heading fits.
    """

    columns: dict[str, int]
    unexpected: dict[str, int]
    missing: list[str]


def fold(text: object) -> str:
    """For comparing headings: lower case, no accents, single blanks. Units and punctuation stay."""
    written = str(text)
    return _remembered(written) if len(written) <= LONGEST else _fold(written)


def _fold(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(bare.translate(_D).translate(_NO_WIDTH).split())


# Where the heading of a sheet stands is found by folding its first lines in several ways, and what a ward delivers has
# most texts in common with what the next one does: of the time to read 40 workbooks of 170 pupils that was half.
_remembered = lru_cache(maxsize=4096)(_fold)


def clean(text: object) -> str:
    """A heading for people: NFC, on one line."""
    return " ".join(unicodedata.normalize("NFC", str(text)).translate(_NO_WIDTH).split())


def promised(contract: Contract) -> dict[str, str]:
    """Every folded heading that the contract promises, and the column it stands for."""
    found: dict[str, str] = {}
    for column in contract.columns.values():
        for heading in column.headings:
            other = found.setdefault(fold(heading), column.name)
            if other != column.name:
                raise ExtractMismatch(
                    "two columns of the contract have the same heading",
                    where=f"{contract.path}, columns {other} and {column.name}",
                    expected="headings that differ in more than case, accents and blanks",
                    found=heading,
                    remedy="correct the contract; the last good version stays",
                )
    return found


def match(found: Sequence[str], contract: Contract, where: str = "") -> Matched:
    """Whose column is whose. Blank headings are nobody's: whoever finds a value below one calls `refuse_nameless`."""
    _refuse_absurd(found, where)
    wanted = promised(contract)
    columns: dict[str, int] = {}
    unexpected: dict[str, int] = {}
    for index, heading in enumerate(found):
        folded = fold(heading)
        name = wanted.get(folded)
        if name in columns:
            raise ExtractMismatch(
                "a promised column stands twice",
                where=where,
                expected=f"one column {_quoted([contract.columns[name].headings[0]])}",
                found=f"{_quoted([found[columns[name]], heading])}, columns {columns[name] + 1} and {index + 1}",
                remedy="ask the department which of the two holds; the last good version stays",
            )
        if name:
            columns[name] = index
        elif folded and folded not in RUNNING_NUMBERS:
            unexpected[_own_name(clean(heading), unexpected)] = index
    return Matched(columns, unexpected, [name for name in contract.columns if name not in columns])


def refuse_missing(matched: Matched, found: Sequence[str], contract: Contract, where: str) -> None:
    """Raise if a promised column is absent, with both sides and what may have been renamed."""
    if not matched.missing:
        return
    gone = [contract.columns[name].headings[0] for name in matched.missing]
    renamed = likely_renamings(gone, matched.unexpected)
    raise ExtractMismatch(
        f"{'promised columns are' if len(gone) > 1 else 'a promised column is'} missing: {_quoted(gone)}",
        where=where,
        expected=f"headings {_quoted(column.headings[0] for column in contract.columns.values())}",
        found=f"headings {_quoted(filter(str.strip, found)) or 'none'}"
        + "".join(f"; {new!r} looks like {old!r}" for old, new in renamed),
        remedy=f"if the department renamed it, add the new heading to `heading` of the column in {contract.path.name}; "
        f"else {AGAIN}",
    )


def likely_renamings(gone: Iterable[str], added: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of a heading that is gone and one that is new and looks like it; each at most once, the likest first."""
    added = list(added)[:MOST]
    likeness = sorted(
        ((SequenceMatcher(None, fold(old), fold(new)).ratio(), old, new) for old in gone for new in added),
        key=lambda pair: (-pair[0], pair[1:]),
    )
    pairs: list[tuple[str, str]] = []
    for ratio, old, new in likeness:
        if ratio >= ALIKE and all(old != before and new != after for before, after in pairs):
            pairs.append((old, new))
    return pairs


def refuse_nameless(where: str, value: object) -> None:
    """Always raises: `value` stands in a column without a heading, so nobody can say what it is."""
    raise ExtractMismatch(
        "a column with values has no heading",
        where=where,
        expected="a heading over every column that has values",
        found=f"no heading over a value of {len(str(value))} characters",
        remedy=AGAIN,
    )


def _refuse_absurd(found: Sequence[str], where: str) -> None:
    if len(found) > MOST:
        raise ExtractMismatch(
            "there are too many columns",
            where=where,
            expected=f"at most {MOST:,}",
            found=f"{len(found):,}",
            remedy=AGAIN,
        )
    longest = max(found, key=len, default="")
    if len(longest) > LONGEST:
        raise ExtractMismatch(
            "a heading is too long to be one",
            where=where,
            expected=f"at most {LONGEST} characters",
            found=f"{len(longest):,} characters beginning with {clean(longest[:80])!r}",
            remedy=AGAIN,
        )


def _own_name(heading: str, taken: Iterable[str]) -> str:
    """The same heading may stand over two unexpected columns; both are kept."""
    same = sum(name == heading or name.startswith(f"{heading} (") for name in taken)
    return f"{heading} ({same + 1})" if heading in taken else heading


def _quoted(headings: Iterable[str]) -> str:
    listed = [repr(clean(heading)[:80]) for heading in headings]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
