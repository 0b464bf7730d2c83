"""The last look before anything leaves: personal data in the very bytes of an export.

Contracts already say which columns are personal, and none of those is in an allow-list; this finds what stands where it
should not, such as a telephone number in a free text. Numbers that a contract types as numbers are not looked at.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path

from quality.refusal import Refusal

KINDS = {
    # 12 digits: 3 of the place of birth (001 to 096), 1 of sex and century, 2 of the year of birth, 6 more.
    "citizen identity number": re.compile(
        r"(?<!\d)0\d{2}[ .]?\d{3}[ .]?\d{6}(?!\d)|(?<!\d)0\d{2}(?:[ .-]\d{3}){3}(?!\d)"
    ),
    # Mobile 03, 05, 07, 08, 09 with 10 digits, landline 02 with 11; also as +84.
    "telephone number": re.compile(r"(?<![\d.,])(?:\+84[ .-]?|0)(?:[35789](?:[ .-]?\d){8}|2(?:[ .-]?\d){9})(?![\d])"),
    "e-mail address": re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
}
_AT_A_TIME = 10_000  # rows: a value that stands in many of them is looked at once
Findings = Counter[tuple[str, str, str]]


class PersonalData(Refusal):
    """Something that looks like personal data would have been published."""

    lasts = True


def kinds_in(text: str) -> list[str]:
    """Which kinds of personal data a text seems to hold."""
    return [kind for kind, pattern in KINDS.items() if pattern.search(text)]


def refuse_personal_data(files: Iterable[Path], texts: Collection[str], table: str) -> None:
    """Read the finished files again. Fails closed; neither values nor lines are told, only where to look."""
    found: Findings = Counter()
    for path in files:
        for name, values in _READERS[path.suffix](path):
            if name in texts:
                for value, count in Counter(values).items():
                    for kind in kinds_in(value):
                        found[path.name, name, kind] += count
    if found:
        raise PersonalData(
            f"{table} is not exported: it seems to hold personal data",
            where=table,
            expected="no identity numbers, telephone numbers or e-mail addresses",
            found="; ".join(
                f"{kind}: {count:,} in column {column} of {file}"
                for (file, column, kind), count in sorted(found.items())
            ),
            remedy="take the column out of portal.columns, or clean it in dbt/models; what was published before stays",
        )


def _columns_of_csv(path: Path) -> Iterator[tuple[str, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        names = next(reader)
        yield from ((name, [name]) for name in names)
        while rows := list(islice(reader, _AT_A_TIME)):
            yield from zip(names, map(list, zip(*rows, strict=True)), strict=True)


def _columns_of_parquet(path: Path) -> Iterator[tuple[str, list[str]]]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_AT_A_TIME):
            for name in batch.schema.names:
                yield name, [str(value) for value in batch.column(name).to_pylist() if value is not None]


def _columns_of_json(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Of lines that are rows, changes (`changes.jsonl`) or features of a map, as `formats` writes them."""
    with path.open(encoding="utf-8") as lines:
        while some := list(islice(lines, _AT_A_TIME)):
            columns: dict[str, list[str]] = {}
            for line in some:
                text = line.lstrip(",").strip()
                if text.startswith("{") and text.endswith("}"):
                    _add_texts(json.loads(text), columns)
            yield from columns.items()


def _add_texts(value: object, columns: dict[str, list[str]]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                columns.setdefault(name, []).append(inner)
            else:
                _add_texts(inner, columns)


def _columns_of_xlsx(path: Path) -> Iterator[tuple[str, list[str]]]:
    from python_calamine import CalamineWorkbook  # noqa: PLC0415

    book = CalamineWorkbook.from_path(str(path))
    for sheet in book.sheet_names:
        names, *rows = book.get_sheet_by_name(sheet).to_python() or [[]]
        for name, *values in zip(names, *rows, strict=True):
            yield str(name), [value for value in values if isinstance(value, str)]


_READERS = {
    ".csv": _columns_of_csv,
    ".parquet": _columns_of_parquet,
    ".jsonl": _columns_of_json,
    ".geojson": _columns_of_json,
    ".xlsx": _columns_of_xlsx,
}
